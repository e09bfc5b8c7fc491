//! A change is made whole or not at all.

use workflow_core::adapter::{Change, Effect, EpochClaim, Outcome, Store};
use workflow_core::{Due, Record, RunId};

use super::StoreFixture;
use crate::kept::Kept;
use crate::samples::{
    callback, commit_one, completed, creation, dead_letter, effects_at, far_future, fence, found, new_run,
    new_run_of, orders, retry_row, role, slot, start, start_as, start_key, status, stepped, store_over,
    timer, timer_key, update, version, workflow,
};
use crate::waiting::eventually;

/// Everything that a change names is stored.
pub async fn atomic_change(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    let next = stepped(&run, 2);
    let outcome = commit_one(&*store, with_every_effect(update(&run, &next), &next, 1)).await;
    let Outcome::Stored(Some(stored)) = outcome else { panic!("refused: {outcome:?}") };
    let kept = Kept::of(&*store, &[run.run_id]).await;
    assert_eq!(kept.records, [Some((*stored).clone())]);
    assert_eq!(
        Record { created_at: next.created_at, updated_at: next.updated_at, ..(*stored).clone() },
        next
    );
    assert_eq!(kept.history.iter().map(|entry| entry.version.get()).collect::<Vec<_>>(), [1, 2]);
    let events = [&*run, &next].map(|record| record.last_event_id.unwrap().to_string());
    assert_eq!(kept.outbox, events);
    assert_eq!(kept.timers.len(), 1);
    assert_eq!(kept.timers[0].key, timer_key(&next, "1"));
    assert_eq!(kept.retries.len(), 1);
    assert_eq!(kept.inbox, [callback(1, "1")]);
    assert_eq!(kept.dead_letters.len(), 1);
    assert_eq!(kept.last_slot, Some(slot(1).slot));
}

/// Adds one effect of each kind that stores something, told apart by a number.
fn with_every_effect(mut change: Change, record: &Record, number: i64) -> Change {
    let name = number.to_string();
    change.effects = vec![
        timer(record, &name, Due::In(std::time::Duration::ZERO)),
        Effect::PutRetry(retry_row(record, &name, Some(Due::In(std::time::Duration::ZERO)))),
        Effect::PutDeadLetter(dead_letter(record, &name)),
        Effect::TakeSlot(slot(number)),
        Effect::PutCallback(callback(1, &name)),
    ];
    change
}

/// Whatever a change is refused for, nothing of it is stored: no outbox row, no history, no effect.
pub async fn a_refused_change_leaves_no_trace(fixture: impl StoreFixture) {
    let store = fixture.store();
    let mut keyed = new_run("order-1");
    keyed.start_key = Some(start_key("first"));
    let run = start_as(&*store, &keyed).await;
    let taken = vec![Effect::TakeSlot(slot(77)), Effect::PutCallback(callback(1, "77"))];
    commit_one(&*store, effects_at(&run, taken)).await;
    let old = store.register(&role(1), EpochClaim::Next).await.unwrap().unwrap();
    let new = store.register(&role(1), EpochClaim::Next).await.unwrap().unwrap();

    let next = stepped(&run, 2);
    let stale = Record { version: version(7), ..(*run).clone() };
    let unknown = new_run("order-2");
    let mut same_key = new_run("order-3");
    same_key.start_key = keyed.start_key.clone();
    let second = new_run("order-1");
    let mut deposed = update(&run, &next);
    deposed.fence = Some(fence(&role(1), old));
    let mut taken_slot = with_every_effect(update(&run, &next), &next, 8);
    taken_slot.effects.push(Effect::TakeSlot(slot(77)));
    let mut taken_callback = with_every_effect(update(&run, &next), &next, 9);
    taken_callback.effects.push(Effect::PutCallback(callback(1, "77")));

    let refusals = [
        (with_every_effect(update(&stale, &next), &next, 1), Outcome::VersionConflict { actual: version(1) }),
        (
            with_every_effect(effects_at(&stale, Vec::new()), &run, 2),
            Outcome::VersionConflict { actual: version(1) },
        ),
        (with_every_effect(update(&unknown, &stepped(&unknown, 2)), &unknown, 3), Outcome::Missing),
        (with_every_effect(effects_at(&unknown, Vec::new()), &unknown, 4), Outcome::Missing),
        (
            with_every_effect(creation(&same_key), &same_key, 5),
            Outcome::DuplicateStartKey { run_id: run.run_id },
        ),
        (
            with_every_effect(creation(&second), &second, 6),
            Outcome::DuplicateActiveRun { run_id: run.run_id },
        ),
        (with_every_effect(deposed, &next, 7), Outcome::SupersededEpoch { current: new }),
        (taken_slot, Outcome::DuplicateKey),
        (taken_callback, Outcome::DuplicateKey),
    ];
    let runs: Vec<RunId> = vec![run.run_id, unknown.run_id, same_key.run_id, second.run_id];
    let before = Kept::of(&*store, &runs).await;
    for (change, refusal) in refusals {
        assert_eq!(commit_one(&*store, change).await, refusal);
        assert_eq!(
            Kept::of(&*store, &runs).await,
            before,
            "a change left a trace that was refused: {refusal:?}"
        );
    }
}

/// A slot or callback key that is named by a refused change is free for the next change of the same commit.
pub async fn a_refused_change_takes_no_key(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    let (second, third) = (new_run("order-1"), new_run("order-3"));
    let mut refused = creation(&second);
    refused.effects = vec![Effect::TakeSlot(slot(5))];
    let mut made = creation(&third);
    made.effects = vec![Effect::TakeSlot(slot(5))];
    let mut stale = update(&Record { version: version(3), ..(*run).clone() }, &stepped(&run, 2));
    stale.effects = vec![Effect::PutCallback(callback(1, "a"))];
    let noted = crate::samples::effects(run.run_id, vec![Effect::PutCallback(callback(1, "a"))]);
    let outcomes = store.commit(vec![refused, made, stale, noted], Vec::new()).await.unwrap();
    assert_eq!(outcomes[0], Outcome::DuplicateActiveRun { run_id: run.run_id });
    assert!(matches!(outcomes[1], Outcome::Stored(Some(_))), "{:?}", outcomes[1]);
    assert_eq!(outcomes[2], Outcome::VersionConflict { actual: version(1) });
    assert_eq!(outcomes[3], Outcome::Stored(None));
    assert_eq!(store.last_slot(&slot(0)).await.unwrap(), Some(slot(5).slot));
    assert_eq!(store.inbox(run.run_id, status(1)).await.unwrap(), [callback(1, "a")]);
}

/// A refused change of a commit does not hold up the others; answers are in the order asked.
pub async fn independent_changes(fixture: impl StoreFixture) {
    let store = fixture.store();
    let (one, two) = (start(&*store, "one").await, start(&*store, "two").await);
    let (second_of_one, three, unknown) = (new_run("one"), new_run("three"), new_run("unknown"));
    let stale = Record { version: version(5), ..(*two).clone() };
    let changes = vec![
        update(&stale, &stepped(&stale, 2)),
        creation(&three),
        update(&unknown, &stepped(&unknown, 2)),
        update(&one, &stepped(&one, 2)),
        creation(&second_of_one),
        update(&two, &completed(&two)),
    ];
    let outcomes = store.commit(changes, Vec::new()).await.unwrap();
    assert_eq!(outcomes.len(), 6);
    assert_eq!(outcomes[0], Outcome::VersionConflict { actual: version(1) });
    assert!(matches!(&outcomes[1], Outcome::Stored(Some(stored)) if stored.run_id == three.run_id));
    assert_eq!(outcomes[2], Outcome::Missing);
    assert!(matches!(&outcomes[3], Outcome::Stored(Some(stored)) if stored.run_id == one.run_id));
    assert_eq!(outcomes[4], Outcome::DuplicateActiveRun { run_id: one.run_id });
    assert!(matches!(&outcomes[5], Outcome::Stored(Some(stored)) if stored.run_id == two.run_id));
    assert_eq!(found(&*store, one.run_id).await.unwrap().version, version(2));
    assert_eq!(found(&*store, two.run_id).await.unwrap().status, status(9));
    assert_eq!(found(&*store, unknown.run_id).await, None);
    assert_eq!(found(&*store, second_of_one.run_id).await, None);
}

/// Changes of one run in one commit are made one after the other, in the order asked.
pub async fn changes_of_one_run_are_made_in_order(fixture: impl StoreFixture) {
    let store = fixture.store();
    let first = new_run("order-1");
    let (second, rival) = (stepped(&first, 2), stepped(&first, 5));
    let third = stepped(&second, 3);
    let changes = vec![
        creation(&first),
        update(&first, &second),
        update(&first, &rival),
        update(&second, &third),
        effects_at(&third, vec![timer(&third, "0", Due::At(far_future()))]),
        effects_at(&second, vec![Effect::TakeSlot(slot(1))]),
    ];
    let outcomes = store.commit(changes, Vec::new()).await.unwrap();
    let stored: Vec<bool> = outcomes.iter().map(|each| matches!(each, Outcome::Stored(_))).collect();
    assert_eq!(stored, [true, true, false, true, true, false]);
    assert_eq!(outcomes[2], Outcome::VersionConflict { actual: version(2) });
    assert_eq!(outcomes[5], Outcome::VersionConflict { actual: version(3) });
    let kept = Kept::of(&*store, &[first.run_id]).await;
    assert_eq!(kept.history.iter().map(|entry| entry.to_status.get()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(kept.outbox.len(), 3);
    assert_eq!(kept.last_slot, None);
}

/// A commit that ends a run and, after it, creates the next one of the same foreign id stores both.
pub async fn a_finished_run_makes_room_in_the_same_commit(fixture: impl StoreFixture) {
    let store = fixture.store();
    let old = start(&*store, "order-1").await;
    let new = new_run("order-1");
    let outcomes =
        store.commit(vec![update(&old, &completed(&old)), creation(&new)], Vec::new()).await.unwrap();
    assert!(outcomes.iter().all(|each| matches!(each, Outcome::Stored(Some(_)))), "{outcomes:?}");
    let latest = store.latest(&orders(), &new.foreign_id).await.unwrap().unwrap();
    assert_eq!(latest.run_id, new.run_id);
}

/// No reader sees a part of a commit: while commits move two runs together, a lookup of both finds them at one version.
pub async fn a_commit_is_seen_whole(fixture: impl StoreFixture) {
    const MOVES: u64 = 60;
    let (store, reader) = (fixture.store(), fixture.second().await);
    let pair = [start(&*store, "one").await, start_as(&*store, &new_run_of(workflow("other"), "two")).await];
    let runs = [pair[0].run_id, pair[1].run_id];
    let writing = tokio::spawn(async move {
        let [mut one, mut two] = pair;
        for _ in 0..MOVES {
            let changes = vec![update(&one, &stepped(&one, 2)), update(&two, &stepped(&two, 2))];
            let outcomes = store.commit(changes, Vec::new()).await.unwrap();
            let [Outcome::Stored(Some(first)), Outcome::Stored(Some(second))] = &outcomes[..] else {
                panic!("refused: {outcomes:?}")
            };
            (one, two) = (first.clone(), second.clone());
        }
        store_over(&*store, &one, &completed(&one)).await;
    });
    eventually("the last version is seen", async || {
        let found = reader.lookup(&runs).await.unwrap();
        let versions: Vec<u64> =
            found.into_iter().map(|found| found.unwrap().unwrap().version.get()).collect();
        let over = versions[0] == MOVES + 2;
        assert!(over || versions[0] == versions[1], "a part of a commit was seen: {versions:?}");
        over
    })
    .await;
    writing.await.unwrap();
}
