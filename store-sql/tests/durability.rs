//! How a file is written: what the pragmas of the writer's own connection say.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use sqlx::Row;
use store_sql::sqlite::attach;
use store_sql::{Sqlite, SqliteOptions};
use workflow_core::adapter::{Change, Effect, Expect, Outcome, Store};
use workflow_core::{
    EventId, ForeignId, Record, RunId, RunState, StatusCode, Timestamp, Version, WorkflowName,
};

/// SQLite's numbers of the settings.
const NORMAL: i64 = 1;
const FULL: i64 = 2;

fn record() -> Record {
    Record {
        workflow_name: WorkflowName::new("orders").unwrap(),
        foreign_id: ForeignId::new("order-17").unwrap(),
        run_id: RunId::generate(),
        run_state: RunState::Initiated,
        status: StatusCode::new(1).unwrap(),
        object: b"{}".to_vec().into(),
        created_at: Timestamp::from_millis(0),
        updated_at: Timestamp::from_millis(0),
        version: Version::FIRST,
        run_state_reason: Arc::default(),
        status_description: Arc::default(),
        trace_origin: Arc::default(),
        traceparent: None,
        last_event_id: Some(EventId::after(None)),
        paused_by: None,
        start_key: None,
    }
}

/// The journal mode and the synchronous setting of the connection that commits.
async fn settings(options: SqliteOptions) -> (String, i64) {
    let folder = tempfile::tempdir().unwrap();
    let database = options.open(folder.path().join("runs.db")).await.unwrap();
    let seen = Arc::new(Mutex::new(None));
    let told = Arc::clone(&seen);
    let mut change = Change::new(RunId::generate(), Expect::Absent);
    change.record = Some(Record { run_id: change.run_id, ..record() });
    change.effects.push(Effect::Attached(attach(move |connection| {
        let told = Arc::clone(&told);
        Box::pin(async move {
            let journal = sqlx::query("pragma journal_mode").fetch_one(&mut *connection).await?;
            let synchronous = sqlx::query("pragma synchronous").fetch_one(connection).await?;
            *told.lock().unwrap() = Some((journal.try_get(0)?, synchronous.try_get(0)?));
            Ok::<(), sqlx::Error>(())
        })
    })));
    let outcomes = database.store().commit(vec![change], Vec::new()).await.unwrap();
    assert!(matches!(outcomes[..], [Outcome::Stored(Some(_))]), "{outcomes:?}");
    seen.lock().unwrap().take().unwrap()
}

#[tokio::test]
async fn a_commit_is_on_disk_when_it_is_answered() {
    assert_eq!(settings(Sqlite::options()).await, ("wal".to_owned(), FULL));
}

#[tokio::test]
async fn a_relaxed_commit_is_answered_before() {
    assert_eq!(settings(Sqlite::options().relaxed()).await, ("wal".to_owned(), NORMAL));
}
