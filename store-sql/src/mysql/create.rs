//! New runs: the database's own keys decide which of them there may be.

use std::collections::HashMap;

use workflow_core::adapter::{Expect, Outcome};
use workflow_core::{Record, RunId, Version};

use super::bulk::{Bound, Bulk};
use super::commit::bind_record;
use super::decide::committed;
use super::error::is_duplicate;
use super::rows::{run_id, value};
use super::server::Conn;
use crate::decided::Decided;

const INSERT: Bulk = Bulk::insert(
    "insert into workflow_records (run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, \
     meta, version, last_event_id, paused_by, start_key) values ",
    "(?,?,?,?,?,?,?,?,?,?,?,?,?)",
    "",
);

const BY_START_KEY: Bulk = Bulk::any_where(
    "select workflow_name, start_key, run_id from workflow_records force index (workflow_records_start_key) where ",
    "(workflow_records.workflow_name = ? and start_key = ?)",
    "",
);

const BY_LIVE_KEY: Bulk = Bulk::any_where(
    "select workflow_name, foreign_id, run_id from workflow_records force index (workflow_records_live) where ",
    "(workflow_records.workflow_name = ? and live = 1 and workflow_records.foreign_id = ?)",
    "",
);

/// Creates runs; refuses those whose keys are taken, with the run that has them.
pub(super) async fn create(
    connection: &mut Conn<'_>,
    changes: &mut [Decided<'_>],
) -> Result<(), sqlx::Error> {
    refuse_ended(connection, changes).await?;
    if insert(connection, changes).await? {
        return Ok(());
    }
    // Something is taken. What is committed shows most of it at once; what is left goes one by one.
    refuse_taken(connection, changes).await?;
    if insert(connection, changes).await? {
        return Ok(());
    }
    for each in changes.iter_mut().filter(|each| creates(each)) {
        let Some(record) = &each.record else { continue };
        match INSERT.run(connection, &[record], bind_new).await {
            Ok(_) => {}
            Err(error) if is_duplicate(&error) => each.refused = Some(taken(connection, record).await?),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn creates(each: &Decided<'_>) -> bool {
    each.stands() && each.change.expect == Expect::Absent && each.record.is_some()
}

/// Inserts all that are to be created; `false` if one of them could not be, and then none is there.
async fn insert(connection: &mut Conn<'_>, changes: &[Decided<'_>]) -> Result<bool, sqlx::Error> {
    let records: Vec<&Record> =
        changes.iter().filter(|each| creates(each)).filter_map(|each| each.record.as_ref()).collect();
    if records.is_empty() {
        return Ok(true);
    }
    // Several statements insert many: all or nothing is for the savepoint to see to.
    sqlx::raw_sql("savepoint workflow_created").execute(connection.raw()).await?;
    let bytes = |record: &&Record| record.object.len();
    match INSERT.run_weighed(connection, &records, bytes, bind_new).await {
        Ok(_) => Ok(true),
        Err(error) if is_duplicate(&error) => {
            sqlx::raw_sql("rollback to savepoint workflow_created").execute(connection.raw()).await?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn bind_new<'q>(query: Bound<'q>, record: &'q &Record) -> Bound<'q> {
    bind_record(query, record).bind(record.start_key.as_ref().map(|key| key.as_str()))
}

type Key = (String, String);

async fn refuse_taken(connection: &mut Conn<'_>, changes: &mut [Decided<'_>]) -> Result<(), sqlx::Error> {
    let records = || changes.iter().filter(|each| creates(each)).filter_map(|each| each.record.as_ref());
    let started: Vec<Key> = records().filter_map(start_key).collect();
    let started = owners(connection, &BY_START_KEY, &started).await?;
    let live: Vec<Key> = records().map(live_key).collect();
    let live = owners(connection, &BY_LIVE_KEY, &live).await?;
    for each in changes.iter_mut().filter(|each| creates(each)) {
        let Some(record) = &each.record else { continue };
        let by_key = start_key(record).and_then(|key| started.get(&key));
        let by_run = live.get(&live_key(record));
        each.refused = match (by_key, by_run) {
            (Some(run_id), _) => Some(Outcome::DuplicateStartKey { run_id: *run_id }),
            (None, Some(run_id)) => Some(Outcome::DuplicateActiveRun { run_id: *run_id }),
            (None, None) => None,
        };
    }
    Ok(())
}

fn start_key(record: &Record) -> Option<Key> {
    Some((record.workflow_name.to_string(), record.start_key.as_ref()?.to_string()))
}

fn live_key(record: &Record) -> Key {
    (record.workflow_name.to_string(), record.foreign_id.to_string())
}

async fn owners(
    connection: &mut Conn<'_>,
    statement: &Bulk,
    keys: &[Key],
) -> Result<HashMap<Key, RunId>, sqlx::Error> {
    let rows = statement.fetch(connection, keys, |query, (name, key)| query.bind(name).bind(key)).await?;
    let mut owners = HashMap::with_capacity(rows.len());
    for row in &rows {
        owners.insert((value(row, 0)?, value(row, 1)?), run_id(value(row, 2)?)?);
    }
    Ok(owners)
}

/// Refuses runs that have ended already when they are created, while another is live: the key cannot see those.
async fn refuse_ended(connection: &mut Conn<'_>, changes: &mut [Decided<'_>]) -> Result<(), sqlx::Error> {
    let ended = |record: &&Record| !record.run_state.is_live();
    let records = changes.iter().filter(|each| creates(each)).filter_map(|each| each.record.as_ref());
    let keys: Vec<Key> = records.filter(ended).map(live_key).collect();
    let live = owners(connection, &BY_LIVE_KEY, &keys).await?;
    for each in changes.iter_mut().filter(|each| creates(each)) {
        let Some(record) = each.record.as_ref().filter(ended) else { continue };
        if let Some(run_id) = live.get(&live_key(record)) {
            each.refused = Some(Outcome::DuplicateActiveRun { run_id: *run_id });
        }
    }
    Ok(())
}

/// At which version a run is stored that was to be created.
async fn stored_version(connection: &mut Conn<'_>, record: &Record) -> Result<Version, sqlx::Error> {
    let stored = committed(connection, &[record.run_id]).await?;
    Ok(stored.get(&record.run_id).copied().unwrap_or(record.version))
}

/// By what a run that could not be inserted was refused.
async fn taken(connection: &mut Conn<'_>, record: &Record) -> Result<Outcome, sqlx::Error> {
    if let Some(key) = start_key(record)
        && let Some(run_id) = owners(connection, &BY_START_KEY, std::slice::from_ref(&key)).await?.get(&key)
    {
        return Ok(Outcome::DuplicateStartKey { run_id: *run_id });
    }
    let key = live_key(record);
    match owners(connection, &BY_LIVE_KEY, std::slice::from_ref(&key)).await?.get(&key) {
        Some(run_id) => Ok(Outcome::DuplicateActiveRun { run_id: *run_id }),
        // The run's own id is there already: the same creation was stored before.
        None => Ok(Outcome::VersionConflict { actual: stored_version(connection, record).await? }),
    }
}
