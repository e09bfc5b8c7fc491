//! Transitions that are written before anything is looked at: one statement does it all, and says afterwards whether
//! roles, runs and versions were what the changes expect. If they were not, the transaction is undone and made again by
//! one that looks first.
//!
//! That saves hops to the server and back, and one look at each row; nearly all commits find what they expect.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::{Execute, Row};
use workflow_core::adapter::{Change, Effect, Expect, Fence};
use workflow_core::{EventId, Record};

use super::create::{array, create};
use super::stamp::column;
use super::together::{Transition, bind, sparse};
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
    role for share), d as materialized (select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], \
    $5::integer[], $6::integer[], $7::integer[], $8::bytea[], $9::bytea[], $10::text[], $11::text[], $12::bytea[], \
    $13::smallint[], $14::text[], $15::text[], $16::integer[], $17::bigint[], $18::bytea[], $22::text[], $23::text[]) as \
    d(run_id, workflow_name, version, was, from_status, status, run_state, object, meta, event_id, paused_by, event, \
    bucket, reason, actor, attempt, duration_us, snapshot, foreign_id, start_key)), made as (insert into workflow_records \
    (run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta, version, last_event_id, \
    paused_by, start_key) select d.run_id, coalesce(d.workflow_name, $19), d.foreign_id, d.run_state, d.status, d.object, \
    $24, $24, d.meta, d.version, d.event_id, d.paused_by, d.start_key from d where d.foreign_id is not null on conflict do \
    nothing returning 1), sent as (insert into workflow_outbox (id, workflow_name, data, created_at, run_id, \
    record_version, bucket) select d.event_id, coalesce(d.workflow_name, $19), d.event, $24, d.run_id, d.version, d.bucket \
    from d), told as (insert into workflow_history (run_id, version, workflow_name, from_status, to_status, run_state, \
    reason, actor, attempt, duration_us, at, object) select d.run_id, d.version, coalesce(d.workflow_name, $19), \
    d.from_status, d.status, d.run_state, coalesce(d.reason, ''), coalesce(d.actor, 'step'), coalesce(d.attempt, 1), \
    d.duration_us, $24, d.snapshot from d), gone as (delete from workflow_outbox where id = any($20)), moved as (update \
    workflow_records r set run_state = d.run_state, status = d.status, object = d.object, updated_at = $24, meta = d.meta, \
    version = d.version, last_event_id = d.event_id, paused_by = d.paused_by from d where d.was is not null and r.run_id = \
    d.run_id and r.version = d.was and position(('\"Version\":' || d.was || ',')::bytea in r.meta) > 0 returning 1) select \
    (select count(*) from moved), (select count(*) from made), roles.role, roles.epoch from (select 1) as one left join \
    roles on true";

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

/// What changes say to the statement, encoded.
pub(super) struct Prepared {
    arguments: Result<PgArguments, BoxDynError>,
    /// How many runs are to be moved and made.
    moves: usize,
    made: usize,
}

impl Prepared {
    /// The same of changes that are all plain; `None` if one of them is not.
    pub(super) fn of_plain(changes: &[Change], acked: &[EventId]) -> Option<Self> {
        let changes: Vec<&Change> = changes.iter().collect();
        let all_plain = !changes.is_empty() && changes.iter().all(|change| is_plain(change));
        all_plain.then(|| Self::of(&changes, acked, false))
    }

    /// New runs may be inserted `beforehand`.
    fn of(changes: &[&Change], acked: &[EventId], beforehand: bool) -> Self {
        let mut transitions: Vec<Transition<'_>> =
            changes.iter().copied().filter_map(Transition::of).collect();
        let moves = transitions.iter().filter(|each| each.moves()).count();
        transitions.iter_mut().for_each(|each| each.makes = !beforehand && !each.moves());
        let made = transitions.iter().filter(|each| each.makes).count();
        let fences = changes.iter().filter_map(|change| change.fence.as_ref());
        let mut roles: Vec<&str> = fences.map(|fence| fence.role.as_str()).collect();
        roles.sort_unstable();
        roles.dedup();
        let mut gone = array(acked, EventId::to_string);
        // In one order, so that no two commits wait for each other.
        gone.sort_unstable();
        let start_key = |record: &'_ Record| record.start_key.as_ref().map(|key| key.as_str().to_owned());
        let mut query = bind(sqlx::query(TRUSTING), &transitions)
            .bind(gone)
            .bind(roles)
            .bind(sparse(&transitions, |each| each.made(|record| Some(record.foreign_id.as_str()))))
            .bind(sparse(&transitions, |each| each.made(start_key)));
        Self { arguments: query.take_arguments().map(Option::unwrap_or_default), moves, made }
    }

    /// Whether a statement's answer is the expected one, for all `fences`.
    async fn write<'a>(
        self,
        tx: &mut Tx,
        fences: impl Iterator<Item = &'a Fence> + Clone,
    ) -> Result<(), sqlx::Error> {
        let arguments = self.arguments.map_err(sqlx::Error::Encode)?;
        let query = sqlx::query_with(tx.sql(TRUSTING), arguments).bind(column(tx.now()));
        for row in query.fetch_all(tx.raw()).await? {
            if count(row.try_get(1)?) != Some(self.made) {
                tx.wariness().rise();
                return Err(surprised());
            }
            let (role, epoch): (Option<&str>, Option<i64>) = (row.try_get(2)?, row.try_get(3)?);
            let later = |fence: &Fence| {
                Some(fence.role.as_str()) == role && epoch.unwrap_or(0).unsigned_abs() > fence.epoch.get()
            };
            if count(row.try_get(0)?) != Some(self.moves) || fences.clone().any(later) {
                return Err(surprised());
            }
        }
        Ok(())
    }
}

/// Whether a change is nothing but a transition or a new run, so that it can be written before anything is looked at.
pub(super) fn is_plain(change: &Change) -> bool {
    let looks = |effect: &Effect| matches!(effect, Effect::TakeSlot(_) | Effect::PutCallback(_));
    let Some(record) = &change.record else { return false };
    Transition::of(change).is_some()
        && record.object.len() <= OBJECT_BYTES_MAX
        // The index of live runs does not keep one that is finished from the start from standing beside a live one.
        && (change.expect != Expect::Absent || record.run_state.is_live())
        && !change.effects.iter().any(looks)
}

/// Writes plain changes; the `acked` outbox rows are deleted with them. They may be `prepared` already.
pub(super) async fn write_trusting(
    tx: &mut Tx,
    changes: &mut [Decided<'_>],
    acked: &[EventId],
    prepared: Option<Prepared>,
) -> Result<(), sqlx::Error> {
    let beforehand = tx.wariness().is_due();
    if beforehand {
        create(tx, changes).await?;
    }
    let standing: Vec<&Change> =
        changes.iter().filter(|each| each.stands()).map(|each| each.change).collect();
    let prepared = match prepared {
        Some(prepared) if !beforehand => prepared,
        _ => Prepared::of(&standing, acked, beforehand),
    };
    prepared.write(tx, standing.iter().filter_map(|change| change.fence.as_ref())).await
}

fn count(rows: i64) -> Option<usize> {
    usize::try_from(rows).ok()
}
