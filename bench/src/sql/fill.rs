//! Tables full of rows, made by the server itself.

use workflow::{Event, ForeignId, RunId, RunState, StatusCode, Topic, Version, WorkflowName, encode_outbox};

use super::database::{Database, Kind};
use crate::load;

/// How many rows one statement makes, so that none of them needs much of the server's memory.
const STEP: u64 = 250_000;

/// The last twelve digits of an id, and numbers as texts, in the words of each server.
struct Words {
    hex: &'static str,
    number: &'static str,
    instant: &'static str,
    long_ago: &'static str,
    far_away: &'static str,
}

const POSTGRES: Words = Words {
    hex: "lpad(to_hex(i), 12, '0')",
    number: "lpad(i::text, 12, '0')",
    instant: "timestamp '2024-01-01 00:00:00' + i * interval '1 millisecond'",
    long_ago: "timestamp '2024-02-01 00:00:00'",
    far_away: "timestamp '2999-01-01 00:00:00'",
};

const MARIADB: Words = Words {
    hex: "lpad(lower(hex(i)), 12, '0')",
    number: "lpad(i, 12, '0')",
    instant: "timestamp'2024-01-01 00:00:00.000' + interval i * 1000 microsecond",
    long_ago: "timestamp'2024-02-01 00:00:00.000'",
    far_away: "timestamp'2999-01-01 00:00:00.000'",
};

impl Words {
    fn of(kind: Kind) -> &'static Self {
        match kind {
            Kind::MariaDb => &MARIADB,
            Kind::Postgres => &POSTGRES,
        }
    }
}

/// Puts so many events into the outbox that nobody has published.
pub(crate) async fn backlog(database: &Database, rows: u64) -> anyhow::Result<()> {
    let data: String = encode_outbox(&event()?).iter().map(|byte| format!("{byte:02x}")).collect();
    let data = match database.kind {
        Kind::MariaDb => format!("x'{data}'"),
        Kind::Postgres => format!("'\\x{data}'::bytea"),
    };
    let Words { hex, instant, .. } = Words::of(database.kind);
    let insert = format!(
        "insert into workflow_outbox (id, workflow_name, data, created_at, run_id, record_version, bucket) select \
         concat('outbox-id-00000000-0000-7000-8000-', {hex}), '{}', {data}, {instant}, \
         concat('00000000-0000-7000-9000-', {hex}), 1, 1 from numbers",
        load::NAME
    );
    in_steps(database, &[insert], rows).await?;
    settle(database).await
}

fn event() -> anyhow::Result<Event> {
    let (name, status) = (WorkflowName::new(load::NAME)?, StatusCode::new(1)?);
    Ok(Event {
        event_id: None,
        topic: Topic::of_record(&name, RunState::Initiated, status),
        workflow_name: name,
        foreign_id: ForeignId::new("order-000500000000")?,
        run_id: RunId::generate(),
        status,
        run_state: RunState::Initiated,
        version: Some(Version::FIRST),
        headers: Vec::new(),
    })
}

/// The run of a number.
pub(crate) fn run_id(number: u64) -> anyhow::Result<RunId> {
    Ok(format!("00000000-0000-7000-9000-{number:012x}").parse()?)
}

/// The business key of a number.
pub(crate) fn foreign_id(number: u64) -> anyhow::Result<ForeignId> {
    Ok(ForeignId::new(format!("order-{number:012}"))?)
}

/// Puts in so many records that ended long ago, but for one of a hundred, which waits for its timer; every thousandth
/// timer is due. Of ten that ended one had a timer.
pub(crate) async fn records(database: &Database, rows: u64) -> anyhow::Result<()> {
    let Words { hex, number, instant, long_ago, far_away } = Words::of(database.kind);
    let (object, meta) = match database.kind {
        Kind::MariaDb => (
            "concat('{\"customer\":\"customer-', i, '\",\"pieces\":1,\"cents\":4200,\"steps\":3}')",
            META.to_owned(),
        ),
        Kind::Postgres => (
            "convert_to('{\"customer\":\"customer-' || i || '\",\"pieces\":1,\"cents\":4200,\"steps\":3}', 'UTF8')",
            format!("{META}::bytea"),
        ),
    };
    let state = "case when i % 100 = 0 then 2 else 5 end";
    let run_id = format!("concat('00000000-0000-7000-9000-', {hex})");
    let event_id = format!("concat('outbox-id-00000000-0000-7000-8000-', {hex})");
    let (name, foreign_id) = (load::NAME, format!("concat('order-', {number})"));
    let records = format!(
        "insert into workflow_records (run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, \
         meta, version, last_event_id) select {run_id}, '{name}', {foreign_id}, {state}, 4, {object}, {instant}, {instant}, \
         {meta}, 4, {event_id} from numbers"
    );
    let timers = format!(
        "insert into workflow_timeouts (run_id, entered, name, workflow_name, foreign_id, status, state, expire_at, \
         created_at) select {run_id}, 4, '0', '{name}', {foreign_id}, 4, case when i % 100 = 0 then 0 else 2 end, case when \
         i % 1000 = 0 then {long_ago} else {far_away} end, {instant} from numbers where i % 10 = 0"
    );
    in_steps(database, &[records, timers], rows).await?;
    settle(database).await
}

/// What the engine writes there.
const META: &str = "'{\"RunStateReason\":\"\",\"StatusDescription\":\"Sent\",\"Version\":4,\"TraceOrigin\":\"load.rs:1:1\"}'";

/// Runs statements over the numbers from 1, a step at a time.
async fn in_steps(database: &Database, statements: &[String], rows: u64) -> anyhow::Result<()> {
    for first in (1..=rows).step_by(STEP as usize) {
        let last = (first + STEP - 1).min(rows);
        let numbers = match database.kind {
            Kind::MariaDb => format!("(select seq as i from seq_{first}_to_{last}) as numbers"),
            Kind::Postgres => format!("generate_series({first}, {last}) as numbers(i)"),
        };
        let texts: Vec<String> =
            statements.iter().map(|text| text.replace("from numbers", &format!("from {numbers}"))).collect();
        database.run(&texts.join("; ")).await?;
    }
    Ok(())
}

/// Has the server look at the tables, and write down what it has yet to write: what is measured next is not to pay for it.
async fn settle(database: &Database) -> anyhow::Result<()> {
    match database.kind {
        Kind::MariaDb => {
            database.run("analyze table workflow_records, workflow_outbox, workflow_timeouts").await
        }
        Kind::Postgres => {
            for statement in
                ["vacuum analyze workflow_records", "vacuum analyze workflow_timeouts", "checkpoint"]
            {
                database.run(statement).await?;
            }
            Ok(())
        }
    }
}
