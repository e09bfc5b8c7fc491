//! What was decided is written: records, outbox rows and history, in one statement for ordinary transitions and one for
//! all else.

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use workflow_core::adapter::{Expect, OutboxRow};
use workflow_core::{EventId, HistoryEntry, Record, encode_outbox};

use super::create::{array, text};
use super::stamp::column;
use super::together::{self, Transition};
use super::transaction::Tx;
use crate::decided::Decided;
use crate::record_row::as_i64;

/// Everything but new runs and effects, acknowledged outbox rows among them: a statement costs a hop to the server and
/// back, which is worth many rows. The rows of the runs are locked and their versions compared; the version is named
/// again, so that whoever changes that finds nothing updated. It may be lower in the column, where the Go library stored
/// the one before.
const WRITE: &str = "with sent as (insert into workflow_outbox (id, workflow_name, data, created_at, run_id, \
    record_version, bucket) select d.id, d.workflow_name, d.data, $1, d.run_id, d.version, d.bucket from \
    unnest($2::text[], $3::text[], $4::bytea[], $5::text[], $6::bigint[], $7::smallint[]) as d(id, workflow_name, data, \
    run_id, version, bucket) on conflict do nothing), told as (insert into workflow_history (run_id, version, \
    workflow_name, from_status, to_status, run_state, reason, actor, attempt, duration_us, at, object) select d.run_id, \
    d.version, d.workflow_name, d.from_status, d.to_status, d.run_state, d.reason, d.actor, d.attempt, d.duration_us, $1, \
    d.object from unnest($8::text[], $9::bigint[], $10::text[], $11::integer[], $12::integer[], $13::integer[], \
    $14::text[], $15::text[], $16::integer[], $17::bigint[], $18::bytea[]) as d(run_id, version, workflow_name, \
    from_status, to_status, run_state, reason, actor, attempt, duration_us, object) on conflict do nothing), gone as \
    (delete from workflow_outbox where id = any($28)) update \
    workflow_records r set run_state = d.run_state, status = d.status, object = d.object, updated_at = $1, meta = d.meta, \
    version = d.version, last_event_id = d.event_id, paused_by = d.paused_by from unnest($19::text[], $20::bigint[], \
    $21::integer[], $22::integer[], $23::bytea[], $24::bytea[], $25::bigint[], $26::text[], $27::text[]) as d(run_id, was, \
    run_state, status, object, meta, version, event_id, paused_by) where r.run_id = d.run_id and r.version <= d.was";

type Bound<'q> = Query<'q, sqlx::Postgres, PgArguments>;

/// Writes the changes that stand; their new runs are inserted already. The `acked` outbox rows are deleted with them.
pub(super) async fn write(
    tx: &mut Tx,
    changes: &[Decided<'_>],
    acked: &[EventId],
) -> Result<(), sqlx::Error> {
    let mut gone = array(acked, EventId::to_string);
    // In one order, so that no two commits wait for each other.
    gone.sort_unstable();
    let mut others = Vec::new();
    let mut transitions = Vec::new();
    for each in changes.iter().filter(|each| each.stands()) {
        // Rows that were there already may have been what made the first attempt fail.
        match Transition::of(each.change).filter(|_| !tx.is_repeated()) {
            Some(transition) => transitions.push(transition),
            None => others.push(each),
        }
    }
    if !transitions.is_empty() {
        let moved = transitions.iter().filter(|each| each.moves()).count();
        let updated = together::write(tx, &transitions, std::mem::take(&mut gone)).await?;
        all_moved(updated, moved)?;
    }
    write_others(tx, &others, gone).await
}

/// Writes changes of any kind, and deletes the outbox rows that have `gone`.
async fn write_others(tx: &mut Tx, standing: &[&Decided<'_>], gone: Vec<String>) -> Result<(), sqlx::Error> {
    let rows: Vec<&OutboxRow> = standing.iter().filter_map(|each| each.change.outbox.as_ref()).collect();
    let entries: Vec<&HistoryEntry> =
        standing.iter().filter_map(|each| each.change.history.as_ref()).collect();
    let moves: Vec<(&Record, u64)> = standing
        .iter()
        .filter_map(|each| match (&each.record, each.change.expect) {
            (Some(record), Expect::Version(was)) => Some((record, was.get())),
            _ => None,
        })
        .collect();
    if rows.is_empty() && entries.is_empty() && moves.is_empty() && gone.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(tx.sql(WRITE)).bind(column(tx.now()));
    let query = bind_moves(bind_entries(bind_rows(query, &rows), &entries), &moves);
    let updated = query.bind(gone).execute(tx.raw()).await?.rows_affected();
    all_moved(updated, moves.len())
}

fn all_moved(updated: u64, locked: usize) -> Result<(), sqlx::Error> {
    if updated == locked as u64 {
        return Ok(());
    }
    let why = format!("{updated} of {locked} locked runs were updated: is there a trigger on the table?");
    Err(sqlx::Error::Decode(why.into()))
}

fn bind_rows<'q>(query: Bound<'q>, rows: &[&'q OutboxRow]) -> Bound<'q> {
    query
        .bind(array(rows, |row| row.id.to_string()))
        .bind(array(rows, |row| row.event.workflow_name.as_str()))
        .bind(array(rows, |row| encode_outbox(&row.event)))
        .bind(array(rows, |row| row.event.run_id.to_string()))
        .bind(array(rows, |row| row.event.version.map(|version| as_i64(version.get()))))
        .bind(array(rows, |row| i16::try_from(row.event.run_id.bucket()).unwrap_or(i16::MAX)))
}

fn bind_entries<'q>(query: Bound<'q>, entries: &[&'q HistoryEntry]) -> Bound<'q> {
    query
        .bind(array(entries, |entry| entry.run_id.to_string()))
        .bind(array(entries, |entry| as_i64(entry.version.get())))
        .bind(array(entries, |entry| entry.workflow_name.as_str()))
        .bind(array(entries, |entry| entry.from_status.map(|status| status.get())))
        .bind(array(entries, |entry| entry.to_status.get()))
        .bind(array(entries, |entry| entry.run_state.code()))
        .bind(array(entries, |entry| text(&entry.reason)))
        .bind(array(entries, |entry| text(entry.actor.as_str())))
        .bind(array(entries, |entry| i32::try_from(entry.attempt).unwrap_or(i32::MAX)))
        .bind(array(entries, |entry| i64::try_from(entry.duration.as_micros()).unwrap_or(i64::MAX)))
        .bind(array(entries, |entry| entry.object.as_deref()))
}

fn bind_moves<'q>(query: Bound<'q>, moves: &[(&'q Record, u64)]) -> Bound<'q> {
    query
        .bind(array(moves, |(record, _)| record.run_id.to_string()))
        .bind(array(moves, |(_, was)| as_i64(*was)))
        .bind(array(moves, |(record, _)| record.run_state.code()))
        .bind(array(moves, |(record, _)| record.status.get()))
        .bind(array(moves, |(record, _)| &record.object[..]))
        .bind(array(moves, |(record, _)| record.meta().encode()))
        .bind(array(moves, |(record, _)| as_i64(record.version.get())))
        .bind(array(moves, |(record, _)| record.last_event_id.map(|id| id.to_string())))
        .bind(array(moves, |(record, _)| record.paused_by.map(|by| by.as_str())))
}
