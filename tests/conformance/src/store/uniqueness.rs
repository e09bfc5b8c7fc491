//! One live run of a foreign id, one run of a start key.

use std::sync::Arc;

use tokio::task::JoinSet;
use workflow_core::adapter::{Outcome, Store};
use workflow_core::{Move, Record, RunId};

use super::StoreFixture;
use crate::samples::{
    commit_one, completed, creation, found, key, moved, new_run, new_run_of, orders, outbox_rows, paused,
    start, start_as, start_key, stepped, store_over, workflow,
};

/// How many callers ask at the same moment.
const CALLERS: usize = 64;

/// Lets all callers create their run at the same moment, on two handles; gives the one that was stored and the answers
/// of the others.
async fn create_all<F: StoreFixture>(fixture: &F, records: Vec<Record>) -> (Arc<Record>, Vec<Outcome>) {
    let handles = [fixture.store(), fixture.second().await];
    let mut callers = JoinSet::new();
    for (at, record) in records.into_iter().enumerate() {
        let store = Arc::clone(&handles[at % 2]);
        callers.spawn(async move { commit_one(&*store, creation(&record)).await });
    }
    let (mut stored, mut refused) = (Vec::new(), Vec::new());
    for outcome in callers.join_all().await {
        match outcome {
            Outcome::Stored(Some(record)) => stored.push(record),
            other => refused.push(other),
        }
    }
    assert_eq!(stored.len(), 1, "one of them is stored");
    (stored.remove(0), refused)
}

/// Of 64 triggers of one foreign id at once, one makes a run, and the others are told which.
pub async fn one_live_run(fixture: impl StoreFixture) {
    let records: Vec<Record> = (0..CALLERS).map(|_| new_run("order-1")).collect();
    let runs: Vec<RunId> = records.iter().map(|record| record.run_id).collect();
    let (run, refused) = create_all(&fixture, records).await;
    assert_eq!(refused, vec![Outcome::DuplicateActiveRun { run_id: run.run_id }; CALLERS - 1]);
    let store = fixture.store();
    let found = store.lookup(&runs).await.unwrap();
    assert_eq!(found.into_iter().filter_map(Result::unwrap).count(), 1);
    assert_eq!(outbox_rows(&*store, 100).await.len(), 1);

    let second = commit_one(&*store, creation(&new_run("order-1"))).await;
    assert_eq!(second, Outcome::DuplicateActiveRun { run_id: run.run_id });
    start_as(&*store, &new_run_of(workflow("refunds"), "order-1")).await;
    start(&*store, "order-2").await;
    store_over(&*store, &run, &completed(&run)).await;
    let next = start(&*store, "order-1").await;
    store_over(&*store, &next, &moved(&next, Move::Cancel { reason: "mistake".into() })).await;
    start(&*store, "order-1").await;
}

/// A start key makes one run for ever: 64 triggers with it, for as many foreign ids, make one, and it stays taken when
/// that run has ended.
pub async fn start_keys(fixture: impl StoreFixture) {
    let keyed = |foreign_id: &str| {
        let mut record = new_run(foreign_id);
        record.start_key = Some(start_key("request-1"));
        record
    };
    let records = (0..CALLERS).map(|number| keyed(&format!("order-{number}"))).collect();
    let (run, refused) = create_all(&fixture, records).await;
    assert_eq!(refused, vec![Outcome::DuplicateStartKey { run_id: run.run_id }; CALLERS - 1]);
    let store = fixture.store();
    store_over(&*store, &run, &completed(&run)).await;
    let late = commit_one(&*store, creation(&keyed("order-late"))).await;
    assert_eq!(late, Outcome::DuplicateStartKey { run_id: run.run_id });
    assert_eq!(store.latest(&orders(), &key("order-late")).await.unwrap(), None);
}

/// Of two creations of one foreign id, or one start key, in one commit, the first is stored.
pub async fn one_of_two_creations_in_one_commit_is_stored(fixture: impl StoreFixture) {
    let store = fixture.store();
    let (one, two) = (new_run("order-1"), new_run("order-1"));
    let (mut three, mut four) = (new_run("order-3"), new_run("order-4"));
    three.start_key = Some(start_key("k"));
    four.start_key = Some(start_key("k"));
    let changes = [&one, &two, &three, &four].map(creation).into();
    let outcomes = store.commit(changes, Vec::new()).await.unwrap();
    assert!(matches!(&outcomes[0], Outcome::Stored(Some(record)) if record.run_id == one.run_id));
    assert_eq!(outcomes[1], Outcome::DuplicateActiveRun { run_id: one.run_id });
    assert!(matches!(&outcomes[2], Outcome::Stored(Some(record)) if record.run_id == three.run_id));
    assert_eq!(outcomes[3], Outcome::DuplicateStartKey { run_id: three.run_id });
    assert_eq!(found(&*store, four.run_id).await, None);
}

/// A paused run holds its foreign id, and so does one that was resumed.
pub async fn a_paused_run_is_live(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    let running = store_over(&*store, &run, &stepped(&run, 2)).await;
    let held = store_over(&*store, &running, &paused(&running)).await;
    let taken = Outcome::DuplicateActiveRun { run_id: run.run_id };
    assert_eq!(commit_one(&*store, creation(&new_run("order-1"))).await, taken);
    store_over(&*store, &held, &moved(&held, Move::Resume)).await;
    assert_eq!(commit_one(&*store, creation(&new_run("order-1"))).await, taken);
}

/// A run that has ended in the commit that creates it leaves its foreign id free, but is refused while another is live.
pub async fn a_run_that_is_created_finished_is_not_live(fixture: impl StoreFixture) {
    let store = fixture.store();
    let finished = || {
        let mut record = new_run("order-1");
        record.run_state = workflow_core::RunState::Completed;
        record
    };
    start_as(&*store, &finished()).await;
    let live = start(&*store, "order-1").await;
    let refused = commit_one(&*store, creation(&finished())).await;
    assert_eq!(refused, Outcome::DuplicateActiveRun { run_id: live.run_id });
}

/// A creation whose start key and foreign id are both taken is told of the start key: the trigger was made before.
pub async fn a_taken_start_key_is_told_before_a_live_run(fixture: impl StoreFixture) {
    let store = fixture.store();
    let mut record = new_run("order-1");
    record.start_key = Some(start_key("request-1"));
    let run = start_as(&*store, &record).await;
    let again = Record { run_id: RunId::generate(), ..record };
    let outcome = commit_one(&*store, creation(&again)).await;
    assert_eq!(outcome, Outcome::DuplicateStartKey { run_id: run.run_id });
}

/// Two workflows may use the same start key.
pub async fn start_keys_are_told_apart_by_workflow(fixture: impl StoreFixture) {
    let store = fixture.store();
    for name in ["orders", "refunds"] {
        let mut record = new_run_of(workflow(name), "order-1");
        record.start_key = Some(start_key("request-1"));
        let run = start_as(&*store, &record).await;
        let by_key = store.started_by(&workflow(name), &start_key("request-1")).await.unwrap().unwrap();
        assert_eq!(by_key, run);
    }
}
