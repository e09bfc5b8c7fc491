//! Effects alone, acks, and large commits.

use workflow_core::adapter::{Effect, Outcome, Store};
use workflow_core::{Due, EventId, RunId};

use super::StoreFixture;
use crate::kept::Kept;
use crate::samples::{
    ack_all, callback, commit_one, creation, dead_letter, effects, effects_at, found, new_run, outbox_rows,
    slot, start, stepped, store_over, timer, update, version,
};

/// A change of effects alone stores them and leaves the record as it was: version, times, event.
pub async fn effects_alone_leave_the_record_alone(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    let due_now = Due::In(std::time::Duration::ZERO);
    let change = effects_at(&run, vec![timer(&run, "0", due_now), Effect::PutCallback(callback(1, "a"))]);
    assert_eq!(commit_one(&*store, change).await, Outcome::Stored(None));
    let kept = Kept::of(&*store, &[run.run_id]).await;
    assert_eq!(kept.records, [Some((*run).clone())]);
    assert_eq!((kept.timers.len(), kept.inbox.len()), (1, 1));
    assert_eq!((kept.history.len(), kept.outbox.len()), (1, 1));
}

/// A change of effects alone is refused if the run is at another version or is not there.
pub async fn effects_alone_are_refused_at_another_version(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    store_over(&*store, &run, &stepped(&run, 2)).await;
    let late = effects_at(&run, vec![Effect::TakeSlot(slot(1))]);
    assert_eq!(commit_one(&*store, late).await, Outcome::VersionConflict { actual: version(2) });
    let missing = effects_at(&new_run("order-2"), vec![Effect::TakeSlot(slot(1))]);
    assert_eq!(commit_one(&*store, missing).await, Outcome::Missing);
    assert_eq!(store.last_slot(&slot(0)).await.unwrap(), None);
}

/// Effects that expect nothing are stored whether the run is there or not, and whatever its version is.
pub async fn effects_that_expect_nothing_need_no_run(fixture: impl StoreFixture) {
    let store = fixture.store();
    let unknown = new_run("order-1");
    let letter = Effect::PutDeadLetter(dead_letter(&unknown, "letter-1"));
    assert_eq!(commit_one(&*store, effects(unknown.run_id, vec![letter])).await, Outcome::Stored(None));
    assert_eq!(store.dead_letters(10).await.unwrap().len(), 1);
    assert_eq!(found(&*store, unknown.run_id).await, None);
}

/// A commit of nothing is answered with nothing.
pub async fn an_empty_commit_is_answered(fixture: impl StoreFixture) {
    let store = fixture.store();
    assert_eq!(store.commit(Vec::new(), Vec::new()).await.unwrap(), []);
    let run = start(&*store, "order-1").await;
    let nothing = effects_at(&run, Vec::new());
    assert_eq!(commit_one(&*store, nothing).await, Outcome::Stored(None));
}

/// Acked outbox rows are deleted even if every change of the commit is refused.
pub async fn acked_rows_go_even_if_a_change_is_refused(fixture: impl StoreFixture) {
    let store = fixture.store();
    let (one, two) = (start(&*store, "one").await, start(&*store, "two").await);
    let refused = creation(&new_run("one"));
    let outcomes = store.commit(vec![refused], vec![one.last_event_id.unwrap()]).await.unwrap();
    assert_eq!(outcomes, [Outcome::DuplicateActiveRun { run_id: one.run_id }]);
    let left = outbox_rows(&*store, 10).await;
    assert_eq!(left.len(), 1);
    assert_eq!(*left[0].id, two.last_event_id.unwrap().to_string());
}

/// Acking a row that is not there, or twice, changes nothing.
pub async fn acking_what_is_gone_is_no_error(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    let unknown = EventId::after(run.last_event_id);
    let acked = vec![unknown, run.last_event_id.unwrap(), run.last_event_id.unwrap()];
    assert_eq!(store.commit(Vec::new(), acked.clone()).await.unwrap(), []);
    assert_eq!(store.commit(Vec::new(), acked).await.unwrap(), []);
    assert!(outbox_rows(&*store, 10).await.is_empty());
    assert_eq!(found(&*store, run.run_id).await, Some(run));
}

/// Three thousand changes are one commit, each with its answer, its event and its history.
pub async fn three_thousand_changes_are_one_commit(fixture: impl StoreFixture) {
    const RUNS: usize = 3000;
    let store = fixture.store();
    let news: Vec<_> = (0..RUNS).map(|number| new_run(&format!("order-{number}"))).collect();
    let created = store.commit(news.iter().map(creation).collect(), Vec::new()).await.unwrap();
    let records: Vec<_> = created
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::Stored(Some(record)) => record,
            refused => panic!("refused: {refused:?}"),
        })
        .collect();
    let runs: Vec<RunId> = news.iter().map(|record| record.run_id).collect();
    assert_eq!(records.iter().map(|record| record.run_id).collect::<Vec<_>>(), runs);
    assert_eq!(outbox_rows(&*store, 700).await.len(), RUNS);
    ack_all(&*store).await;

    let moves = records.iter().map(|record| update(record, &stepped(record, 2))).collect();
    let moved = store.commit(moves, Vec::new()).await.unwrap();
    assert_eq!(moved.iter().filter(|each| matches!(each, Outcome::Stored(Some(_)))).count(), RUNS);
    let found = store.lookup(&runs).await.unwrap();
    assert!(found.into_iter().all(|found| found.unwrap().unwrap().version == version(2)));
    let entered: Vec<_> = runs.iter().map(|run_id| (*run_id, crate::samples::status(2))).collect();
    assert_eq!(store.entered(&entered).await.unwrap(), vec![true; RUNS]);
    assert_eq!(outbox_rows(&*store, 700).await.len(), RUNS);
}
