//! What was found.

use std::fmt;

use serde::Serialize;

use super::id::FindingId;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The engine does not work, or a promise does not hold.
    Error,
    /// It works, and should be mended.
    Warning,
    /// Worth knowing.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        })
    }
}

/// One thing that was found, and what to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What it is; the same in every version.
    pub id: FindingId,
    /// How bad it is.
    pub severity: Severity,
    /// What was found, and where.
    pub message: String,
    /// What to change: a statement, a setting, a command.
    pub fix: String,
}

impl Finding {
    pub(super) fn error(id: FindingId, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { id, severity: Severity::Error, message: message.into(), fix: fix.into() }
    }

    pub(super) fn warning(id: FindingId, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(id, message, fix) }
    }

    pub(super) fn note(id: FindingId, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(id, message, fix) }
    }
}

/// What a whole examination came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// There is no error and no warning.
    Healthy,
    /// There are errors or warnings.
    Findings,
    /// The database could not be looked at.
    CouldNotCheck,
}

impl Verdict {
    /// The exit code of a program that reports it: 0, 1, 2.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Healthy => 0,
            Verdict::Findings => 1,
            Verdict::CouldNotCheck => 2,
        }
    }
}

/// All that was found, the worst first.
///
/// As JSON it is `{"ok":bool,"findings":[{"id","severity","message","fix"}]}`; as text it is a table for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Whether there is no error and no warning; notes do not count.
    pub ok: bool,
    /// The findings.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.severity);
        let ok = findings.iter().all(|finding| finding.severity == Severity::Note);
        Self { ok, findings }
    }

    /// What it came to.
    pub fn verdict(&self) -> Verdict {
        if self.findings.iter().any(|finding| finding.id.is_blocking()) {
            return Verdict::CouldNotCheck;
        }
        if self.ok { Verdict::Healthy } else { Verdict::Findings }
    }

    /// The findings of a kind.
    pub fn of(&self, id: FindingId) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.id == id)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |severity| self.findings.iter().filter(|finding| finding.severity == severity).count();
        let (errors, warnings, notes) =
            (count(Severity::Error), count(Severity::Warning), count(Severity::Note));
        let verdict = match self.verdict() {
            Verdict::Healthy => "healthy",
            Verdict::Findings => "needs attention",
            Verdict::CouldNotCheck => "could not be checked",
        };
        writeln!(f, "{verdict}: errors {errors}, warnings {warnings}, notes {notes}")?;
        let width = self.findings.iter().map(|finding| finding.id.as_str().len()).max().unwrap_or(0);
        for finding in &self.findings {
            writeln!(f, "{:7}  {:width$}  {}", finding.severity, finding.id, finding.message)?;
            for line in finding.fix.lines() {
                writeln!(f, "{:7}  {:width$}  -> {line}", "", "")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Finding {
        Finding::note(FindingId::IndexOfTheGuide, "by_run_state costs throughput", "drop index by_run_state")
    }

    fn warning() -> Finding {
        Finding::warning(FindingId::DeadLetters, "3 dead letters", "look at them")
    }

    #[test]
    fn notes_leave_a_database_healthy() {
        let cases = [
            (vec![], true, Verdict::Healthy, 0),
            (vec![note()], true, Verdict::Healthy, 0),
            (vec![note(), warning()], false, Verdict::Findings, 1),
            (
                vec![Finding::error(FindingId::LoginRefused, "refused", "check it")],
                false,
                Verdict::CouldNotCheck,
                2,
            ),
        ];
        for (findings, ok, verdict, code) in cases {
            let report = Report::new(findings);
            assert_eq!((report.ok, report.verdict(), report.verdict().exit_code()), (ok, verdict, code));
        }
    }

    #[test]
    fn the_worst_comes_first() {
        let report = Report::new(vec![note(), warning()]);
        assert_eq!(report.findings[0].id, FindingId::DeadLetters);
        assert_eq!(report.of(FindingId::IndexOfTheGuide).count(), 1);
    }

    #[test]
    fn the_json_has_these_keys_alone() -> Result<(), serde_json::Error> {
        let json = serde_json::to_string(&Report::new(vec![warning()]))?;
        let expected = r#"{"ok":false,"findings":[{"id":"dead-letters","severity":"warning","message":"3 dead letters","fix":"look at them"}]}"#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::to_string(&Report::new(Vec::new()))?, r#"{"ok":true,"findings":[]}"#);
        Ok(())
    }

    #[test]
    fn people_see_a_table() {
        let shown = Report::new(vec![note(), warning()]).to_string();
        let expected = "needs attention: errors 0, warnings 1, notes 1\n\
            warning  dead-letters        3 dead letters\n\
            \x20                            -> look at them\n\
            note     index-of-the-guide  by_run_state costs throughput\n\
            \x20                            -> drop index by_run_state\n";
        assert_eq!(shown, expected);
    }
}
