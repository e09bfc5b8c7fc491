//! Compare and set on the version.

use std::sync::Arc;

use tokio::task::JoinSet;
use workflow_core::adapter::{Outcome, Store};
use workflow_core::{Move, Record, RunState};

use super::StoreFixture;
use crate::engine::Patience;
use crate::kept::Kept;
use crate::samples::{
    commit_one, completed, creation, found, moved, new_run, start, stepped, store_over, update, version,
};

/// What becomes of a step: a store that answers that somebody else has the run is asked again, as it wants to be.
async fn settled(store: &impl Store, record: &Record, to: i32) -> Outcome {
    let patience = Patience::begin();
    loop {
        let is_last = patience.is_over();
        let outcome = commit_one(store, update(record, &stepped(record, to))).await;
        if outcome != Outcome::Busy || is_last {
            return outcome;
        }
    }
}

/// Of changes that expect one version of a run, one is stored, however many callers there are, on two handles.
pub async fn compare_and_set(fixture: impl StoreFixture) {
    const WRITERS: i32 = 8;
    const ROUNDS: u64 = 25;
    let handles = [fixture.store(), fixture.second().await];
    let mut record = start(&*handles[0], "order-1").await;
    for _ in 0..ROUNDS {
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (store, record) = (Arc::clone(&handles[writer as usize % 2]), Arc::clone(&record));
            writers.spawn(async move { settled(&*store, &record, 2 + writer).await });
        }
        let next = record.version.next();
        let mut winners = Vec::new();
        for outcome in writers.join_all().await {
            match outcome {
                Outcome::Stored(Some(stored)) => winners.push(stored),
                Outcome::VersionConflict { actual } => assert_eq!(actual, next),
                refused => panic!("neither stored nor a conflict: {refused:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "one version has one winner");
        record = winners.remove(0);
    }
    let kept = Kept::of(&*handles[0], &[record.run_id]).await;
    assert_eq!(kept.records, [Some((*record).clone())]);
    let versions: Vec<u64> = kept.history.iter().map(|entry| entry.version.get()).collect();
    assert_eq!(versions, (1..=ROUNDS + 1).collect::<Vec<_>>(), "versions are dense");
    assert_eq!(kept.outbox.len(), versions.len(), "each version has one event");
}

/// A change of a run that is not there is refused as such.
pub async fn a_missing_run_is_refused_as_missing(fixture: impl StoreFixture) {
    let store = fixture.store();
    let unknown = new_run("order-1");
    assert_eq!(commit_one(&*store, update(&unknown, &stepped(&unknown, 2))).await, Outcome::Missing);
    assert_eq!(found(&*store, unknown.run_id).await, None);
}

/// A finished run can still be moved at its version, as a deletion does, and does not come back to life by it.
pub async fn a_finished_run_can_be_moved_at_its_version(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    let done = store_over(&*store, &run, &completed(&run)).await;
    let late = update(&run, &stepped(&run, 2));
    assert_eq!(commit_one(&*store, late).await, Outcome::VersionConflict { actual: version(2) });
    let wanted =
        store_over(&*store, &done, &moved(&done, Move::RequestDelete { reason: "gdpr".into() })).await;
    let gone = store_over(&*store, &wanted, &moved(&wanted, Move::Deleted)).await;
    assert_eq!((gone.run_state, gone.version), (RunState::DataDeleted, version(4)));
    start(&*store, "order-1").await;
}

/// A run is created once: its creation, asked for again, is refused and changes nothing, even after the run has ended.
pub async fn a_run_id_is_created_once(fixture: impl StoreFixture) {
    let store = fixture.store();
    let new = new_run("order-1");
    let run = commit_one(&*store, creation(&new)).await;
    let Outcome::Stored(Some(run)) = run else { panic!("refused: {run:?}") };
    let again = commit_one(&*store, creation(&new)).await;
    assert_eq!(again, Outcome::DuplicateActiveRun { run_id: run.run_id });
    let done = store_over(&*store, &run, &completed(&run)).await;
    let before = Kept::of(&*store, &[run.run_id]).await;
    let again = commit_one(&*store, creation(&new)).await;
    assert_eq!(again, Outcome::VersionConflict { actual: done.version });
    let other_key = Record { foreign_id: crate::samples::key("order-2"), ..new };
    let again = commit_one(&*store, creation(&other_key)).await;
    assert_eq!(again, Outcome::VersionConflict { actual: done.version });
    assert_eq!(Kept::of(&*store, &[run.run_id]).await, before);
}
