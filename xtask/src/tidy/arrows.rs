//! Which package may depend on which.

use super::{Finding, Source};

/// A package and those of this workspace that it may depend on; development dependencies are free.
const ARROWS: &[(&str, &[&str])] = &[
    ("workflow-core", &[]),
    ("workflow-derive", &[]),
    ("store-sql", &["workflow-core"]),
    ("streamer-kafka", &["workflow-core"]),
    ("scheduler-etcd", &["workflow-core"]),
    ("telemetry", &["workflow-core"]),
    ("outbox-relay", &["scheduler-etcd", "store-sql", "streamer-kafka", "telemetry", "workflow-core"]),
    ("workflow", &["store-sql", "workflow-core", "workflow-derive"]),
    ("tests/conformance", &["workflow-core"]),
    ("tests/shop", &["workflow-core", "workflow-derive"]),
    (
        "tests/system",
        &[
            "money-transfer",
            "order-processor",
            "outbox-relay",
            "scheduler-etcd",
            "store-sql",
            "streamer-kafka",
            "telemetry",
            "workflow",
            "workflow-core",
            "workflowctl",
        ],
    ),
    ("workflowctl", &["scheduler-etcd", "store-sql", "streamer-kafka", "workflow-core"]),
    (
        "bench",
        &[
            "outbox-relay",
            "scheduler-etcd",
            "store-sql",
            "streamer-kafka",
            "telemetry",
            "workflow",
            "workflow-core",
        ],
    ),
    ("examples/order-processor", &["scheduler-etcd", "store-sql", "streamer-kafka", "telemetry", "workflow"]),
    ("xtask", &[]),
];

/// The packages of this workspace.
const PACKAGES: &[&str] = &[
    "workflow",
    "workflow-core",
    "workflow-derive",
    "store-sql",
    "workflow-conformance",
    "workflow-shop",
    "money-transfer",
    "order-processor",
    "workflow-bench",
    "workflowctl",
    "outbox-relay",
    "scheduler-etcd",
    "streamer-kafka",
    "telemetry",
];

/// Checks a manifest.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    if !source.path.ends_with("Cargo.toml") {
        return Vec::new();
    }
    let folder = source.path.parent().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
    let allowed: &[&str] = match ARROWS.iter().find(|(package, _)| *package == folder) {
        Some((_, allowed)) => allowed,
        None if folder.starts_with("examples/") => &["workflow"],
        None => return Vec::new(),
    };
    let mut findings = Vec::new();
    let mut section = "";
    for (at, line) in source.text.lines().enumerate() {
        if line.starts_with('[') {
            section = line.trim();
        }
        let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
        if section == "[dependencies]" && PACKAGES.contains(&name) && !allowed.contains(&name) {
            let may =
                if allowed.is_empty() { "nothing of this workspace".to_owned() } else { allowed.join(", ") };
            let what = format!("{folder} must not depend on {name}: it may depend on {may}");
            findings.push(Finding::new(&source.path, at + 1, what));
        }
    }
    if !source.text.contains("[lints]") && !folder.is_empty() {
        let what = "the workspace's lints are not on: add `[lints]` with `workspace = true`";
        findings.push(Finding::new(&source.path, 1, what));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(folder: &str, dependency: &str) -> usize {
        let text = format!(
            "[package]\nname = \"x\"\n[lints]\nworkspace = true\n[dependencies]\n{dependency}.workspace = true\n"
        );
        check(&Source { path: format!("{folder}/Cargo.toml").into(), text }).len()
    }

    #[test]
    fn core_depends_on_no_adapter_and_adapters_on_core() {
        assert_eq!(findings("workflow-core", "store-sql"), 1);
        assert_eq!(findings("store-sql", "workflow-core"), 0);
        assert_eq!(findings("examples/timeout", "store-sql"), 1);
        assert_eq!(findings("examples/timeout", "workflow"), 0);
    }
}
