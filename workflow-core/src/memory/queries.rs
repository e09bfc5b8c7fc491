//! What a store in memory is asked.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::state::{OutboxEntry, State};
use crate::adapter::{
    Cursor, DriverlessSlice, DueTimer, DueWork, HistoryQuery, ListPage, ListQuery, OutboxPage, Page,
    RetryRow, StoredOutboxRow, TimerRow,
};
use crate::{EventId, HistoryEntry, Record, RunId, Shard, Timestamp, WorkflowName};

impl State {
    pub(super) fn list(&self, query: &ListQuery) -> ListPage {
        let cursor_at = |record: &Record| Cursor { created_at: record.created_at, run_id: record.run_id };
        let all: Box<dyn Iterator<Item = &(Timestamp, RunId)>> = if query.newest_first {
            Box::new(self.by_age.iter().rev())
        } else {
            Box::new(self.by_age.iter())
        };
        let skip = match query.page {
            Page::Offset(skip) => usize::try_from(skip).unwrap_or(usize::MAX),
            Page::After(_) => 0,
        };
        let after = |record: &Record| match query.page {
            Page::Offset(_) => true,
            Page::After(cursor) if query.newest_first => cursor_at(record) < cursor,
            Page::After(cursor) => cursor_at(record) > cursor,
        };
        let matching = all
            .filter_map(|(_, run_id)| self.records.get(run_id))
            .filter(|record| after(record) && matches(query, record));
        let mut records: Vec<Arc<Record>> =
            matching.skip(skip).take(query.limit.saturating_add(1)).cloned().collect();
        let more = records.len() > query.limit;
        records.truncate(query.limit);
        let next = records.last().filter(|_| more).map(|record| cursor_at(record));
        ListPage { records, unreadable: Vec::new(), next }
    }

    pub(super) fn history_of(&self, query: &HistoryQuery) -> Vec<HistoryEntry> {
        let entries = self.history.get(&query.run_id).into_iter().flatten();
        let after = entries.filter(|entry| query.after.is_none_or(|after| entry.version > after));
        after.take(query.limit).cloned().collect()
    }

    pub(super) fn outbox_page(&self, shard: Shard, after: Option<EventId>, limit: usize) -> OutboxPage {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let is_in = |row: &(&EventId, &OutboxEntry)| shard.has_bucket(row.1.event.run_id.bucket());
        let mut rows = self.outbox.range((from, Bound::Unbounded)).filter(is_in);
        let page: Vec<StoredOutboxRow> = rows
            .by_ref()
            .take(limit)
            .map(|(id, entry)| StoredOutboxRow {
                id: id.to_string().into(),
                event: Ok((*id, Arc::clone(&entry.event))),
                workflow_name: entry.event.workflow_name.as_str().into(),
                created_at: entry.created_at,
            })
            .collect();
        OutboxPage { rows: page, more: rows.next().is_some() }
    }

    pub(super) fn due_work(&self, workflows: &[WorkflowName], limit: usize, now: Timestamp) -> DueWork {
        let timers = self.due_timers.iter().filter_map(|(_, run_id, entered, name)| {
            let timer = self.timers.get(run_id)?.get(&(*entered, Arc::clone(name)))?;
            workflows.contains(&timer.row.workflow_name).then_some(&timer.row)
        });
        let retries = self.due_retries.values().filter_map(|key| {
            let row = self.retries.get(&key.run_id)?.get(key)?;
            workflows.contains(&row.event.workflow_name).then_some(row)
        });
        let (timers, next_timer) = split(timers, limit, now, |row: &&TimerRow| row.expire_at);
        let (retries, next_retry) = split(retries, limit, now, |row: &&RetryRow| row.due.unwrap_or(now));
        DueWork {
            timers: timers
                .into_iter()
                .map(|row| DueTimer {
                    record: Ok(self.records.get(&row.key.run_id).cloned()),
                    timer: row.clone(),
                })
                .collect(),
            retries: retries.into_iter().cloned().collect(),
            next_in: next_timer.into_iter().chain(next_retry).min(),
        }
    }

    pub(super) fn waiting_retries(&self, workflow: &WorkflowName, limit: usize) -> u64 {
        let waiting = self.due_retries.values().take(limit);
        let rows = waiting.filter_map(|key| self.retries.get(&key.run_id)?.get(key));
        rows.filter(|row| row.attempt > 0 && row.event.workflow_name == *workflow).count() as u64
    }

    pub(super) fn driverless(
        &self,
        workflow: &WorkflowName,
        before: Timestamp,
        after: Option<Cursor>,
        limit: usize,
    ) -> DriverlessSlice {
        let begin = (workflow.clone(), Timestamp::from_millis(i64::MIN), RunId::from_uuid(uuid::Uuid::nil()));
        let from = match after {
            Some(cursor) => Bound::Excluded((workflow.clone(), cursor.created_at, cursor.run_id)),
            None => Bound::Included(begin),
        };
        let live = self.live_by_age.range((from, Bound::Unbounded));
        let slice: Vec<_> = live.take_while(|(name, _, _)| name == workflow).take(limit).collect();
        let next = slice.last().filter(|_| slice.len() == limit);
        let next = next.map(|(_, created_at, run_id)| Cursor { created_at: *created_at, run_id: *run_id });
        let records = slice.into_iter().filter_map(|(_, _, run_id)| self.records.get(run_id));
        let idle = records.filter(|record| record.updated_at < before && !self.is_driven(record));
        DriverlessSlice { records: idle.cloned().collect(), next }
    }

    fn is_driven(&self, record: &Record) -> bool {
        let retried = |rows: &std::collections::HashMap<crate::adapter::RetryKey, RetryRow>| {
            rows.keys().any(|key| key.version == record.version)
        };
        self.unsent.contains_key(&record.run_id)
            || self.retries.get(&record.run_id).is_some_and(retried)
            || self
                .dead_letters
                .values()
                .any(|letter| letter.run_id == Some(record.run_id) && letter.version == Some(record.version))
    }

    pub(super) fn purge(&mut self, workflow: &WorkflowName, before: Timestamp, limit: usize) -> u64 {
        let old = self.by_age.iter().filter_map(|(_, run_id)| self.records.get(run_id)).filter(|record| {
            let ended = record.run_state.is_finished()
                && record.run_state != crate::RunState::RequestedDataDeleted
                && record.updated_at < before;
            let owed = |rows: &std::collections::HashMap<crate::adapter::RetryKey, RetryRow>| {
                rows.values().any(|row| row.due.is_some())
            };
            record.workflow_name == *workflow
                && ended
                && !self.unsent.contains_key(&record.run_id)
                && !self.retries.get(&record.run_id).is_some_and(owed)
        });
        let old: Vec<RunId> = old.take(limit).map(|record| record.run_id).collect();
        old.iter().for_each(|run_id| self.forget_run(*run_id));
        old.len() as u64
    }
}

/// The first `limit` that are due, and how long until the next.
fn split<'a, R: 'a>(
    rows: impl Iterator<Item = &'a R>,
    limit: usize,
    now: Timestamp,
    due: impl Fn(&&'a R) -> Timestamp,
) -> (Vec<&'a R>, Option<Duration>) {
    let mut taken = Vec::new();
    for row in rows {
        if due(&row) > now || taken.len() == limit {
            return (taken, Some(due(&row).since(now)));
        }
        taken.push(row);
    }
    (taken, None)
}

fn matches(query: &ListQuery, record: &Record) -> bool {
    let one_of = |wanted: bool, empty: bool| wanted || empty;
    query.workflow_name.as_ref().is_none_or(|name| *name == record.workflow_name)
        && one_of(query.foreign_ids.contains(&record.foreign_id), query.foreign_ids.is_empty())
        && one_of(query.statuses.contains(&record.status), query.statuses.is_empty())
        && one_of(query.run_states.contains(&record.run_state), query.run_states.is_empty())
        && query.created_from.is_none_or(|from| record.created_at >= from)
        && query.created_before.is_none_or(|before| record.created_at < before)
}
