//! What tests of the doctor share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeSet;

use store_sql::config::PoolOptions;
use store_sql::doctor::{DoctorOptions, FindingId, Report, Severity, examine};

/// A small pool, as others use the tests' server as well, and no demands on this machine's disk.
pub(crate) fn options() -> DoctorOptions {
    DoctorOptions::new().pool(PoolOptions::new().max_open(2).min_idle(0)).free_bytes_min(0)
}

/// What the doctor says of a database.
pub(crate) async fn report(url: &str) -> Report {
    report_with(url, options()).await
}

pub(crate) async fn report_with(url: &str, options: DoctorOptions) -> Report {
    let report = examine(&url.parse().unwrap(), &options).await;
    for finding in &report.findings {
        assert!(!finding.message.is_empty() && !finding.fix.is_empty(), "{finding:?}");
    }
    report
}

/// The kinds of findings, each once.
pub(crate) fn ids(report: &Report) -> BTreeSet<&'static str> {
    report.findings.iter().map(|finding| finding.id.as_str()).collect()
}

/// The doctor finds just this.
pub(crate) fn finds(report: &Report, expected: &[FindingId]) {
    let expected: BTreeSet<&str> = expected.iter().map(|id| id.as_str()).collect();
    assert_eq!(ids(report), expected, "{report}");
}

/// There is no error and no warning, and nothing else to tell either.
pub(crate) fn is_healthy(report: &Report) {
    assert!(report.ok, "{report}");
    finds(report, &[]);
}

/// The severity of the one finding of a kind.
pub(crate) fn severity(report: &Report, id: FindingId) -> Severity {
    let found: Vec<_> = report.of(id).collect();
    assert_eq!(found.len(), 1, "{report}");
    found[0].severity
}
