//! New runs.

use std::borrow::Cow;
use std::collections::HashSet;

use sqlx::Row;
use sqlx::postgres::PgRow;
use workflow_core::adapter::{Expect, Outcome};
use workflow_core::{Record, RunId, Version};

use super::stamp::column;
use super::transaction::Tx;
use crate::decided::Decided;
use crate::record_row::as_i64;

const INSERT: &str = "insert into workflow_records (run_id, workflow_name, foreign_id, run_state, status, object, \
    created_at, updated_at, meta, version, last_event_id, paused_by, start_key) select d.* from unnest($1::text[], \
    $2::text[], $3::text[], $4::integer[], $5::integer[], $6::bytea[], $7::timestamp[], $8::timestamp[], $9::bytea[], \
    $10::bigint[], $11::text[], $12::text[], $13::text[]) as d on conflict do nothing returning run_id";

/// Who has the start key, who is live, and at which version the run is there already.
const TAKEN: &str = "select (select r.run_id from workflow_records r where r.workflow_name = d.workflow_name and \
    r.start_key = d.start_key), (select r.run_id from workflow_records r where r.workflow_name = d.workflow_name and \
    r.foreign_id = d.foreign_id and r.live), (select r.version from workflow_records r where r.run_id = d.run_id) from \
    unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality as d(run_id, workflow_name, foreign_id, \
    start_key, ord) order by d.ord";

/// How often a creation is tried whose obstacle went away before it could be named.
const TRIES_MAX: u32 = 3;

/// Inserts the new runs; those that are there already, or have no room, are refused.
pub(super) async fn create(tx: &mut Tx, changes: &mut [Decided<'_>]) -> Result<(), sqlx::Error> {
    // The index of live runs does not keep a run that is created finished from standing beside a live one.
    let finished =
        |each: &Decided<'_>| each.record.as_ref().is_some_and(|record| !record.run_state.is_live());
    let places = creations(changes, finished);
    refuse_taken(tx, changes, &places).await?;
    let mut places = creations(changes, |_| true);
    for _ in 0..TRIES_MAX {
        if places.is_empty() {
            return Ok(());
        }
        let created = insert(tx, &records(changes, &places)).await?;
        places.retain(|place| !created.contains(&changes[*place].change.run_id));
        refuse_taken(tx, changes, &places).await?;
        places.retain(|place| changes[*place].stands());
    }
    for place in places {
        changes[place].refused = Some(Outcome::Busy);
    }
    Ok(())
}

/// The places of new runs that nothing speaks against.
fn creations(changes: &[Decided<'_>], which: impl Fn(&Decided<'_>) -> bool) -> Vec<usize> {
    let wanted = |each: &Decided<'_>| {
        each.stands() && each.change.expect == Expect::Absent && each.record.is_some() && which(each)
    };
    changes.iter().enumerate().filter(|(_, each)| wanted(each)).map(|(at, _)| at).collect()
}

fn records<'a>(changes: &'a [Decided<'_>], places: &[usize]) -> Vec<&'a Record> {
    places.iter().filter_map(|place| changes[*place].record.as_ref()).collect()
}

/// An array of one column's values.
pub(super) fn array<'a, R, V>(rows: &'a [R], value: impl Fn(&'a R) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}

/// Text that the server takes: it has no zero byte.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

async fn insert(tx: &mut Tx, records: &[&Record]) -> Result<HashSet<RunId>, sqlx::Error> {
    let query = sqlx::query(tx.sql(INSERT))
        .bind(array(records, |record| record.run_id.to_string()))
        .bind(array(records, |record| record.workflow_name.as_str()))
        .bind(array(records, |record| record.foreign_id.as_str()))
        .bind(array(records, |record| record.run_state.code()))
        .bind(array(records, |record| record.status.get()))
        .bind(array(records, |record| &record.object[..]))
        .bind(array(records, |record| column(record.created_at)))
        .bind(array(records, |record| column(record.updated_at)))
        .bind(array(records, |record| record.meta().encode()))
        .bind(array(records, |record| as_i64(record.version.get())))
        .bind(array(records, |record| record.last_event_id.map(|id| id.to_string())))
        .bind(array(records, |record| record.paused_by.map(|by| by.as_str())))
        .bind(array(records, |record| record.start_key.as_ref().map(|key| key.as_str())));
    let rows = query.fetch_all(tx.raw()).await?;
    rows.iter().map(|row| parse(row.try_get(0)?)).collect()
}

/// Refuses creations that something is in the way of. Those of which nothing is said had an obstacle that has gone.
async fn refuse_taken(tx: &mut Tx, changes: &mut [Decided<'_>], places: &[usize]) -> Result<(), sqlx::Error> {
    if places.is_empty() {
        return Ok(());
    }
    let records = records(changes, places);
    let query = sqlx::query(tx.sql(TAKEN))
        .bind(array(&records, |record| record.run_id.to_string()))
        .bind(array(&records, |record| record.workflow_name.as_str()))
        .bind(array(&records, |record| record.foreign_id.as_str()))
        .bind(array(&records, |record| record.start_key.as_ref().map(|key| key.as_str())));
    let rows = query.fetch_all(tx.raw()).await?;
    for (place, row) in places.iter().zip(&rows) {
        changes[*place].refused = obstacle(row)?;
    }
    Ok(())
}

fn obstacle(row: &PgRow) -> Result<Option<Outcome>, sqlx::Error> {
    let (by_key, live): (Option<&str>, Option<&str>) = (row.try_get(0)?, row.try_get(1)?);
    if let Some(run_id) = by_key {
        return Ok(Some(Outcome::DuplicateStartKey { run_id: parse(run_id)? }));
    }
    if let Some(run_id) = live {
        return Ok(Some(Outcome::DuplicateActiveRun { run_id: parse(run_id)? }));
    }
    // The run itself is there already: the same creation was stored before.
    let version = row.try_get::<Option<i64>, _>(2)?.map(|version| version.unsigned_abs());
    Ok(version.and_then(Version::new).map(|actual| Outcome::VersionConflict { actual }))
}

pub(super) fn parse(run_id: &str) -> Result<RunId, sqlx::Error> {
    run_id.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
