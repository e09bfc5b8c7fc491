//! The suite of [`RelayStore`]: the outbox by shards.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use workflow_core::adapter::{EpochClaim, RelayStore, ShardPage, Span, Store, UnderWay};
use workflow_core::{EventId, GroupName, RunId, Shard, encode_outbox};

pub use crate::store::StoreFixture;

use crate::samples::{dead_letter, event_of, new_run, outbox_rows, start, stepped, store_over};
use crate::store::Planted;
use crate::waiting::eventually;

fn shards(of: u32) -> Vec<Shard> {
    Shard::all(NonZeroU32::new(of).unwrap()).collect()
}

/// The ids of a shard, read in pages of three, each with its run.
async fn read(store: &impl RelayStore, shard: Shard) -> Vec<(Arc<str>, Option<RunId>)> {
    let mut rows: Vec<(Arc<str>, Option<RunId>)> = Vec::new();
    loop {
        let after = rows.last().map(|row| Arc::clone(&row.0));
        let page = store.shard_page(shard, after.as_deref(), 3, &UnderWay::default()).await.unwrap();
        let run = |event: &(EventId, Arc<workflow_core::Event>)| event.1.run_id;
        rows.extend(page.rows.iter().map(|row| (Arc::clone(&row.id), row.event.as_ref().ok().map(run))));
        if !page.more {
            return rows;
        }
    }
}

async fn ids(store: &impl RelayStore, shard: Shard) -> Vec<Arc<str>> {
    read(store, shard).await.into_iter().map(|row| row.0).collect()
}

fn planted(id: String) -> Planted {
    Planted { id, workflow_name: "orders".to_owned(), data: Some(Bytes::from_static(b"\xff")) }
}

/// Each row is in exactly one shard, and all rows of a run in that of its bucket.
pub async fn each_row_is_in_one_shard<F: StoreFixture<Store: RelayStore>>(fixture: F) {
    let store = fixture.store();
    for number in 0..12 {
        let run = start(&*store, &format!("order-{number}")).await;
        store_over(&*store, &run, &stepped(&run, 2)).await;
    }
    let all: BTreeSet<Arc<str>> = outbox_rows(&*store, 100).await.into_iter().map(|row| row.id).collect();
    for of in [1, 2, 3, 7] {
        let (mut seen, mut homes) = (BTreeSet::new(), HashMap::new());
        for shard in shards(of) {
            let rows = read(&*store, shard).await;
            assert!(rows.is_sorted_by(|one, next| one.0 < next.0), "they are in the order of their ids");
            for (id, run) in rows {
                let run = run.unwrap();
                assert!(shard.has_bucket(run.bucket()) && *homes.entry(run).or_insert(shard) == shard);
                assert!(seen.insert(id), "it is in two shards");
            }
        }
        assert_eq!(seen, all, "{of} shards");
    }
}

/// A page leaves out what is under way, and says where the next one begins all the same.
pub async fn rows_under_way_are_left_out<F: StoreFixture<Store: RelayStore>>(fixture: F) {
    let store = fixture.store();
    for number in 0..5 {
        start(&*store, &format!("order-{number}")).await;
    }
    let all = ids(&*store, Shard::WHOLE).await;
    let under_way = UnderWay::default();
    [0, 2, 4].iter().for_each(|number: &usize| under_way.insert(Arc::clone(&all[*number])));
    let of = |page: &ShardPage| page.rows.iter().map(|row| Arc::clone(&row.id)).collect::<Vec<_>>();
    let first = store.shard_page(Shard::WHOLE, None, 3, &under_way).await.unwrap();
    assert_eq!(
        (of(&first), &first.last, first.more),
        (vec![Arc::clone(&all[1])], &Some(Arc::clone(&all[2])), true)
    );
    let rest = store.shard_page(Shard::WHOLE, first.last.as_deref(), 3, &under_way).await.unwrap();
    assert_eq!(
        (of(&rest), &rest.last, rest.more),
        (vec![Arc::clone(&all[3])], &Some(Arc::clone(&all[4])), false)
    );
    under_way.remove(&all[0]);
    let again = store.shard_page(Shard::WHOLE, None, 3, &under_way).await.unwrap();
    assert_eq!(of(&again), all[..2], "what is not under way any more is there again");
}

/// A row without a bucket belongs to the first shard, whether it can be read or not.
pub async fn a_row_without_bucket_is_of_the_first_shard<F: StoreFixture<Store: RelayStore>>(fixture: F) {
    let store = fixture.store();
    let run = new_run("order-1");
    let (good, bad) = (EventId::after(None).to_string(), "outbox-id-zzz".to_owned());
    let data = Some(Bytes::from(encode_outbox(&event_of(&run))));
    let good_row = Planted { id: good.clone(), workflow_name: "orders".to_owned(), data };
    if !fixture.plant(good_row).await || !fixture.plant(planted(bad.clone())).await {
        return;
    }
    for of in [1, 2, 5] {
        let shards = shards(of);
        assert_eq!(
            read(&*store, shards[0]).await,
            [(good.as_str().into(), Some(run.run_id)), (bad.as_str().into(), None)]
        );
        for other in &shards[1..] {
            assert!(ids(&*store, *other).await.is_empty());
        }
        assert_eq!(store.depth(shards[0]).await.unwrap().rows, 2);
    }
    store.forget(shards(2)[0], vec![good.into(), bad.into()], Span::Whole).await.unwrap();
    assert!(ids(&*store, Shard::WHOLE).await.is_empty());
}

/// What was stored between the rows that go, after those were read, stays; so do the rows of other shards.
pub async fn only_those_named<F: StoreFixture<Store: RelayStore>>(fixture: F) {
    let store = fixture.store();
    let first = start(&*store, "order-1").await;
    let late = EventId::after(first.last_event_id).to_string();
    for number in 2..40 {
        start(&*store, &format!("order-{number}")).await;
    }
    let [one, other] = <[Shard; 2]>::try_from(shards(2)).unwrap();
    let (ours, theirs) = (ids(&*store, one).await, ids(&*store, other).await);
    let was_planted = fixture.plant(planted(late.clone())).await;
    store.forget(one, ours.clone(), Span::Whole).await.unwrap();
    let left: Vec<Arc<str>> = was_planted.then(|| late.as_str().into()).into_iter().collect();
    assert_eq!(
        ids(&*store, one).await,
        left,
        "a row that came later was deleted, or one that was named was not"
    );
    assert_eq!(ids(&*store, other).await, theirs);
    let (gone, stay): (Vec<_>, Vec<_>) =
        theirs.into_iter().enumerate().partition(|(place, _)| place % 2 == 0);
    let gone = gone.into_iter().map(|(_, id)| id).collect();
    store.forget(other, gone, Span::Scattered).await.unwrap();
    let stay: Vec<Arc<str>> = stay.into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids(&*store, other).await, stay);
}

/// To forget what is gone, or to forget nothing, is no error.
pub async fn gone_is_gone<F: StoreFixture<Store: RelayStore>>(fixture: F) {
    let store = fixture.store();
    for number in 0..4 {
        start(&*store, &format!("order-{number}")).await;
    }
    let all = ids(&*store, Shard::WHOLE).await;
    for span in [Span::Whole, Span::Scattered] {
        store.forget(Shard::WHOLE, Vec::new(), span).await.unwrap();
        store.forget(Shard::WHOLE, all[1..3].to_vec(), span).await.unwrap();
        assert_eq!(ids(&*store, Shard::WHOLE).await, [Arc::clone(&all[0]), Arc::clone(&all[3])]);
    }
    store.forget(Shard::WHOLE, all, Span::Whole).await.unwrap();
    assert!(ids(&*store, Shard::WHOLE).await.is_empty());
}

/// A row that is set aside is a dead letter with its reason and bytes, and no outbox row; doing it twice changes nothing.
pub async fn rows_are_set_aside<F: StoreFixture<Store: RelayStore>>(fixture: F) {
    let store = fixture.store();
    let run = start(&*store, "order-1").await;
    start(&*store, "order-2").await;
    let letter = dead_letter(&run, &run.last_event_id.unwrap().to_string());
    for _ in 0..2 {
        store.set_aside(vec![letter.clone()]).await.unwrap();
        assert_eq!(ids(&*store, Shard::WHOLE).await.len(), 1);
        let letters = store.dead_letters(10).await.unwrap();
        assert_eq!((letters.len(), &letters[0].reason, &letters[0].data), (1, &letter.reason, &letter.data));
    }
}

/// The depth counts the rows of a shard, and tells how long the oldest has waited.
pub async fn the_depth_of_a_shard<F: StoreFixture<Store: RelayStore>>(fixture: F) {
    let store = fixture.store();
    let nothing = store.depth(Shard::WHOLE).await.unwrap();
    assert_eq!((nothing.rows, nothing.more, nothing.oldest), (0, false, None));
    for number in 0..10 {
        start(&*store, &format!("order-{number}")).await;
    }
    let counted = store.depth(Shard::WHOLE).await.unwrap();
    assert_eq!((counted.rows, counted.more), (10, false));
    assert!(counted.oldest.unwrap().as_secs() < 60, "{counted:?}");
    let mut sum = 0;
    for shard in shards(3) {
        sum += store.depth(shard).await.unwrap().rows;
    }
    assert_eq!(sum, 10);
    eventually("the oldest row grows older", async || {
        store.depth(Shard::WHOLE).await.unwrap().oldest.unwrap().as_millis() >= 5
    })
    .await;
}

/// One relay at a time has the whole outbox; an engine on the same store is not in its way, and a lease that is dropped
/// makes room.
pub async fn one_alone<F: StoreFixture<Store: RelayStore>>(fixture: F) {
    let (store, other) = (fixture.store(), fixture.second().await);
    let lease = store.claim_alone().await.unwrap().expect("nobody has it");
    assert!(store.claim_alone().await.unwrap().is_none() && other.claim_alone().await.unwrap().is_none());
    start(&*other, "order-1").await;
    assert!(!lease.lost.is_cancelled());
    drop(lease);
    eventually("another relay has the outbox", async || other.claim_alone().await.unwrap().is_some()).await;
}

/// Doorbells are kept by role, the last one of each, and do not touch its epoch.
pub async fn doorbells_are_kept_by_role<F: StoreFixture<Store: RelayStore>>(fixture: F) {
    let (store, other) = (fixture.store(), fixture.second().await);
    let roles: Vec<_> = shards(2).into_iter().map(|shard| GroupName::of_relay().role(shard)).collect();
    assert!(store.doorbells().await.unwrap().is_empty());
    let epoch = store.register(&roles[0], EpochClaim::Next).await.unwrap();
    store.announce(&roles[0], Some("127.0.0.1:1 a")).await.unwrap();
    store.announce(&roles[1], Some("127.0.0.1:2 b")).await.unwrap();
    store.announce(&roles[0], Some("127.0.0.1:3 c")).await.unwrap();
    let mut found = other.doorbells().await.unwrap();
    found.sort();
    assert_eq!(found, ["127.0.0.1:2 b", "127.0.0.1:3 c"]);
    let next = other.register(&roles[0], EpochClaim::Next).await.unwrap();
    assert_eq!(next.unwrap().get(), epoch.unwrap().get() + 1);
    store.announce(&roles[0], None).await.unwrap();
    assert_eq!(other.doorbells().await.unwrap(), ["127.0.0.1:2 b"]);
}

/// Makes a test of every function of the suite of relays' stores, for one [`StoreFixture`](crate::store::StoreFixture).
#[macro_export]
macro_rules! relay_suite {
    ($fixture:ty) => {
        $crate::suite_tests! { relay, StoreFixture, $fixture, [
            each_row_is_in_one_shard,
            rows_under_way_are_left_out,
            a_row_without_bucket_is_of_the_first_shard,
            only_those_named,
            gone_is_gone,
            rows_are_set_aside,
            the_depth_of_a_shard,
            one_alone,
            doorbells_are_kept_by_role,
        ] }
    };
}
