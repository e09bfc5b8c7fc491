//! What holds before anything is written: owners and versions, read under locks.

use std::collections::{HashMap, HashSet};

use workflow_core::adapter::{Change, Expect, Outcome};
use workflow_core::{Epoch, RunId, Version};

use super::bulk::Bulk;
use super::rows::{run_id, value};
use super::server::Conn;
use crate::decided::Decided;
use crate::record_row::shared_version_of;

/// Locked against later owners until the transaction ends.
const EPOCHS: Bulk = Bulk::any_of(
    "select role, epoch from workflow_roles force index (primary) where role in (",
    ") order by role lock in share mode",
);

/// Locked in the order of their ids, so that two commits never wait for each other; what somebody else holds is passed
/// over.
const LOCKED: Bulk = Bulk::any_of(
    "select run_id, version, meta from workflow_records force index (primary) where run_id in (",
    ") order by run_id for update skip locked",
);

const COMMITTED: Bulk = Bulk::any_of(
    "select run_id, version, meta from workflow_records force index (primary) where run_id in (",
    ")",
);

/// Refuses what is not to be made, and locks what it rests on.
pub(super) async fn decide(
    connection: &mut Conn<'_>,
    changes: &mut [Decided<'_>],
) -> Result<(), sqlx::Error> {
    fences(connection, changes).await?;
    runs(connection, changes).await
}

async fn fences(connection: &mut Conn<'_>, changes: &mut [Decided<'_>]) -> Result<(), sqlx::Error> {
    let roles: HashSet<&str> = changes
        .iter()
        .filter_map(|each| each.change.fence.as_ref())
        .map(|fence| fence.role.as_str())
        .collect();
    if roles.is_empty() {
        return Ok(());
    }
    let mut roles: Vec<&str> = roles.into_iter().collect();
    roles.sort_unstable();
    let mut epochs: HashMap<String, u64> = HashMap::with_capacity(roles.len());
    for row in EPOCHS.fetch(connection, &roles, |query, role| query.bind(*role)).await? {
        epochs.insert(value(&row, 0)?, value::<i64>(&row, 1)?.unsigned_abs());
    }
    for each in changes {
        let Some(fence) = &each.change.fence else { continue };
        let current = epochs.get(fence.role.as_str()).copied().unwrap_or(0);
        if current > fence.epoch.get() {
            each.refused = Some(Outcome::SupersededEpoch { current: Epoch::new(current) });
        }
    }
    Ok(())
}

/// Changes of a run stand if it is locked and at their version.
async fn runs(connection: &mut Conn<'_>, changes: &mut [Decided<'_>]) -> Result<(), sqlx::Error> {
    let expects = |each: &Decided<'_>| each.stands() && matches!(each.change.expect, Expect::Version(_));
    let mut runs: Vec<RunId> =
        changes.iter().filter(|each| expects(each)).map(|each| each.change.run_id).collect();
    if runs.is_empty() {
        return Ok(());
    }
    runs.sort_unstable();
    let locked = versions(connection, &LOCKED, &runs).await?;
    for each in changes.iter_mut().filter(|each| expects(each)) {
        if let Some(actual) = locked.get(&each.change.run_id) {
            each.refused = against(each.change, *actual);
        }
    }
    let passed_over = |each: &Decided<'_>| expects(each) && !locked.contains_key(&each.change.run_id);
    runs.retain(|run_id| !locked.contains_key(run_id));
    if runs.is_empty() {
        return Ok(());
    }
    // They are missing, or somebody else holds them: what is committed now tells which.
    let committed = committed(connection, &runs).await?;
    for each in changes.iter_mut().filter(|each| passed_over(each)) {
        let refusal = match committed.get(&each.change.run_id) {
            None => Outcome::Missing,
            Some(actual) => against(each.change, *actual).unwrap_or(Outcome::Busy),
        };
        each.refused = Some(refusal);
    }
    Ok(())
}

/// What the stored version of its run says against a change.
fn against(change: &Change, actual: Version) -> Option<Outcome> {
    match change.expect {
        Expect::Version(wanted) if wanted != actual => Some(Outcome::VersionConflict { actual }),
        _ => None,
    }
}

/// The versions of runs as they are committed now, whoever holds them.
pub(super) async fn committed(
    connection: &mut Conn<'_>,
    runs: &[RunId],
) -> Result<HashMap<RunId, Version>, sqlx::Error> {
    versions(connection, &COMMITTED, runs).await
}

async fn versions(
    connection: &mut Conn<'_>,
    statement: &Bulk,
    runs: &[RunId],
) -> Result<HashMap<RunId, Version>, sqlx::Error> {
    let rows = statement.fetch(connection, runs, |query, run_id| query.bind(run_id.to_string())).await?;
    let mut versions = HashMap::with_capacity(rows.len());
    for row in rows {
        let meta: Option<Vec<u8>> = value(&row, 2)?;
        if let Some(stored) = shared_version_of(value(&row, 1)?, meta.as_deref()) {
            versions.insert(run_id(value(&row, 0)?)?, stored);
        }
    }
    Ok(versions)
}
