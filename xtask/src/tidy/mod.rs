//! `cargo xtask tidy`: the dependency arrows and the style budgets, as a test that fails.

mod arrows;
mod budgets;
mod examples;
mod modules;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// One thing to mend.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: PathBuf,
    line: usize,
    what: String,
}

impl Finding {
    fn new(path: &Path, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.what)
    }
}

/// A source file.
pub(crate) struct Source {
    /// Relative to the workspace.
    path: PathBuf,
    text: String,
}

/// Folders that are not looked into.
const SKIPPED: [&str; 4] = ["target", ".git", "ui", "node_modules"];

/// Checks everything; tells whether nothing was found.
pub(crate) fn run(root: &Path) -> anyhow::Result<bool> {
    let sources = sources(root)?;
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path.extension().is_some_and(|end| end == "rs")) {
        findings.extend(budgets::check(source));
        findings.extend(modules::check(source));
    }
    for source in &sources {
        findings.extend(words::check(source));
        findings.extend(arrows::check(source));
    }
    findings.extend(examples::check(&sources));
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} files, {} findings", sources.len(), findings.len());
    Ok(findings.is_empty())
}

fn sources(root: &Path) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
                folders.push(path);
            } else if is_source(&path) {
                let text = std::fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                let path = path.strip_prefix(root).map(Path::to_owned).unwrap_or(path);
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(sources)
}

fn is_source(path: &Path) -> bool {
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
    path.is_file() && matches!(end, "rs" | "md" | "toml" | "sql") && !path.ends_with("Cargo.lock")
}
