//! A run that is written, read, moved and removed.
//!
//! All of it is one transaction, and at its end nothing is left: so no relay reads the event, no engine finds the run,
//! and nothing stays behind, whenever the doctor or the server may end. That the transaction commits shows that the
//! server really stores. The workflow's name is one that no workflow can have.

use crate::doctor::context::Context;
use crate::doctor::id::FindingId;
use crate::doctor::reach::told;
use crate::doctor::report::Finding;
use crate::doctor::session::{Dialect, Session};

/// No workflow has such a name: control characters are refused where names are made.
const WORKFLOW: &str = "doctor\u{1}probe";

/// What went wrong with the probe, and at what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::doctor) struct Failed {
    step: String,
    reason: String,
}

/// A statement of the probe, and how many rows it has to affect.
struct Step {
    what: &'static str,
    text: String,
    rows: u64,
}

/// What the dialects write in their own ways.
struct Words {
    key: &'static str,
    live: (&'static str, &'static str),
}

fn words(dialect: Dialect) -> Words {
    match dialect {
        Dialect::MySql => Words { key: "`key`", live: ("", "") },
        Dialect::Postgres => Words { key: "key", live: ("", "") },
        Dialect::Sqlite => Words { key: "key", live: (", live", ", 1") },
    }
}

fn writes(id: &str, dialect: Dialect) -> Vec<Step> {
    let (Words { key, live: (live, live_value) }, now) = (words(dialect), dialect.now());
    let step = |what, text| Step { what, text, rows: 1 };
    vec![
        step(
            "written to workflow_records",
            format!(
                "insert into workflow_records (workflow_name, foreign_id, run_id, run_state, status, object, created_at, \
             updated_at, meta, version, last_event_id{live}) values ('{WORKFLOW}', '{id}', '{id}', 1, 1, '{{}}', {now}, \
             {now}, '{{}}', 1, '{id}'{live_value})"
            ),
        ),
        step(
            "written to workflow_outbox",
            format!(
                "insert into workflow_outbox (id, workflow_name, data, created_at, run_id, record_version, bucket) values \
             ('{id}', '{WORKFLOW}', '', {now}, '{id}', 1, 1)"
            ),
        ),
        step(
            "written to workflow_history",
            format!(
                "insert into workflow_history (run_id, version, workflow_name, to_status, run_state, reason, actor, attempt, \
             duration_us, at) values ('{id}', 1, '{WORKFLOW}', 1, 1, '', 'operator', 1, 1, {now})"
            ),
        ),
        step(
            "written to workflow_timeouts",
            format!(
                "insert into workflow_timeouts (run_id, entered, name, workflow_name, foreign_id, status, state, expire_at, \
             created_at) values ('{id}', 1, 'probe', '{WORKFLOW}', '{id}', 1, 2, {now}, {now})"
            ),
        ),
        step(
            "written to workflow_retries",
            format!(
                "insert into workflow_retries (run_id, version, process, workflow_name, attempt, due_at, last_error, event) values \
             ('{id}', 1, 'probe', '{WORKFLOW}', 1, null, '', '')"
            ),
        ),
        step(
            "written to workflow_inbox",
            format!(
                "insert into workflow_inbox (run_id, status, {key}, payload, applied, noted) values ('{id}', 1, 'probe', '', 1, 1)"
            ),
        ),
        step(
            "written to workflow_slots",
            format!(
                "insert into workflow_slots (workflow_name, foreign_id, spec, slot) values ('{WORKFLOW}', '{id}', 'probe', {now})"
            ),
        ),
        step(
            "written to workflow_dead_letters",
            format!(
                "insert into workflow_dead_letters (id, workflow_name, run_id, version, process, reason, data, created_at) values \
             ('{id}', '{WORKFLOW}', '{id}', 1, 'probe', '', '', {now})"
            ),
        ),
        step(
            "written to workflow_roles",
            format!("insert into workflow_roles (role, epoch) values ('{id}', 1)"),
        ),
    ]
}

/// The move of a version, which only the first of two can make.
fn moves(id: &str) -> [Step; 2] {
    let text = format!(
        "update workflow_records set status = 2, run_state = 2, version = 2 where run_id = '{id}' and version = 1"
    );
    [
        Step { what: "moved", text: text.clone(), rows: 1 },
        Step { what: "kept from a second move of the same version", text, rows: 0 },
    ]
}

fn removals(id: &str) -> Vec<Step> {
    let by = [
        ("removed from workflow_roles", "workflow_roles", "role"),
        ("removed from workflow_dead_letters", "workflow_dead_letters", "id"),
        ("removed from workflow_slots", "workflow_slots", "foreign_id"),
        ("removed from workflow_inbox", "workflow_inbox", "run_id"),
        ("removed from workflow_retries", "workflow_retries", "run_id"),
        ("removed from workflow_timeouts", "workflow_timeouts", "run_id"),
        ("removed from workflow_history", "workflow_history", "run_id"),
        ("removed from workflow_outbox", "workflow_outbox", "id"),
        ("removed from workflow_records", "workflow_records", "run_id"),
    ];
    let step = |(what, table, column)| {
        let scope = if table == "workflow_slots" {
            format!("workflow_name = '{WORKFLOW}' and ")
        } else {
            String::new()
        };
        Step { what, text: format!("delete from {table} where {scope}{column} = '{id}'"), rows: 1 }
    };
    by.into_iter().map(step).collect()
}

/// Runs the probe. What fails ends it, and the transaction with it.
pub(in crate::doctor) async fn run(session: &mut Session) -> Result<Option<Failed>, sqlx::Error> {
    let id = uuid::Uuid::new_v4().to_string();
    let dialect = session.dialect();
    // The check's own transaction has limits of its own, which are as good for this.
    let begin = match dialect {
        Dialect::MySql => "start transaction",
        Dialect::Sqlite => "begin immediate",
        Dialect::Postgres => "select 1",
    };
    let begin = Step { what: "begun", text: begin.to_owned(), rows: u64::from(dialect == Dialect::Postgres) };
    let mut steps = vec![begin];
    steps.extend(writes(&id, dialect));
    if let Some(failed) = take(session, steps).await? {
        return Ok(Some(failed));
    }
    let read = format!(
        "select version from workflow_records where workflow_name = '{WORKFLOW}' and foreign_id = '{id}'"
    );
    let read = session.value(read).await;
    if !matches!(&read, Ok(Some(version)) if version == "1") {
        let reason = read.map_or_else(|error| told(&error), |found| format!("version {found:?} came back"));
        return Ok(Some(Failed { step: "read".to_owned(), reason }));
    }
    let mut steps: Vec<Step> = moves(&id).into();
    steps.extend(removals(&id));
    if let Some(failed) = take(session, steps).await? {
        return Ok(Some(failed));
    }
    match session.execute("commit").await {
        Ok(_) => Ok(None),
        Err(error) => Ok(Some(Failed { step: "committed".to_owned(), reason: told(&error) })),
    }
}

async fn take(session: &mut Session, steps: Vec<Step>) -> Result<Option<Failed>, sqlx::Error> {
    for Step { what, text, rows } in steps {
        let reason = match session.execute(text).await {
            Ok(affected) if affected == rows || what == "begun" => continue,
            Ok(affected) => format!("{affected} rows were affected, and {rows} should be"),
            Err(error) => told(&error),
        };
        return Ok(Some(Failed { step: what.to_owned(), reason }));
    }
    Ok(None)
}

pub(in crate::doctor) fn judge(failed: &Failed, cx: &Context) -> Vec<Finding> {
    let Failed { step, reason } = failed;
    let message = format!("a probe run could not be {step}: {reason}");
    let lower = reason.to_lowercase();
    let fix = if lower.contains("denied") {
        match cx.dialect {
            Dialect::Postgres => {
                "grant select, insert, update, delete on all tables in schema SCHEMA to USER"
            }
            Dialect::MySql | Dialect::Sqlite => "grant select, insert, update, delete on DATABASE.* to USER",
        }
    } else if lower.contains("read-only") || lower.contains("readonly") {
        "connect to the primary, or make server and file writable"
    } else if lower.contains("full") || lower.contains("no space") {
        "make room on the server's disk"
    } else if lower.contains("binlog_format") {
        "set global binlog_format = 'ROW'; then connect anew"
    } else {
        "see the reason: a trigger, a constraint or a right on the table is in the way of the engine, too"
    };
    vec![Finding::error(FindingId::ProbeFailed, message, fix)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::expected;

    #[test]
    fn every_table_of_runs_is_tried_and_left_as_it_was() {
        for table in expected::tables_of_runs() {
            let concerns = |steps: &[Step], verb: &str| {
                steps.iter().filter(|step| step.text.starts_with(&format!("{verb} {table} "))).count()
            };
            assert_eq!(concerns(&writes("x", Dialect::MySql), "insert into"), 1, "{table}");
            assert_eq!(concerns(&removals("x"), "delete from"), 1, "{table}");
        }
    }

    #[test]
    fn no_workflow_has_the_name_of_the_probe() {
        assert!(workflow_core::WorkflowName::new(WORKFLOW).is_err());
    }

    #[test]
    fn each_reason_has_its_cure() {
        let cases = [
            ("INSERT command denied to user", "grant"),
            ("permission denied for table workflow_roles", "grant"),
            ("cannot execute INSERT in a read-only transaction", "connect to the primary"),
            ("attempt to write a readonly database", "connect to the primary"),
            ("The table 'workflow_records' is full", "make room"),
            ("BINLOG_FORMAT = STATEMENT", "set global binlog_format"),
            ("0 rows were affected, and 1 should be", "see the reason"),
        ];
        for (reason, cure) in cases {
            let failed = Failed { step: "moved".to_owned(), reason: reason.to_owned() };
            let found = judge(&failed, &Context::sample(Dialect::MySql));
            assert!(found[0].fix.starts_with(cure), "{reason}: {}", found[0].fix);
        }
    }
}
