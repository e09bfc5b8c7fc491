//! What holds before anything is written: owners, versions, keys that are taken.

use std::collections::{BTreeSet, HashMap, HashSet};

use sqlx::Row;
use workflow_core::adapter::{Effect, Expect, Outcome};
use workflow_core::{Epoch, RunId, Version};

use super::create::text;
use super::stamp::column;
use super::transaction::Tx;
use crate::decided::Decided;
use crate::record_row::shared_version_of;

/// What a commit does about a run that somebody else has locked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Locking {
    /// Waits for it, as long as a lock may take.
    Wait,
    /// Goes on without it.
    SkipLocked,
}

/// Locks roles, then runs, each in the order of their keys, so that no two commits wait for each other. A new owner of a
/// role waits until the commits under the old one have ended; a commit that comes later sees the new epoch.
const LOCK_WAITING: &str = "with roles as materialized (select role, epoch from workflow_roles where role = any($1) order \
    by role for share), runs as materialized (select run_id, version, meta from workflow_records where run_id = any($2) order by \
    run_id for no key update) select true, role, epoch, null from roles union all select false, run_id, version, meta from runs";

const LOCK_SKIPPING: &str = "with roles as materialized (select role, epoch from workflow_roles where role = any($1) order \
    by role for share), runs as materialized (select run_id, version, meta from workflow_records where run_id = any($2) order by \
    run_id for no key update skip locked) select true, role, epoch, null from roles union all select false, run_id, version, \
    meta from runs";

const EXIST: &str = "select run_id from workflow_records where run_id = any($1)";

const SLOTS: &str = "select d.ord from unnest($1::text[], $2::text[], $3::text[], $4::timestamp[]) with ordinality as \
    d(workflow_name, foreign_id, spec, slot, ord) join workflow_slots s on s.workflow_name = d.workflow_name and \
    s.foreign_id = d.foreign_id and s.spec = d.spec and s.slot = d.slot";

const CALLBACKS: &str = "select d.ord from unnest($1::text[], $2::integer[], $3::text[]) with ordinality as d(run_id, \
    status, key, ord) join workflow_inbox i on i.run_id = d.run_id and i.status = d.status and i.key = d.key";

/// Refuses what is not to be made, before anything is written.
pub(super) async fn decide(
    tx: &mut Tx,
    changes: &mut [Decided<'_>],
    locking: Locking,
) -> Result<(), sqlx::Error> {
    let locked = lock(tx, changes, locking).await?;
    for each in changes.iter_mut() {
        each.refused = locked.superseded(each);
    }
    versions(tx, changes, &locked).await?;
    slots(tx, changes).await?;
    callbacks(tx, changes).await
}

/// What was locked, with what it said.
#[derive(Default)]
struct Locked {
    epochs: HashMap<String, u64>,
    versions: HashMap<RunId, Option<Version>>,
}

impl Locked {
    fn superseded(&self, each: &Decided<'_>) -> Option<Outcome> {
        let fence = each.change.fence.as_ref()?;
        let current = self.epochs.get(fence.role.as_str()).copied().unwrap_or(0);
        (current > fence.epoch.get()).then(|| Outcome::SupersededEpoch { current: Epoch::new(current) })
    }
}

/// The version that a change wants its run to be at.
fn wanted(each: &Decided<'_>) -> Option<Version> {
    match each.change.expect {
        Expect::Version(version) => Some(version),
        Expect::Absent | Expect::Nothing => None,
    }
}

async fn lock(tx: &mut Tx, changes: &[Decided<'_>], locking: Locking) -> Result<Locked, sqlx::Error> {
    let fences = changes.iter().filter_map(|each| each.change.fence.as_ref());
    let roles: BTreeSet<&str> = fences.map(|fence| fence.role.as_str()).collect();
    let moved = changes.iter().filter(|each| wanted(each).is_some());
    let runs: Vec<String> = moved.map(|each| each.change.run_id.to_string()).collect();
    let mut locked = Locked::default();
    if roles.is_empty() && runs.is_empty() {
        return Ok(locked);
    }
    let statement = match locking {
        Locking::Wait => LOCK_WAITING,
        Locking::SkipLocked => LOCK_SKIPPING,
    };
    let roles: Vec<&str> = roles.into_iter().collect();
    for row in sqlx::query(tx.sql(statement)).bind(roles).bind(runs).fetch_all(tx.raw()).await? {
        let (is_role, key, number): (bool, &str, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if is_role {
            locked.epochs.insert(key.to_owned(), number.unsigned_abs());
        } else if let Ok(run_id) = key.parse() {
            locked.versions.insert(run_id, shared_version_of(Some(number), row.try_get(3)?));
        }
    }
    Ok(locked)
}

/// Compares the versions of the runs that were locked; the others are not there, or somebody else has them.
async fn versions(tx: &mut Tx, changes: &mut [Decided<'_>], locked: &Locked) -> Result<(), sqlx::Error> {
    let mut unseen = Vec::new();
    for each in changes.iter_mut().filter(|each| each.stands()) {
        let Some(wanted) = wanted(each) else { continue };
        match locked.versions.get(&each.change.run_id) {
            None => unseen.push(each.change.run_id.to_string()),
            Some(Some(actual)) if *actual == wanted => {}
            Some(Some(actual)) => each.refused = Some(Outcome::VersionConflict { actual: *actual }),
            // A row with a version that no run has cannot be moved; reading it says what is wrong.
            Some(None) => each.refused = Some(Outcome::VersionConflict { actual: Version::FIRST }),
        }
    }
    if unseen.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query_scalar::<_, String>(tx.sql(EXIST)).bind(unseen).fetch_all(tx.raw()).await?;
    let taken: HashSet<RunId> = rows.iter().filter_map(|run_id| run_id.parse().ok()).collect();
    for each in changes.iter_mut().filter(|each| each.stands()) {
        if wanted(each).is_some() && !locked.versions.contains_key(&each.change.run_id) {
            let is_taken = taken.contains(&each.change.run_id);
            each.refused = Some(if is_taken { Outcome::Busy } else { Outcome::Missing });
        }
    }
    Ok(())
}

async fn slots(tx: &mut Tx, changes: &mut [Decided<'_>]) -> Result<(), sqlx::Error> {
    let mut wanted = Vec::new();
    for (at, each) in changes.iter().enumerate().filter(|(_, each)| each.stands()) {
        for effect in &each.change.effects {
            if let Effect::TakeSlot(key) = effect {
                wanted.push((at, key));
            }
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let query = sqlx::query_scalar::<_, i64>(tx.sql(SLOTS))
        .bind(wanted.iter().map(|(_, key)| key.workflow_name.as_str()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, key)| key.foreign_id.as_str()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, key)| text(&key.spec)).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, key)| column(key.slot)).collect::<Vec<_>>());
    let places: Vec<usize> = wanted.iter().map(|(at, _)| *at).collect();
    let taken = query.fetch_all(tx.raw()).await?;
    refuse(changes, &places, &taken);
    Ok(())
}

async fn callbacks(tx: &mut Tx, changes: &mut [Decided<'_>]) -> Result<(), sqlx::Error> {
    let mut wanted = Vec::new();
    for (at, each) in changes.iter().enumerate().filter(|(_, each)| each.stands()) {
        for effect in &each.change.effects {
            if let Effect::PutCallback(callback) = effect {
                wanted.push((at, each.change.run_id.to_string(), callback));
            }
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let query = sqlx::query_scalar::<_, i64>(tx.sql(CALLBACKS))
        .bind(wanted.iter().map(|(_, run_id, _)| run_id.as_str()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, _, callback)| callback.status.get()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, _, callback)| text(&callback.key)).collect::<Vec<_>>());
    let places: Vec<usize> = wanted.iter().map(|(at, ..)| *at).collect();
    let taken = query.fetch_all(tx.raw()).await?;
    refuse(changes, &places, &taken);
    Ok(())
}

/// Refuses changes with a key that is taken; `taken` are places in `places`, counted from 1.
fn refuse(changes: &mut [Decided<'_>], places: &[usize], taken: &[i64]) {
    for ordinal in taken {
        let place = usize::try_from(*ordinal).ok().and_then(|ordinal| places.get(ordinal.checked_sub(1)?));
        if let Some(place) = place {
            changes[*place].refused = Some(Outcome::DuplicateKey);
        }
    }
}
