//! Slots of schedules and keys of callbacks: each is taken once, whoever asks at the same time.
//!
//! They are inserted before anything else is written, because only the insertion shows that nobody else has them. Those
//! of changes that are refused later are deleted again in the same transaction.

use std::collections::HashMap;

use serde_json::json;
use workflow_core::adapter::{Callback, Effect, Outcome, SlotKey};
use workflow_core::{RunId, StatusCode, Timestamp};

use super::bulk::{Bound, Bulk};
use super::error::is_duplicate;
use super::named::Named;
use super::rows::{datetime, run_id, value};
use super::server::Conn;
use crate::decided::Decided;

const TAKE_SLOT: Bulk = Bulk::insert(
    "insert into workflow_slots (workflow_name, foreign_id, spec, slot) values ",
    "(?,?,?,?)",
    "",
);

const FREE_SLOT: Bulk = Bulk::any_where(
    "delete s from workflow_slots s force index (primary) where ",
    "(s.workflow_name = ? and s.foreign_id = ? and s.spec = ? and s.slot = ?)",
    "",
);

const PUT_CALLBACK: Bulk = Bulk::insert(
    "insert into workflow_inbox (run_id, status, `key`, payload, applied, noted) values ",
    "(?,?,?,?,?,?)",
    "",
);

const DELETE_CALLBACK: Named = Named(
    "delete i from json_table(?, '$[*]' columns (run_id varchar(64) character set ascii path '$[0]', status int path \
     '$[1]', name varchar(255) character set utf8mb4 path '$[2]')) d straight_join workflow_inbox i force index \
     (primary) on i.run_id = d.run_id and i.status = d.status and i.`key` = d.name",
);

/// When the last callback of a run and status was noted.
const LAST_NOTED: Bulk = Bulk::any_where(
    "select run_id, status, max(noted) from workflow_inbox force index (primary) where ",
    "(run_id = ? and status = ?)",
    " group by run_id, status",
);

/// A callback that is to be noted, and when.
type Noted<'a> = (RunId, &'a Callback, i64);

/// A key that a change takes.
#[derive(Clone, Copy)]
enum Key<'a> {
    Slot(&'a SlotKey),
    Callback(RunId, &'a Callback),
}

/// The keys that were taken, by the place of their change.
pub(super) struct Taken<'a>(Vec<(usize, Key<'a>)>);

/// Takes the keys of all changes that stand; refuses those whose keys are taken.
pub(super) async fn take<'a>(
    connection: &mut Conn<'_>,
    changes: &mut [Decided<'a>],
    now: Timestamp,
) -> Result<Taken<'a>, sqlx::Error> {
    let wanted: Vec<(usize, Key<'a>)> = wanted(changes);
    if wanted.is_empty() {
        return Ok(Taken(wanted));
    }
    let noted = noted(connection, &callbacks(&wanted), now).await?;
    if take_all(connection, &wanted, &noted).await? {
        return Ok(Taken(wanted));
    }
    let (mut taken, mut noted) = (Vec::with_capacity(wanted.len()), noted.into_iter());
    for (place, key) in wanted {
        let noted = matches!(key, Key::Callback(..)).then(|| noted.next()).flatten();
        if changes[place].stands() {
            match take_one(connection, key, noted).await {
                Ok(()) => taken.push((place, key)),
                Err(error) if is_duplicate(&error) => changes[place].refused = Some(Outcome::DuplicateKey),
                Err(error) => return Err(error),
            }
        }
    }
    let taken = Taken(taken);
    taken.give_back_refused(connection, changes).await?;
    Ok(taken)
}

fn wanted<'a>(changes: &[Decided<'a>]) -> Vec<(usize, Key<'a>)> {
    let standing = changes.iter().enumerate().filter(|(_, each)| each.stands());
    standing
        .flat_map(|(place, each)| {
            let run_id = each.change.run_id;
            each.change.effects.iter().filter_map(move |effect| match effect {
                Effect::TakeSlot(key) => Some((place, Key::Slot(key))),
                Effect::PutCallback(callback) => Some((place, Key::Callback(run_id, callback))),
                _ => None,
            })
        })
        .collect()
}

/// Takes all, or none and says so.
async fn take_all(
    connection: &mut Conn<'_>,
    wanted: &[(usize, Key<'_>)],
    noted: &[Noted<'_>],
) -> Result<bool, sqlx::Error> {
    sqlx::raw_sql("savepoint workflow_keys").execute(connection.raw()).await?;
    let taken = async {
        TAKE_SLOT.run(connection, &slots(wanted), |query, key| bind_slot(query, key)).await?;
        let bytes = |(_, callback, _): &Noted<'_>| callback.payload.len();
        PUT_CALLBACK.run_weighed(connection, noted, bytes, bind_callback).await
    };
    match taken.await {
        Ok(_) => Ok(true),
        Err(error) if is_duplicate(&error) => {
            sqlx::raw_sql("rollback to savepoint workflow_keys").execute(connection.raw()).await?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

async fn take_one(
    connection: &mut Conn<'_>,
    key: Key<'_>,
    noted: Option<Noted<'_>>,
) -> Result<(), sqlx::Error> {
    match key {
        Key::Slot(key) => TAKE_SLOT.run(connection, &[key], |query, key| bind_slot(query, key)).await,
        Key::Callback(..) => PUT_CALLBACK.run(connection, noted.as_slice(), bind_callback).await,
    }
    .map(drop)
}

/// Notes each callback after all before it of its run and status, even within a millisecond. Their runs are locked, so
/// that nobody comes in between.
async fn noted<'a>(
    connection: &mut Conn<'_>,
    callbacks: &[(RunId, &'a Callback)],
    now: Timestamp,
) -> Result<Vec<Noted<'a>>, sqlx::Error> {
    let mut last: HashMap<(RunId, StatusCode), i64> = HashMap::new();
    let rows = LAST_NOTED.fetch(connection, callbacks, |query, (run_id, callback)| {
        query.bind(run_id.to_string()).bind(callback.status.get())
    });
    for row in rows.await? {
        if let Ok(status) = StatusCode::new(value(&row, 1)?) {
            last.insert((run_id(value(&row, 0)?)?, status), value(&row, 2)?);
        }
    }
    let note = |(run_id, callback): &(RunId, &'a Callback)| {
        let last = last.entry((*run_id, callback.status)).or_insert(i64::MIN);
        *last = now.as_millis().max(last.saturating_add(1));
        (*run_id, *callback, *last)
    };
    Ok(callbacks.iter().map(note).collect())
}

impl Taken<'_> {
    /// Deletes the keys of changes that are refused.
    pub(super) async fn give_back_refused(
        &self,
        connection: &mut Conn<'_>,
        changes: &[Decided<'_>],
    ) -> Result<(), sqlx::Error> {
        let refused: Vec<(usize, Key<'_>)> =
            self.0.iter().filter(|(place, _)| !changes[*place].stands()).copied().collect();
        FREE_SLOT.run(connection, &slots(&refused), |query, key| bind_slot(query, key)).await?;
        DELETE_CALLBACK
            .run(connection, &callbacks(&refused), |(run_id, callback)| {
                json!([run_id.to_string(), callback.status.get(), &*callback.key])
            })
            .await?;
        Ok(())
    }
}

fn slots<'a>(keys: &[(usize, Key<'a>)]) -> Vec<&'a SlotKey> {
    let slot = |(_, key): &(usize, Key<'a>)| match key {
        Key::Slot(key) => Some(*key),
        Key::Callback(..) => None,
    };
    keys.iter().filter_map(slot).collect()
}

fn callbacks<'a>(keys: &[(usize, Key<'a>)]) -> Vec<(RunId, &'a Callback)> {
    let callback = |(_, key): &(usize, Key<'a>)| match key {
        Key::Callback(run_id, callback) => Some((*run_id, *callback)),
        Key::Slot(_) => None,
    };
    keys.iter().filter_map(callback).collect()
}

fn bind_slot<'q>(query: Bound<'q>, key: &'q SlotKey) -> Bound<'q> {
    query
        .bind(key.workflow_name.as_str())
        .bind(key.foreign_id.as_str())
        .bind(&*key.spec)
        .bind(datetime(key.slot))
}

fn bind_callback<'q>(query: Bound<'q>, (run_id, callback, noted): &'q Noted<'_>) -> Bound<'q> {
    query
        .bind(run_id.to_string())
        .bind(callback.status.get())
        .bind(&*callback.key)
        .bind(&callback.payload[..])
        .bind(i32::from(callback.applied))
        .bind(*noted)
}
