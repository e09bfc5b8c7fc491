//! Dead letters, and the scrubbing of what is left of a run's data.

use bytes::Bytes;
use workflow_core::adapter::{DeadLetter, Effect, Store};
use workflow_core::{Move, Record, Transition, apply};

use super::StoreFixture;
use crate::kept::Kept;
use crate::samples::{
    callback, commit_stored, completed, dead_letter, effects, moved, new_run, retry_key, retry_row, start,
    store_over, take_effect, update,
};
use crate::waiting::tick;

/// Dead letters are kept as they were put, once by their id, oldest first.
pub async fn dead_letters_are_kept_oldest_first(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    for id in ["c", "a", "b"] {
        take_effect(&*store, &run, vec![Effect::PutDeadLetter(dead_letter(&run, id))]).await;
        tick(&*store).await;
    }
    let second = DeadLetter { reason: "another".into(), ..dead_letter(&run, "a") };
    take_effect(&*store, &run, vec![Effect::PutDeadLetter(second)]).await;
    let letters = store.dead_letters(10).await.unwrap();
    let expected = ["c", "a", "b"].map(|id| dead_letter(&run, id));
    let undated: Vec<_> = letters
        .iter()
        .cloned()
        .map(|each| DeadLetter { created_at: expected[0].created_at, ..each })
        .collect();
    assert_eq!(undated, expected);
    assert!(letters.is_sorted_by_key(|letter| letter.created_at));
    let two = store.dead_letters(2).await.unwrap();
    assert_eq!(two, letters[..2]);
}

/// What concerns no run that is known is set aside too.
pub async fn dead_letters_need_no_run(fixture: impl StoreFixture) {
    let store = fixture.store();
    let letter = DeadLetter {
        run_id: None,
        version: None,
        workflow_name: "".into(),
        ..dead_letter(&new_run("none"), "outbox-id-of nobody's")
    };
    commit_stored(&*store, effects(new_run("none").run_id, vec![Effect::PutDeadLetter(letter.clone())]))
        .await;
    let kept = store.dead_letters(10).await.unwrap().remove(0);
    assert_eq!(DeadLetter { created_at: letter.created_at, ..kept }, letter);
}

/// Scrubbing replaces the snapshots in the history by the object as it is stored now, and deletes callbacks and dead
/// letters of the run, and of no other.
pub async fn scrubbing_replaces_snapshots_and_deletes_payloads(fixture: impl StoreFixture) {
    let store = fixture.store();
    let with_data = async |foreign_id: &str| {
        let run = start(&*store, foreign_id).await;
        let letter = Effect::PutDeadLetter(dead_letter(&run, foreign_id));
        let retry = Effect::PutRetry(retry_row(&run, "step", None));
        take_effect(&*store, &run, vec![Effect::PutCallback(callback(1, "a")), letter, retry]).await;
        run
    };
    let (run, other) = (with_data("order-1").await, with_data("order-2").await);
    let mut bare = update(&run, &completed(&run));
    bare.history.as_mut().unwrap().object = None;
    let done = commit_stored(&*store, bare).await.unwrap();
    let wanted =
        store_over(&*store, &done, &moved(&done, Move::RequestDelete { reason: "gdpr".into() })).await;
    let before = Kept::of(&*store, &[other.run_id]).await;
    let object = Bytes::from_static(br#"{"result":"deleted"}"#);
    let gone: Record =
        apply(&wanted, Transition { to: Move::Deleted, object: Some(object.clone()) }).unwrap();
    let mut change = update(&wanted, &gone);
    change.effects = vec![Effect::Scrub];
    commit_stored(&*store, change).await;
    let kept = Kept::of(&*store, &[run.run_id]).await;
    let reasons: Vec<_> = kept.history.iter().map(|entry| &*entry.reason).collect();
    assert_eq!(reasons, ["", "", "", "gdpr"], "only why it was deleted is still told");
    let error = async |run| store.retry(&retry_key(run, "step")).await.unwrap().unwrap().last_error;
    assert_eq!((&*error(&run).await, &*error(&other).await), ("", "the card was declined"));
    let objects: Vec<_> = kept.history.iter().map(|entry| entry.object.clone()).collect();
    assert_eq!(objects, [Some(object.clone()), None, Some(object.clone()), Some(object.clone())]);
    assert_eq!(kept.records[0].as_ref().unwrap().object, object);
    assert!(kept.inbox.is_empty());
    let letters: Vec<_> = kept.dead_letters.iter().map(|letter| &*letter.id).collect();
    assert_eq!(letters, ["order-2"]);
    let after = Kept::of(&*store, &[other.run_id]).await;
    assert_eq!((after.history, after.inbox), (before.history, before.inbox));
}
