//! What waits for longer than it should, and what has come to rest.

use crate::doctor::context::Context;
use crate::doctor::id::FindingId;
use crate::doctor::report::Finding;
use crate::doctor::session::{Dialect, Session, number};

/// How many rows are looked at: enough to know that there are many.
const LOOKED_AT: i64 = 10_000;

/// Rows that wait, and how many seconds the oldest of them has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::doctor) struct Waiting {
    rows: i64,
    seconds: i64,
}

/// What waits or rests.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::doctor) struct Facts {
    outbox: Waiting,
    retries: Waiting,
    timers: Waiting,
    dead_letters: i64,
    paused: i64,
    quiet: i64,
}

async fn waiting(session: &mut Session, text: String) -> Result<Waiting, sqlx::Error> {
    let row = session.rows(text).await?.into_iter().next().unwrap_or_default();
    let cell = |at: usize| number(row.get(at).and_then(Option::as_deref)).unwrap_or(0);
    Ok(Waiting { rows: cell(0), seconds: cell(1) })
}

/// A value in quotes.
fn quoted(dialect: Dialect, value: &str) -> String {
    let value = value.replace('\'', "''");
    // A backslash is one of them in MariaDB and MySQL.
    let value = if dialect == Dialect::MySql { value.replace('\\', "\\\\") } else { value };
    format!("'{value}'")
}

/// The live runs: MariaDB and MySQL find them workflow by workflow, by the index that begins with its name.
async fn live_runs(session: &mut Session) -> Result<String, sqlx::Error> {
    match session.dialect() {
        Dialect::Postgres => Ok("r.live".to_owned()),
        Dialect::Sqlite => Ok("r.live = 1".to_owned()),
        Dialect::MySql => {
            let rows = session.rows("select distinct workflow_name from workflow_records").await?;
            let names = rows.into_iter().filter_map(|row| row.into_iter().next().flatten());
            let names: Vec<String> = names.map(|name| quoted(Dialect::MySql, &name)).collect();
            let names = if names.is_empty() { "''".to_owned() } else { names.join(", ") };
            Ok(format!("r.workflow_name in ({names}) and r.live = 1"))
        }
    }
}

pub(in crate::doctor) async fn gather(session: &mut Session, cx: &Context) -> Result<Facts, sqlx::Error> {
    let dialect = cx.dialect;
    let oldest = |table: &str, column: &str, condition: String| {
        let age = dialect.seconds_since(column);
        format!(
            "select count(*), max(age) from (select {age} as age from {table} where {condition} limit {LOOKED_AT}) waiting"
        )
    };
    let overdue = |column: &str| format!("{column} < {}", dialect.ago(cx.options.waiting_max));
    let live = live_runs(session).await?;
    let quiet = format!(
        "select count(*) from (select 1 from workflow_records r where {live} and r.run_state in (1, 2) and r.updated_at < {} \
         and r.run_id not in (select run_id from workflow_outbox where run_id is not null) and not exists (select 1 from \
         workflow_retries y where y.run_id = r.run_id) and not exists (select 1 from workflow_timeouts t where t.run_id = \
         r.run_id and t.state = 0) and not exists (select 1 from workflow_dead_letters l where l.run_id = r.run_id) limit \
         {LOOKED_AT}) quiet",
        dialect.ago(cx.options.quiet_max)
    );
    let paused = format!(
        "select count(*) from (select 1 from workflow_records r where {live} and r.run_state = 3 and r.paused_by = 'engine' \
         limit {LOOKED_AT}) paused"
    );
    let letters =
        format!("select count(*) from (select 1 from workflow_dead_letters limit {LOOKED_AT}) letters");
    Ok(Facts {
        // Ids rise with time, so that the first ones are the oldest.
        outbox: waiting(session, oldest("workflow_outbox", "created_at", "id > '' order by id".to_owned()))
            .await?,
        retries: waiting(session, oldest("workflow_retries", "due_at", overdue("due_at"))).await?,
        timers: waiting(
            session,
            oldest("workflow_timeouts", "expire_at", format!("state = 0 and {}", overdue("expire_at"))),
        )
        .await?,
        dead_letters: session.number(letters).await?,
        paused: session.number(paused).await?,
        quiet: session.number(quiet).await?,
    })
}

fn count(rows: i64) -> String {
    if rows >= LOOKED_AT { format!("at least {LOOKED_AT}") } else { rows.to_string() }
}

/// So many seconds in the two units that tell most.
fn span(seconds: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let first = UNITS.iter().position(|(size, _)| seconds >= *size).unwrap_or(UNITS.len() - 1);
    let mut left = seconds;
    let parts = UNITS.iter().skip(first).take(2).filter_map(|(size, unit)| {
        let number = left / size;
        left %= size;
        (number > 0 || seconds == 0).then(|| format!("{number} {unit}"))
    });
    parts.collect::<Vec<_>>().join(" ")
}

pub(in crate::doctor) fn judge(facts: &Facts, cx: &Context) -> Vec<Finding> {
    let most = i64::try_from(cx.options.waiting_max.as_secs()).unwrap_or(i64::MAX);
    let late = [
        (
            facts.outbox,
            FindingId::OutboxOld,
            "event(s) wait in the outbox",
            "start a process that runs the workflows, or see why its relay cannot publish: workflowctl outbox status",
        ),
        (
            facts.retries,
            FindingId::RetriesOverdue,
            "attempt(s) are due and are not made",
            "start a process that runs their workflows; if one runs, see its log for steps that take all its time",
        ),
        (
            facts.timers,
            FindingId::TimersOverdue,
            "timer(s) are due and do not fire",
            "start a process that runs their workflows; if one runs, see its log for timers that fail",
        ),
    ];
    let mut findings: Vec<Finding> = late
        .into_iter()
        .filter(|(waiting, ..)| waiting.rows > 0 && waiting.seconds > most)
        .map(|(waiting, id, what, fix)| {
            let message = format!("{} {what}, the oldest for {}", count(waiting.rows), span(waiting.seconds));
            Finding::warning(id, message, fix)
        })
        .collect();
    if facts.dead_letters > 0 {
        let message =
            format!("{} dead letter(s): what is in them is not processed", count(facts.dead_letters));
        let fix = "see why: workflowctl outbox dead-letters list; then requeue or discard them";
        findings.push(Finding::warning(FindingId::DeadLetters, message, fix));
    }
    if facts.paused > 0 {
        let message = format!(
            "{} run(s) were paused by the engine, as their step failed too often",
            count(facts.paused)
        );
        let fix = "see why by workflowctl runs show RUN, mend it, and resume them";
        findings.push(Finding::warning(FindingId::RunsPaused, message, fix));
    }
    if facts.quiet > 0 {
        let message = format!(
            "{} unfinished run(s) have not moved for {}, and no event, retry or timer will move them",
            count(facts.quiet),
            span(i64::try_from(cx.options.quiet_max.as_secs()).unwrap_or(i64::MAX))
        );
        let fix = "nothing has to be done if they wait for a callback; else start a process that runs their workflows: its \
                   reconciler takes them up";
        findings.push(Finding::note(FindingId::RunsQuiet, message, fix));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(facts: Facts) -> Vec<&'static str> {
        judge(&facts, &Context::sample(Dialect::Postgres)).iter().map(|finding| finding.id.as_str()).collect()
    }

    #[test]
    fn what_waits_for_its_turn_is_fine_for_a_minute() {
        let (young, old) = (Waiting { rows: 5, seconds: 60 }, Waiting { rows: 5, seconds: 61 });
        let facts = Facts { outbox: young, retries: young, timers: young, ..Facts::default() };
        assert!(ids(facts).is_empty());
        let facts = Facts { outbox: old, retries: old, timers: old, ..Facts::default() };
        assert_eq!(ids(facts), ["outbox-old", "retries-overdue", "timers-overdue"]);
    }

    #[test]
    fn what_rests_is_found() {
        assert_eq!(ids(Facts { dead_letters: 1, ..Facts::default() }), ["dead-letters"]);
        assert_eq!(ids(Facts { paused: 1, ..Facts::default() }), ["runs-paused"]);
        assert_eq!(ids(Facts { quiet: 1, ..Facts::default() }), ["runs-quiet"]);
    }

    #[test]
    fn many_are_not_counted() {
        assert_eq!((count(3), count(LOOKED_AT)), ("3".to_owned(), "at least 10000".to_owned()));
    }

    #[test]
    fn times_are_told_in_two_units() {
        let cases = [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (90_061, "1 d 1 h")];
        for (seconds, told) in cases {
            assert_eq!(span(seconds), told);
        }
    }

    #[test]
    fn names_are_quoted_for_their_server() {
        assert_eq!(quoted(Dialect::MySql, r"it's\"), r"'it''s\\'");
        assert_eq!(quoted(Dialect::Postgres, r"it's\"), r"'it''s\'");
    }
}
