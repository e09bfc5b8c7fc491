//! Records, events and changes for tests, made as the engine makes them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use workflow_core::adapter::{
    Callback, Change, DeadLetter, Effect, Expect, Fence, NewTimer, OutboxRow, Outcome, RetryKey, RetryUpdate,
    SlotKey, Store, StoredOutboxRow, TimerKey,
};
use workflow_core::{
    Actor, Due, Epoch, Event, EventId, ForeignId, GroupName, HistoryEntry, Move, PausedBy, ProcessName,
    Record, RoleName, RunId, RunState, StartKey, StatusCode, TimerName, Timestamp, Topic, Transition,
    Version, WorkflowName, apply,
};

/// The workflow of the samples.
pub fn orders() -> WorkflowName {
    workflow("orders")
}

/// A workflow.
pub fn workflow(name: &str) -> WorkflowName {
    WorkflowName::new(name).unwrap()
}

/// A business key.
pub fn key(text: &str) -> ForeignId {
    ForeignId::new(text).unwrap()
}

/// A start key.
pub fn start_key(text: &str) -> StartKey {
    StartKey::new(text).unwrap()
}

/// A status.
pub fn status(code: i32) -> StatusCode {
    StatusCode::new(code).unwrap()
}

/// A version.
pub fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

/// A role of the samples' workflow.
pub fn role(code: i32) -> RoleName {
    GroupName::of_step(&orders(), status(code)).single_role()
}

/// The ownership of a role.
pub fn fence(role: &RoleName, epoch: Epoch) -> Fence {
    Fence { role: role.clone(), epoch }
}

/// An instant that no test lives to see.
pub fn far_future() -> Timestamp {
    Timestamp::from_millis(4_102_444_800_000)
}

/// A run that was just triggered; it is not stored yet.
pub fn new_run(foreign_id: &str) -> Record {
    new_run_of(orders(), foreign_id)
}

/// A run of another workflow that was just triggered.
pub fn new_run_of(workflow_name: WorkflowName, foreign_id: &str) -> Record {
    Record {
        workflow_name,
        foreign_id: key(foreign_id),
        run_id: RunId::generate(),
        run_state: RunState::Initiated,
        status: status(1),
        object: Bytes::from(format!("{{\"of\":{foreign_id:?}}}")),
        created_at: Timestamp::from_millis(0),
        updated_at: Timestamp::from_millis(0),
        version: Version::FIRST,
        run_state_reason: "".into(),
        status_description: "Placed".into(),
        trace_origin: "conformance".into(),
        traceparent: None,
        last_event_id: Some(EventId::after(None)),
        paused_by: None,
        start_key: None,
    }
}

/// The run after a move.
pub fn moved(record: &Record, to: Move) -> Record {
    apply(record, Transition { to, object: None }).unwrap()
}

/// The run in another status.
pub fn stepped(record: &Record, to: i32) -> Record {
    let to = Move::Go { to: status(to), description: format!("Status{to}").into(), terminal: false };
    moved(record, to)
}

/// The run at its end.
pub fn completed(record: &Record) -> Record {
    moved(record, Move::Go { to: status(9), description: "Done".into(), terminal: true })
}

/// The run, paused.
pub fn paused(record: &Record) -> Record {
    moved(record, Move::Pause { reason: "wait".into(), by: PausedBy::Operator })
}

/// The event of a record.
pub fn event_of(record: &Record) -> Arc<Event> {
    let topic = Topic::of_record(&record.workflow_name, record.run_state, record.status);
    Arc::new(Event::of_record(record, topic))
}

/// A change that creates a run, with its event and history.
pub fn creation(record: &Record) -> Change {
    whole(record, Expect::Absent, None)
}

/// A change that stores `after` over `before`, with its event and history.
pub fn update(before: &Record, after: &Record) -> Change {
    whole(after, Expect::Version(before.version), Some(before.status))
}

fn whole(record: &Record, expect: Expect, from_status: Option<StatusCode>) -> Change {
    let mut change = Change::new(record.run_id, expect);
    change.record = Some(record.clone());
    change.outbox = record.last_event_id.map(|id| OutboxRow { id, event: event_of(record) });
    change.history = Some(HistoryEntry {
        workflow_name: record.workflow_name.clone(),
        run_id: record.run_id,
        version: record.version,
        from_status,
        to_status: record.status,
        run_state: record.run_state,
        reason: record.run_state_reason.clone(),
        actor: if from_status.is_some() { Actor::Step } else { Actor::Trigger },
        attempt: u32::from(from_status.is_some()),
        duration: Duration::from_micros(1234),
        at: Timestamp::from_millis(0),
        object: Some(record.object.clone()),
    });
    change
}

/// A change of effects alone, for a run at its version.
pub fn effects_at(record: &Record, effects: Vec<Effect>) -> Change {
    let mut change = Change::new(record.run_id, Expect::Version(record.version));
    change.effects = effects;
    change
}

/// A change of effects alone, whatever the run's version is.
pub fn effects(run_id: RunId, effects: Vec<Effect>) -> Change {
    let mut change = Change::new(run_id, Expect::Nothing);
    change.effects = effects;
    change
}

/// The key of a timer for the status that a record entered.
pub fn timer_key(record: &Record, name: &str) -> TimerKey {
    TimerKey { run_id: record.run_id, entered: record.version, name: TimerName::new(name).unwrap() }
}

/// A timer for the status that a record entered.
pub fn timer(record: &Record, name: &str, due: Due) -> Effect {
    Effect::PutTimer(NewTimer { key: timer_key(record, name), status: record.status, due })
}

/// The key of a retry row.
pub fn retry_key(record: &Record, process: &str) -> RetryKey {
    let process = ProcessName::new(process).unwrap();
    RetryKey { run_id: record.run_id, version: record.version, process }
}

/// A retry row for the event of a record.
pub fn retry_row(record: &Record, process: &str, due: Option<Due>) -> RetryUpdate {
    RetryUpdate {
        key: retry_key(record, process),
        attempt: 1,
        due,
        last_error: "the card was declined".into(),
        event: event_of(record),
    }
}

/// A dead letter of a run.
pub fn dead_letter(record: &Record, id: &str) -> DeadLetter {
    DeadLetter {
        id: id.into(),
        workflow_name: record.workflow_name.as_str().into(),
        run_id: Some(record.run_id),
        version: Some(record.version),
        process: "orders-1-consumer".into(),
        reason: "it cannot be read".into(),
        data: Bytes::from_static(b"\xff\x00raw"),
        created_at: Timestamp::from_millis(0),
    }
}

/// A slot of the samples' one schedule.
pub fn slot(at: i64) -> SlotKey {
    SlotKey {
        workflow_name: orders(),
        foreign_id: key("nightly"),
        spec: "@daily".into(),
        slot: Timestamp::from_millis(at),
    }
}

/// A callback for a status.
pub fn callback(code: i32, key: &str) -> Callback {
    Callback {
        status: status(code),
        key: key.into(),
        payload: Bytes::from(format!("for {key}")),
        applied: false,
    }
}

/// Stores one change.
pub async fn commit_one(store: &impl Store, change: Change) -> Outcome {
    let mut outcomes = store.commit(vec![change], Vec::new()).await.unwrap();
    assert_eq!(outcomes.len(), 1, "one change has one answer");
    outcomes.pop().unwrap()
}

/// Stores one change, which must be made.
pub async fn commit_stored(store: &impl Store, change: Change) -> Option<Arc<Record>> {
    match commit_one(store, change).await {
        Outcome::Stored(record) => record,
        refused => panic!("the change was to be stored, but: {refused:?}"),
    }
}

/// Creates a run.
pub async fn start(store: &impl Store, foreign_id: &str) -> Arc<Record> {
    start_as(store, &new_run(foreign_id)).await
}

/// Creates a given run.
pub async fn start_as(store: &impl Store, record: &Record) -> Arc<Record> {
    commit_stored(store, creation(record)).await.unwrap()
}

/// Stores `after` over `before`.
pub async fn store_over(store: &impl Store, before: &Record, after: &Record) -> Arc<Record> {
    commit_stored(store, update(before, after)).await.unwrap()
}

/// Stores effects for a run at its version.
pub async fn take_effect(store: &impl Store, record: &Record, effects: Vec<Effect>) {
    assert_eq!(commit_stored(store, effects_at(record, effects)).await, None);
}

/// A run as it is stored.
pub async fn found(store: &impl Store, run_id: RunId) -> Option<Arc<Record>> {
    store.lookup(&[run_id]).await.unwrap().pop().unwrap().unwrap()
}

/// The whole outbox, read in pages.
pub async fn outbox_rows(store: &impl Store, page: usize) -> Vec<StoredOutboxRow> {
    let mut rows: Vec<StoredOutboxRow> = Vec::new();
    loop {
        let after = rows.last().map(|row| Arc::clone(&row.id));
        let read = store.outbox(after.as_deref(), page).await.unwrap();
        assert!(read.rows.len() <= page, "a page has {} rows, {page} were asked for", read.rows.len());
        let goes_on = rows.last().zip(read.rows.first()).is_none_or(|(last, next)| last.id < next.id);
        assert!(goes_on, "a page begins before the end of the one before it");
        let at_end = !read.more || read.rows.is_empty();
        rows.extend(read.rows);
        if at_end {
            return rows;
        }
    }
}

/// Deletes every outbox row that can be read.
pub async fn ack_all(store: &impl Store) {
    let rows = outbox_rows(store, 500).await;
    let acked = rows.iter().filter_map(|row| row.event.as_ref().ok()).map(|(id, _)| *id).collect();
    assert_eq!(store.commit(Vec::new(), acked).await.unwrap(), []);
}
