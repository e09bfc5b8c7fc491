//! Transitions that are written before anything is looked at: one statement does it all, and says afterwards whether
//! roles, runs and versions were what the changes expect. If they were not, the transaction is undone and made again by
//! one that looks first.
//!
//! That saves hops to the server and back, and one look at each row; nearly all commits find what they expect.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::Row;
use workflow_core::EventId;
use workflow_core::adapter::{Effect, Expect, Fence};

use super::create::{array, create};
use super::stamp::column;
use super::together::{Transition, bind_event, bind_record};
use super::transaction::{Tx, surprised};
use crate::decided::Decided;

/// After a new run met one that is there, so many commits insert theirs beforehand: where starts are repeated, one of
/// them would undo many others.
const WARY_COMMITS: u32 = 200;

/// Objects that are larger are not handed from one part of a statement to the next.
const OBJECT_BYTES_MAX: usize = 256 * 1024;

/// The roles' epochs, under a lock that a new owner waits for, beside how many runs were moved and made.
///
/// A run is moved if its version is the expected one in the column and in `meta`, where the Go library counts: ours are
/// written without spaces and end in a comma, and nothing inside a text looks like one. What looks different is read by
/// the attempt that looks.
const TRUSTING: &str = "with roles as materialized (select role, epoch from workflow_roles where role = any($21) order by \
    role for share), d as materialized (select * from unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], \
    $6::integer[], $7::integer[], $8::integer[], $9::bytea[], $10::bytea[], $11::text[], $12::text[], $13::bytea[], \
    $14::smallint[], $15::text[], $16::text[], $17::integer[], $18::bigint[], $19::bytea[], $22::text[], $23::text[]) as \
    d(run_id, workflow_name, version, was, from_status, status, run_state, object, meta, event_id, paused_by, event, \
    bucket, reason, actor, attempt, duration_us, snapshot, foreign_id, start_key)), made as (insert into workflow_records \
    (run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, \
    paused_by, start_key) select d.run_id, d.workflow_name, d.foreign_id, d.run_state, d.status, d.object, $1, $1, d.meta, \
    d.version, d.event_id, d.paused_by, d.start_key from d where d.foreign_id is not null on conflict do nothing returning \
    1), sent as (insert into workflow_outbox (id, workflow_name, data, created_at, run_id, \
    record_version, bucket) select d.event_id, d.workflow_name, d.event, $1, d.run_id, d.version, d.bucket from d), told as \
    (insert into workflow_history (run_id, version, workflow_name, from_status, to_status, run_state, reason, actor, \
    attempt, duration_us, at, object) select d.run_id, d.version, d.workflow_name, d.from_status, d.status, d.run_state, \
    d.reason, d.actor, d.attempt, d.duration_us, $1, d.snapshot from d), gone as (delete from workflow_outbox where id = \
    any($20)), moved as (update workflow_records r set run_state = d.run_state, status = d.status, object = d.object, \
    updated_at = $1, meta = d.meta, version = d.version, last_event_id = d.event_id, paused_by = d.paused_by from d where \
    d.was is not null and r.run_id = d.run_id and r.version = d.was and position(('\"Version\":' || d.was || \
    ',')::bytea in r.meta) > 0 returning 1) select (select count(*) from moved), (select count(*) from made), \
    roles.role, roles.epoch from (select 1) \
    as one left join roles on true";

/// Whether new runs of the next commits are inserted beforehand.
#[derive(Debug, Default)]
pub(super) struct Wariness(AtomicU32);

impl Wariness {
    fn rise(&self) {
        self.0.store(WARY_COMMITS, Ordering::Relaxed);
    }

    /// Whether this commit is to be wary.
    fn is_due(&self) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        if left > 0 {
            // Two commits at once may count as one: how many exactly is of no concern.
            self.0.store(left - 1, Ordering::Relaxed);
        }
        left > 0
    }
}

/// Whether a change is nothing but a transition or a new run, so that it can be written before anything is looked at.
pub(super) fn is_plain(each: &Decided<'_>) -> bool {
    let looks = |effect: &Effect| matches!(effect, Effect::TakeSlot(_) | Effect::PutCallback(_));
    // The index of live runs does not keep one that is finished from the start from standing beside a live one.
    let goes_on = |each: &Decided<'_>| each.record.as_ref().is_some_and(|record| record.run_state.is_live());
    let small = |each: &Decided<'_>| each.record.iter().all(|record| record.object.len() <= OBJECT_BYTES_MAX);
    Transition::of(each).is_some()
        && small(each)
        && (each.change.expect != Expect::Absent || goes_on(each))
        && !each.change.effects.iter().any(looks)
}

/// Writes plain changes; the `acked` outbox rows are deleted with them.
pub(super) async fn write_trusting(
    tx: &mut Tx,
    changes: &mut [Decided<'_>],
    acked: &[EventId],
) -> Result<(), sqlx::Error> {
    let beforehand = tx.wariness().is_due();
    if beforehand {
        create(tx, changes).await?;
    }
    let standing: Vec<&Decided<'_>> = changes.iter().filter(|each| each.stands()).collect();
    let mut transitions: Vec<Transition<'_>> = standing.iter().copied().filter_map(Transition::of).collect();
    let moves = transitions.iter().filter(|each| each.moves()).count();
    let made = if beforehand { 0 } else { transitions.len() - moves };
    transitions.iter_mut().for_each(|each| each.makes = !beforehand && !each.moves());
    let fences = || standing.iter().filter_map(|each| each.change.fence.as_ref());
    let mut roles: Vec<&str> = fences().map(|fence| fence.role.as_str()).collect();
    roles.sort_unstable();
    roles.dedup();
    let mut gone = array(acked, EventId::to_string);
    // In one order, so that no two commits wait for each other.
    gone.sort_unstable();
    let query = sqlx::query(tx.sql(TRUSTING)).bind(column(tx.now()));
    let query = bind_event(bind_record(query, &transitions), &transitions).bind(gone).bind(roles);
    let query =
        query.bind(array(&transitions, |each| each.made(|record| Some(record.foreign_id.as_str())))).bind(
            array(&transitions, |each| each.made(|record| record.start_key.as_ref().map(|key| key.as_str()))),
        );
    for row in query.fetch_all(tx.raw()).await? {
        if count(row.try_get(1)?) != Some(made) {
            tx.wariness().rise();
            return Err(surprised());
        }
        let (role, epoch): (Option<&str>, Option<i64>) = (row.try_get(2)?, row.try_get(3)?);
        let later = |fence: &Fence| {
            Some(fence.role.as_str()) == role && epoch.unwrap_or(0).unsigned_abs() > fence.epoch.get()
        };
        if count(row.try_get(0)?) != Some(moves) || fences().any(later) {
            return Err(surprised());
        }
    }
    Ok(())
}

fn count(rows: i64) -> Option<usize> {
    usize::try_from(rows).ok()
}
