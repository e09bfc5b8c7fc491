//! An outbox full of events that nobody has published, each of a run of its own.

use std::fmt::Write;
use std::sync::Arc;

use workflow::adapter::Publication;
use workflow::{Timestamp, decode_outbox};

use crate::limit::{Move, Moving, now_millis};
use crate::load;
use crate::sql::{Database, Kind};

/// How many rows a statement puts in.
const ROWS: usize = 1000;

/// The same events in memory.
pub(crate) type Backlog = Vec<Publication>;

/// Fills the outbox with so many rows.
pub(crate) async fn backlog(database: &Database, rows: usize) -> anyhow::Result<Backlog> {
    let now = Timestamp::from_millis(now_millis());
    let mut all = Vec::with_capacity(rows);
    while all.len() < rows {
        let count = ROWS.min(rows - all.len());
        let moves: Vec<Move> =
            (0..count).map(|number| Moving::start((all.len() + number) as u64).step(now)).collect();
        database.run(&insert(database.kind, &moves)?).await?;
        for each in moves {
            let event = Arc::new(decode_outbox(&each.event)?);
            all.push(Publication { row: each.event_id, event, record: None, at: now });
        }
    }
    Ok(all)
}

fn insert(kind: Kind, moves: &[Move]) -> anyhow::Result<String> {
    let mut text = String::from(
        "insert into workflow_outbox (id, workflow_name, data, created_at, run_id, record_version, bucket) values ",
    );
    let (open, close) = match kind {
        Kind::MariaDb => ("x'", "'"),
        Kind::Postgres => ("'\\x", "'::bytea"),
    };
    for (at, each) in moves.iter().enumerate() {
        let data = each.event.iter().fold(String::new(), |mut data, byte| {
            // Writing to a string cannot fail.
            let _ = write!(data, "{byte:02x}");
            data
        });
        let (comma, id, run) = (if at == 0 { "" } else { ", " }, each.event_id, each.run.run_id);
        let (name, bucket) = (load::NAME, run.bucket());
        write!(text, "{comma}('{id}', '{name}', {open}{data}{close}, now(), '{run}', 1, {bucket})")?;
    }
    Ok(text)
}
