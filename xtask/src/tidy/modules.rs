//! Which module of the core may use which: `engine -> definition -> adapter -> model`.

use super::{Finding, Source};

/// A module and those that it may use by `crate::`; what the crate re-exports at its root is allowed everywhere but in
/// the model.
const ARROWS: [(&str, &[&str]); 5] = [
    ("model", &[]),
    ("adapter", &["adapter"]),
    ("definition", &["adapter", "definition", "run"]),
    ("memory", &["adapter", "memory"]),
    ("engine", &["adapter", "definition", "engine", "run"]),
];

const MODULES: [&str; 7] = ["adapter", "definition", "engine", "memory", "model", "run", "testing"];

/// Checks the paths that a file of the core uses.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let Ok(inner) = source.path.strip_prefix("workflow-core/src") else { return Vec::new() };
    let module = inner.iter().next().map(|first| first.to_string_lossy().into_owned()).unwrap_or_default();
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else { return Vec::new() };
    let mut findings = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        let code = line.trim_start();
        if code.starts_with("//") {
            continue;
        }
        for (place, _) in code.match_indices("crate::") {
            let name: String =
                code[place + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if MODULES.contains(&name.as_str()) && !allowed.contains(&name.as_str()) {
                let what = format!(
                    "module {module} must not use crate::{name}: arrows go engine -> definition -> adapter -> model"
                );
                findings.push(Finding::new(&source.path, at + 1, what));
            }
        }
        if module == "model" && code.starts_with("use crate::") {
            findings.push(Finding::new(
                &source.path,
                at + 1,
                "the model uses nothing of the crate but itself",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(module: &str, text: &str) -> usize {
        check(&Source { path: format!("workflow-core/src/{module}/a.rs").into(), text: text.to_owned() })
            .len()
    }

    #[test]
    fn arrows_go_down() {
        assert_eq!(findings("adapter", "use crate::engine::Hub;"), 1);
        assert_eq!(findings("engine", "use crate::adapter::Store;"), 0);
        assert_eq!(findings("memory", "    crate::engine::Hub::new();"), 1);
        assert_eq!(findings("adapter", "// crate::engine is above\nuse crate::Record;"), 0);
    }
}
