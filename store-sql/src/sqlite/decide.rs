//! What holds before anything is written: owners, versions, keys that are taken.

use std::collections::{HashMap, HashSet};

use sqlx::Row;
use workflow_core::adapter::{Change, Effect, Expect, Outcome};
use workflow_core::{Epoch, RunId, Version};

use super::bulk::Bulk;
use super::damaged;
use super::open::Conn;

const EPOCHS: Bulk =
    Bulk { before: "select role, epoch from workflow_roles where role in", columns: 1, after: "" };

pub(super) const VERSIONS: Bulk =
    Bulk { before: "select run_id, version from workflow_records where run_id in", columns: 1, after: "" };

const SLOTS: Bulk = Bulk {
    before: "select workflow_name, foreign_id, spec, slot from workflow_slots where (workflow_name, foreign_id, spec, \
             slot) in",
    columns: 4,
    after: "",
};

const CALLBACKS: Bulk = Bulk {
    before: "select run_id, status, key from workflow_inbox where (run_id, status, key) in",
    columns: 3,
    after: "",
};

/// A change on its way through a transaction.
pub(super) struct Decided {
    pub(super) change: Change,
    /// `None` while nothing speaks against it.
    pub(super) refused: Option<Outcome>,
}

impl Decided {
    fn stands(&self) -> bool {
        self.refused.is_none()
    }
}

/// Refuses what is not to be made, before anything is written.
pub(super) async fn decide(connection: &mut Conn<'_>, changes: &mut [Decided]) -> Result<(), sqlx::Error> {
    fences(connection, changes).await?;
    guards(connection, changes).await?;
    slots(connection, changes).await?;
    callbacks(connection, changes).await
}

async fn fences(connection: &mut Conn<'_>, changes: &mut [Decided]) -> Result<(), sqlx::Error> {
    let roles: HashSet<&str> = changes
        .iter()
        .filter_map(|each| each.change.fence.as_ref())
        .map(|fence| fence.role.as_str())
        .collect();
    if roles.is_empty() {
        return Ok(());
    }
    let roles: Vec<String> = roles.into_iter().map(str::to_owned).collect();
    let rows = EPOCHS.fetch(connection, &roles, |query, role| query.bind(role.as_str())).await?;
    let mut epochs: HashMap<String, i64> = HashMap::with_capacity(rows.len());
    for row in rows {
        // An epoch that cannot be read may be anyone's: nobody stores under that role until it is mended.
        epochs.insert(row.try_get(0)?, row.try_get(1).unwrap_or(i64::MAX));
    }
    for each in changes {
        let Some(fence) = &each.change.fence else { continue };
        let current = epochs.get(fence.role.as_str()).map_or(0, |epoch| epoch.unsigned_abs());
        if current > fence.epoch.get() {
            each.refused = Some(Outcome::SupersededEpoch { current: Epoch::new(current) });
        }
    }
    Ok(())
}

/// Changes of effects alone stand if the run is at their version.
async fn guards(connection: &mut Conn<'_>, changes: &mut [Decided]) -> Result<(), sqlx::Error> {
    let guarded = |each: &Decided| {
        each.stands() && each.change.record.is_none() && matches!(each.change.expect, Expect::Version(_))
    };
    let runs: Vec<RunId> =
        changes.iter().filter(|each| guarded(each)).map(|each| each.change.run_id).collect();
    let versions = versions(connection, &runs).await?;
    for each in changes.iter_mut().filter(|each| guarded(each)) {
        each.refused = against(&versions, &each.change);
    }
    Ok(())
}

/// The versions of runs.
pub(super) async fn versions(
    connection: &mut Conn<'_>,
    runs: &[RunId],
) -> Result<HashMap<RunId, Version>, sqlx::Error> {
    if runs.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = VERSIONS.fetch(connection, runs, |query, run_id| query.bind(run_id.to_string())).await?;
    let mut versions = HashMap::with_capacity(rows.len());
    for row in rows {
        if let (Some(run_id), Some(version)) = (damaged::run_id(&row, 0), damaged::version(&row, 1)) {
            versions.insert(run_id, version);
        }
    }
    Ok(versions)
}

/// What the stored version of its run says against a change.
pub(super) fn against(versions: &HashMap<RunId, Version>, change: &Change) -> Option<Outcome> {
    let Expect::Version(wanted) = change.expect else { return None };
    match versions.get(&change.run_id) {
        None => Some(Outcome::Missing),
        Some(actual) if *actual != wanted => Some(Outcome::VersionConflict { actual: *actual }),
        Some(_) => None,
    }
}

async fn slots(connection: &mut Conn<'_>, changes: &mut [Decided]) -> Result<(), sqlx::Error> {
    let key_of = |effect: &Effect| match effect {
        Effect::TakeSlot(key) => Some((
            key.workflow_name.to_string(),
            key.foreign_id.to_string(),
            key.spec.to_string(),
            key.slot.as_millis(),
        )),
        _ => None,
    };
    let wanted: Vec<_> = effects(changes).filter_map(key_of).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let rows = SLOTS
        .fetch(connection, &wanted, |query, (workflow, foreign_id, spec, slot)| {
            query.bind(workflow.as_str()).bind(foreign_id.as_str()).bind(spec.as_str()).bind(*slot)
        })
        .await?;
    let mut taken = HashSet::with_capacity(rows.len());
    for row in rows {
        taken.insert((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?));
    }
    refuse_taken(changes, |_, effect| key_of(effect), &taken);
    Ok(())
}

async fn callbacks(connection: &mut Conn<'_>, changes: &mut [Decided]) -> Result<(), sqlx::Error> {
    let key_of = |change: &Change, effect: &Effect| match effect {
        Effect::PutCallback(callback) => {
            Some((change.run_id.to_string(), i64::from(callback.status.get()), callback.key.to_string()))
        }
        _ => None,
    };
    let standing = changes.iter().filter(|each| each.stands());
    let wanted: Vec<_> = standing
        .flat_map(|each| each.change.effects.iter().filter_map(|effect| key_of(&each.change, effect)))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let rows = CALLBACKS
        .fetch(connection, &wanted, |query, (run_id, status, key)| {
            query.bind(run_id.as_str()).bind(*status).bind(key.as_str())
        })
        .await?;
    let mut taken = HashSet::with_capacity(rows.len());
    for row in rows {
        taken.insert((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    }
    refuse_taken(changes, key_of, &taken);
    Ok(())
}

fn effects(changes: &[Decided]) -> impl Iterator<Item = &Effect> {
    changes.iter().filter(|each| each.stands()).flat_map(|each| &each.change.effects)
}

/// Refuses changes with a key that is taken. Two changes of one round never name the same key.
fn refuse_taken<K: std::hash::Hash + Eq>(
    changes: &mut [Decided],
    key_of: impl Fn(&Change, &Effect) -> Option<K>,
    taken: &HashSet<K>,
) {
    for each in changes.iter_mut().filter(|each| each.stands()) {
        let mut keys = each.change.effects.iter().filter_map(|effect| key_of(&each.change, effect));
        if keys.any(|key| taken.contains(&key)) {
            each.refused = Some(Outcome::DuplicateKey);
        }
    }
}
