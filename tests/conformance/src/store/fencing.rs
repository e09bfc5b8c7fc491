//! A deposed owner stores nothing.

use std::sync::Arc;

use tokio::task::JoinSet;
use workflow_core::Epoch;
use workflow_core::adapter::{EpochClaim, Outcome, Store};

use super::StoreFixture;
use crate::samples::{commit_one, fence, role, start, stepped, store_over, update, version};
use crate::waiting::eventually;

/// A change under a lower epoch than its role has is refused; the others of its commit are not.
pub async fn fenced(fixture: impl StoreFixture) {
    let store = fixture.store();
    let (one, two) = (start(&*store, "one").await, start(&*store, "two").await);
    let old = store.register(&role(1), EpochClaim::Next).await.unwrap().unwrap();
    let mut change = update(&one, &stepped(&one, 2));
    change.fence = Some(fence(&role(1), old));
    let Outcome::Stored(Some(one)) = commit_one(&*store, change).await else { panic!("the owner may store") };

    let new = fixture.second().await.register(&role(1), EpochClaim::Next).await.unwrap().unwrap();
    assert!(new > old);
    let mut late = update(&one, &stepped(&one, 3));
    late.fence = Some(fence(&role(1), old));
    let mut owned = update(&two, &stepped(&two, 3));
    owned.fence = Some(fence(&role(1), new));
    let outcomes = store.commit(vec![late, owned], Vec::new()).await.unwrap();
    assert_eq!(outcomes[0], Outcome::SupersededEpoch { current: new });
    assert!(matches!(outcomes[1], Outcome::Stored(Some(_))), "{:?}", outcomes[1]);
    store_over(&*store, &one, &stepped(&one, 4)).await;
}

/// `Next` gives one more than there is; `At` takes the scheduler's number, and `None` if it is not higher.
pub async fn epochs_rise_by_claim(fixture: impl StoreFixture) {
    let store = fixture.store();
    let register = async |claim| store.register(&role(1), claim).await.unwrap().map(Epoch::get);
    assert_eq!(register(EpochClaim::Next).await, Some(1));
    assert_eq!(register(EpochClaim::Next).await, Some(2));
    assert_eq!(register(EpochClaim::At(Epoch::new(50))).await, Some(50));
    assert_eq!(register(EpochClaim::At(Epoch::new(50))).await, None);
    assert_eq!(register(EpochClaim::At(Epoch::new(7))).await, None);
    assert_eq!(register(EpochClaim::Next).await, Some(51));
    assert_eq!(store.register(&role(2), EpochClaim::At(Epoch::new(3))).await.unwrap(), Some(Epoch::new(3)));
}

/// Registering one role deposes nobody of another, and an unregistered role refuses nothing.
pub async fn a_fence_holds_its_own_role_alone(fixture: impl StoreFixture) {
    let store = fixture.store();
    let run = start(&*store, "one").await;
    let own = store.register(&role(1), EpochClaim::Next).await.unwrap().unwrap();
    store.register(&role(2), EpochClaim::At(Epoch::new(900))).await.unwrap();
    let mut change = update(&run, &stepped(&run, 2));
    change.fence = Some(fence(&role(1), own));
    let Outcome::Stored(Some(run)) = commit_one(&*store, change).await else { panic!("the owner may store") };
    let mut change = update(&run, &stepped(&run, 3));
    change.fence = Some(fence(&role(3), Epoch::new(1)));
    assert!(matches!(commit_one(&*store, change).await, Outcome::Stored(Some(_))));
}

/// Goal: once `register` has answered, nothing under the lower epoch is stored, however many commits are under way.
/// Method: four owners store without a pause; what is stored when the new owner has registered is all there ever is.
pub async fn nothing_is_stored_under_a_lower_epoch_after_register(fixture: impl StoreFixture) {
    const OWNERS: usize = 4;
    let (store, other) = (fixture.store(), fixture.second().await);
    let old = store.register(&role(1), EpochClaim::Next).await.unwrap().unwrap();
    let (mut runs, mut owners) = (Vec::new(), JoinSet::new());
    for number in 0..OWNERS {
        let mut record = start(&*store, &format!("order-{number}")).await;
        runs.push(record.run_id);
        let store = Arc::clone(&store);
        owners.spawn(async move {
            loop {
                // A store in memory never waits by itself, and each owner is to have its turn.
                tokio::task::yield_now().await;
                let mut change = update(&record, &stepped(&record, 2));
                change.fence = Some(fence(&role(1), old));
                match commit_one(&*store, change).await {
                    Outcome::Stored(Some(stored)) => record = stored,
                    refusal => return (record.version, refusal),
                }
            }
        });
    }
    let versions = async || -> Vec<_> {
        let found = other.lookup(&runs).await.unwrap();
        found.into_iter().map(|found| found.unwrap().unwrap().version).collect()
    };
    eventually("each owner has stored something", async || {
        versions().await.iter().all(|stored| *stored > version(3))
    })
    .await;
    let new = other.register(&role(1), EpochClaim::Next).await.unwrap().unwrap();
    let at_once = versions().await;
    let mut lasts = Vec::new();
    for (last, refusal) in owners.join_all().await {
        assert_eq!(refusal, Outcome::SupersededEpoch { current: new });
        lasts.push(last);
    }
    let afterwards = versions().await;
    assert_eq!(at_once, afterwards, "something was stored under the lower epoch");
    assert_eq!(
        {
            lasts.sort();
            lasts
        },
        {
            let mut all = afterwards;
            all.sort();
            all
        }
    );
}

/// Of many that register at the same moment, each gets an epoch of its own, and they are dense.
pub async fn a_role_is_registered_once_at_each_epoch(fixture: impl StoreFixture) {
    const CALLERS: u64 = 32;
    let handles = [fixture.store(), fixture.second().await];
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let store = Arc::clone(&handles[(caller % 2) as usize]);
        callers
            .spawn(async move { store.register(&role(1), EpochClaim::Next).await.unwrap().unwrap().get() });
    }
    let mut epochs = callers.join_all().await;
    epochs.sort_unstable();
    assert_eq!(epochs, (1..=CALLERS).collect::<Vec<_>>());
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let store = Arc::clone(&handles[(caller % 2) as usize]);
        let claim = EpochClaim::At(Epoch::new(1000));
        callers.spawn(async move { store.register(&role(1), claim).await.unwrap() });
    }
    let owners = callers.join_all().await;
    assert_eq!(owners.into_iter().flatten().collect::<Vec<_>>(), [Epoch::new(1000)]);
}
