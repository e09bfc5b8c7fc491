//! Ordinary transitions: record, outbox row and history entry say the same of a run, and are sent once.
//!
//! What a transition costs the server is mostly the values that it takes in and passes from one part of a statement to the
//! next: each of an array is received, kept and read again.

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use workflow_core::adapter::{Change, Expect, OutboxRow};
use workflow_core::{Actor, HistoryEntry, Record, encode_outbox};

use super::create::{array, text};
use super::stamp::column;
use super::transaction::Tx;
use crate::record_row::as_i64;

/// New runs have `was` NULL: they are inserted already. Nothing of a transition can be there yet, so that no row is looked
/// for before it is inserted, which would cost half as much again; should one be there after all, the transaction fails
/// and is made in the other form. The column's version may be lower than the run's, where the Go library stored the one
/// before.
const TOGETHER: &str = "with d as materialized (select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], \
    $5::integer[], $6::integer[], $7::integer[], $8::bytea[], $9::bytea[], $10::text[], $11::text[], $12::bytea[], \
    $13::smallint[], $14::text[], $15::text[], $16::integer[], $17::bigint[], $18::bytea[]) as d(run_id, workflow_name, \
    version, was, from_status, status, run_state, object, meta, event_id, paused_by, event, bucket, reason, actor, \
    attempt, duration_us, snapshot)), sent as (insert into workflow_outbox (id, workflow_name, data, created_at, run_id, \
    record_version, bucket) select d.event_id, coalesce(d.workflow_name, $19), d.event, $21, d.run_id, d.version, d.bucket \
    from d), told as (insert into workflow_history (run_id, version, workflow_name, from_status, to_status, run_state, \
    reason, actor, attempt, duration_us, at, object) select d.run_id, d.version, coalesce(d.workflow_name, $19), \
    d.from_status, d.status, d.run_state, coalesce(d.reason, ''), coalesce(d.actor, 'step'), coalesce(d.attempt, 1), \
    d.duration_us, $21, d.snapshot from d), gone as (delete from workflow_outbox where id = any($20)) update \
    workflow_records r set run_state = d.run_state, status = d.status, object = d.object, updated_at = $21, meta = d.meta, \
    version = d.version, last_event_id = d.event_id, paused_by = d.paused_by from d where d.was is not null and r.run_id = \
    d.run_id and r.version <= d.was";

pub(super) type Bound<'q> = Query<'q, sqlx::Postgres, PgArguments>;

/// A transition whose parts agree.
pub(super) struct Transition<'a> {
    record: &'a Record,
    row: &'a OutboxRow,
    entry: &'a HistoryEntry,
    was: Option<u64>,
    /// Whether the record is inserted with the rest.
    pub(super) makes: bool,
}

impl<'a> Transition<'a> {
    /// A change as such a transition; `None` if it is another kind of change.
    ///
    /// When it is stored is not part of it: that is said once for all of them.
    pub(super) fn of(change: &'a Change) -> Option<Self> {
        let Change { expect, record, outbox, history, .. } = change;
        let (record, row, entry) = (record.as_ref()?, outbox.as_ref()?, history.as_ref()?);
        let was = match expect {
            Expect::Version(was) => Some(was.get()),
            Expect::Absent => None,
            Expect::Nothing => return None,
        };
        let event = &row.event;
        let agree = record.last_event_id == Some(row.id)
            && (record.run_id, record.run_id) == (event.run_id, entry.run_id)
            && (Some(record.version), record.version) == (event.version, entry.version)
            && (record.status, record.run_state) == (entry.to_status, entry.run_state)
            && record.workflow_name == event.workflow_name
            && record.workflow_name == entry.workflow_name;
        agree.then_some(Self { record, row, entry, was, makes: false })
    }

    /// Whether a record is updated.
    pub(super) fn moves(&self) -> bool {
        self.was.is_some()
    }

    /// What a run that is inserted already does not need again.
    fn moved<V>(&self, value: impl FnOnce() -> V) -> Option<V> {
        (self.moves() || self.makes).then(value)
    }

    /// What only the making of a run needs.
    pub(super) fn made<V>(&self, value: impl FnOnce(&'a Record) -> Option<V>) -> Option<V> {
        if self.makes { value(self.record) } else { None }
    }
}

/// Writes transitions, and deletes the outbox rows that have `gone`; gives how many records were updated.
pub(super) async fn write(
    tx: &mut Tx,
    transitions: &[Transition<'_>],
    gone: Vec<String>,
) -> Result<u64, sqlx::Error> {
    let query = bind(sqlx::query(tx.sql(TOGETHER)), transitions).bind(gone).bind(column(tx.now()));
    Ok(query.execute(tx.raw()).await?.rows_affected())
}

/// Values of a column that is nearly always the same: none at all if none of them differs from that. What `unnest` misses
/// of a shorter array is NULL, as each one that does not differ is.
pub(super) fn sparse<'a, R, V>(rows: &'a [R], value: impl Fn(&'a R) -> Option<V>) -> Vec<Option<V>> {
    let values = array(rows, value);
    if values.iter().all(Option::is_none) { Vec::new() } else { values }
}

/// The first 19 parameters of a statement for transitions.
pub(super) fn bind<'q>(query: Bound<'q>, transitions: &'q [Transition<'_>]) -> Bound<'q> {
    let usual = transitions.first().map_or("", |first| first.record.workflow_name.as_str());
    let query = bind_record(query, transitions, usual);
    bind_event(query, transitions).bind(usual)
}

fn bind_record<'q>(query: Bound<'q>, transitions: &'q [Transition<'_>], usual: &str) -> Bound<'q> {
    let unusual = |name: &'q str| (name != usual).then_some(name);
    query
        .bind(array(transitions, |each| each.record.run_id.to_string()))
        .bind(sparse(transitions, |each| unusual(each.record.workflow_name.as_str())))
        .bind(array(transitions, |each| as_i64(each.record.version.get())))
        .bind(array(transitions, |each| each.was.map(as_i64)))
        .bind(array(transitions, |each| each.entry.from_status.map(|status| status.get())))
        .bind(array(transitions, |each| each.record.status.get()))
        .bind(array(transitions, |each| each.record.run_state.code()))
        .bind(array(transitions, |each| each.moved(|| &each.record.object[..])))
        .bind(array(transitions, |each| each.moved(|| each.record.meta().encode())))
}

fn bind_event<'q>(query: Bound<'q>, transitions: &'q [Transition<'_>]) -> Bound<'q> {
    let reason = |each: &'q Transition<'_>| Some(&each.entry.reason).filter(|reason| !reason.is_empty());
    let attempt = |each: &Transition<'_>| Some(each.entry.attempt).filter(|attempt| *attempt != 1);
    query
        .bind(array(transitions, |each| each.row.id.to_string()))
        .bind(sparse(transitions, |each| each.record.paused_by.map(|by| by.as_str())))
        .bind(array(transitions, |each| encode_outbox(&each.row.event)))
        .bind(array(transitions, |each| i16::try_from(each.record.run_id.bucket()).unwrap_or(i16::MAX)))
        .bind(sparse(transitions, |each| reason(each).map(|reason| text(reason))))
        .bind(sparse(transitions, |each| {
            (each.entry.actor != Actor::Step).then(|| text(each.entry.actor.as_str()))
        }))
        .bind(sparse(transitions, |each| {
            attempt(each).map(|attempt| i32::try_from(attempt).unwrap_or(i32::MAX))
        }))
        .bind(array(transitions, |each| i64::try_from(each.entry.duration.as_micros()).unwrap_or(i64::MAX)))
        .bind(sparse(transitions, |each| each.entry.object.as_deref()))
}
