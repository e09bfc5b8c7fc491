//! The relay on a stream that obeys the test: what is published, in which order, and what becomes of the rows.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outbox_relay::{Alone, Bell, Drained, Relay, RelayMetrics, RelayOptions};
use store_sql::Sqlite;
use store_sql::sqlite::SqliteStore;
use support::{Sink, eventually, is_empty};
use telemetry::{Telemetry, TelemetryConfig};
use tokio_util::sync::CancellationToken;
use workflow_conformance::samples::{new_run_of, start, start_as, stepped, store_over, workflow};
use workflow_core::adapter::{RelayStore, Store, SystemClock};
use workflow_core::memory::{InProcessScheduler, MemoryStore};
use workflow_core::{Shard, StatusCode, Topic};

fn memory() -> MemoryStore {
    MemoryStore::new(Arc::new(SystemClock::new()))
}

fn quick() -> RelayOptions {
    RelayOptions { page: 7, back_off_min: Duration::from_millis(1), ..RelayOptions::default() }
}

fn relay<S: RelayStore>(store: S, sink: &Sink) -> Relay<S, Sink, InProcessScheduler> {
    Relay::new(store, sink.clone(), InProcessScheduler::new(), RelayMetrics::new()).options(quick())
}

async fn sqlite() -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path().join("runs.db")).await.unwrap().store().clone();
    (folder, store)
}

/// Runs with several versions each, whose rows wait.
async fn with_backlog(store: &impl Store, runs: usize, versions: u64) {
    for number in 0..runs {
        let mut run = start(store, &format!("order-{number}")).await;
        for _ in 1..versions {
            run = store_over(store, &run, &stepped(&run, 2)).await;
        }
    }
}

async fn everything_in_order<S: RelayStore + Clone>(store: S) {
    with_backlog(&store, 30, 4).await;
    let sink = Sink::default();
    let relay = relay(store.clone(), &sink).shards(NonZeroU32::new(3).unwrap());
    assert_eq!(relay.drain(CancellationToken::new()).await, Drained::All);
    assert!(is_empty(&store).await);
    let versions = sink.versions();
    assert_eq!(versions.len(), 30);
    assert!(versions.values().all(|versions| *versions == [1, 2, 3, 4]), "{versions:?}");
    assert!(!sink.was_twice_at_once(), "two events of a run were under way at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_published_once_and_each_run_in_order() {
    everything_in_order(memory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_in_a_file_is_published_once_and_each_run_in_order() {
    let (_folder, store) = sqlite().await;
    everything_in_order(store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_topic_holds_its_own_events_alone_and_parks_none() {
    let (store, sink) = (memory(), Sink::default());
    let other = start_as(&store, &new_run_of(workflow("others"), "key-1")).await;
    let held = start(&store, "order-1").await;
    store_over(&store, &held, &stepped(&held, 2)).await;
    let topic = Topic::of_status(&held.workflow_name, StatusCode::new(1).unwrap());
    sink.set_missing(&topic, true);
    let stop = CancellationToken::new();
    let working = tokio::spawn(relay(store.clone(), &sink).run(stop.clone()));
    eventually("the other workflow's event is published", async || sink.len() == 1).await;
    assert_eq!(sink.events()[0].run_id, other.run_id, "what follows a held event does not overtake it");
    assert!(store.dead_letters(10).await.unwrap().is_empty());
    sink.set_missing(&topic, false);
    eventually("the held run's events are published", async || is_empty(&store).await).await;
    assert_eq!(sink.versions()[&held.run_id], [1, 2]);
    stop.cancel();
    assert_eq!(working.await.unwrap(), Drained::Stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_for_its_own_sake_is_a_dead_letter_and_the_rest_go_on() {
    let (store, sink) = (memory(), Sink::default());
    let bad = start(&store, "order-1").await;
    let good = start(&store, "order-2").await;
    sink.refuse(bad.run_id);
    let telemetry = Telemetry::new(&TelemetryConfig::default()).unwrap();
    let metrics = RelayMetrics::on(&telemetry.meter("outbox-relay"));
    let relay = Relay::new(store.clone(), sink.clone(), Alone::on(store.clone()), metrics.clone());
    assert_eq!(relay.drain(CancellationToken::new()).await, Drained::All);
    assert_eq!(sink.events().iter().map(|event| event.run_id).collect::<Vec<_>>(), [good.run_id]);
    let letters = store.dead_letters(10).await.unwrap();
    assert_eq!(
        (letters.len(), letters[0].run_id, &*letters[0].reason),
        (1, Some(bad.run_id), "it is too large")
    );
    assert_eq!(letters[0].version, Some(bad.version), "the reconciler finds it by its version");
    let page = telemetry.prometheus_text().unwrap();
    assert!(page.contains("workflow_outbox_dead_letters_total{shard=\"1-of-1\"} 1"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_deleted_while_the_stream_is_away() {
    let (store, sink) = (memory(), Sink::default());
    sink.set_away(true);
    with_backlog(&store, 20, 2).await;
    let telemetry = Telemetry::new(&TelemetryConfig::default()).unwrap();
    let metrics = RelayMetrics::on(&telemetry.meter("outbox-relay"));
    let (stop, scheduler) = (CancellationToken::new(), InProcessScheduler::new());
    let relay = Relay::new(store.clone(), sink.clone(), scheduler, metrics.clone()).options(quick());
    let working = tokio::spawn(relay.run(stop.clone()));
    eventually("several attempts have failed", async || {
        let text = telemetry.prometheus_text().unwrap();
        let line = text.lines().find(|line| line.contains("what=\"publish\"")).unwrap_or_default().to_owned();
        line.rsplit(' ').next().is_some_and(|count| count.parse().unwrap_or(0) >= 3)
    })
    .await;
    assert_eq!(store.outbox(None, 100).await.unwrap().rows.len(), 40);
    sink.set_away(false);
    eventually("all is published", async || is_empty(&store).await).await;
    assert!(sink.versions().values().all(|versions| *versions == [1, 2]));
    stop.cancel();
    working.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_says_that_rows_are_left() {
    let (store, sink) = (memory(), Sink::default());
    sink.set_away(true);
    start(&store, "order-1").await;
    assert_eq!(relay(store.clone(), &sink).drain(CancellationToken::new()).await, Drained::Left);
    assert!(!is_empty(&store).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_stored_beside_the_relay_is_published_once_per_version() {
    let (_folder, store) = sqlite().await;
    let (sink, stop) = (Sink::default(), CancellationToken::new());
    let working = tokio::spawn(relay(store.clone(), &sink).run(stop.clone()));
    with_backlog(&store, 40, 5).await;
    eventually("all is published", async || is_empty(&store).await).await;
    assert!(sink.versions().values().all(|versions| *versions == [1, 2, 3, 4, 5]), "{:?}", sink.versions());
    stop.cancel();
    working.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_share_the_shards_of_a_database() {
    let store = memory();
    let (scheduler, stop) = (InProcessScheduler::new(), CancellationToken::new());
    let sinks = [Sink::default(), Sink::default()];
    let relays: Vec<_> = sinks
        .iter()
        .map(|sink| {
            let relay = Relay::new(store.clone(), sink.clone(), scheduler.clone(), RelayMetrics::new());
            tokio::spawn(relay.options(quick()).shards(NonZeroU32::new(2).unwrap()).run(stop.clone()))
        })
        .collect();
    with_backlog(&store, 50, 3).await;
    eventually("all is published", async || is_empty(&store).await).await;
    let runs = |sink: &Sink| sink.versions().into_keys().map(|run| run.to_string()).collect::<BTreeSet<_>>();
    assert!(runs(&sinks[0]).is_disjoint(&runs(&sinks[1])), "both have worked on one run");
    assert_eq!(sinks[0].len() + sinks[1].len(), 150);
    stop.cancel();
    for relay in relays {
        relay.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ring_has_the_table_read_at_once() {
    let (_folder, store) = sqlite().await;
    let (sink, stop) = (Sink::default(), CancellationToken::new());
    let bell = Bell::listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let rest = Duration::from_secs(600);
    let options = RelayOptions { poll_min: rest, poll_max: rest, ..quick() };
    let working = tokio::spawn(relay(store.clone(), &sink).options(options).bell(bell).run(stop.clone()));
    store.ring_relays();
    eventually("the doorbell is announced", async || store.doorbells().await.unwrap().len() == 1).await;
    // Whoever polls would need ten minutes for each of them.
    for number in 0..5 {
        let stored = Instant::now();
        start(&store, &format!("order-{number}")).await;
        eventually("the event is published", async || sink.len() == number + 1).await;
        assert!(stored.elapsed() < rest);
    }
    stop.cancel();
    working.await.unwrap();
    assert!(store.doorbells().await.unwrap().is_empty(), "who is gone is not rung");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_relay_alone_waits_for_the_first_one() {
    let (store, sink) = (memory(), Sink::default());
    let first = store.claim_alone().await.unwrap().unwrap();
    let (stop, scheduler) = (CancellationToken::new(), Alone::on(store.clone()));
    let relay = Relay::new(store.clone(), sink.clone(), scheduler, RelayMetrics::new());
    let working = tokio::spawn(relay.run(stop.clone()));
    start(&store, "order-1").await;
    assert_eq!(sink.len(), 0);
    drop(first);
    eventually("the second one publishes", async || sink.len() == 1).await;
    stop.cancel();
    working.await.unwrap();
    assert_eq!(store.depth(Shard::WHOLE).await.unwrap().rows, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_read_than_may_be_under_way() {
    let (store, sink) = (memory(), Sink::default());
    with_backlog(&store, 60, 1).await;
    let options = RelayOptions { page: 10, in_flight_events: 10, ..quick() };
    let relay = relay(store.clone(), &sink).options(options);
    assert_eq!(relay.drain(CancellationToken::new()).await, Drained::All);
    assert_eq!(sink.len(), 60);
    assert!(sink.largest_batch() <= 10);
}

/// The value of a series of the one shard.
fn measured(telemetry: &Telemetry, name: &str) -> f64 {
    let page = telemetry.prometheus_text().unwrap();
    let series = format!("{name}{{shard=\"1-of-1\"}} ");
    let value = page.lines().find_map(|line| line.strip_prefix(series.as_str()));
    value.unwrap_or_else(|| panic!("no {name}: {page}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_and_who_owns_it_is_measured() {
    let (store, sink) = (memory(), Sink::default());
    sink.set_away(true);
    with_backlog(&store, 20, 2).await;
    let telemetry = Telemetry::new(&TelemetryConfig::default()).unwrap();
    let metrics = RelayMetrics::on(&telemetry.meter("outbox-relay"));
    let options = RelayOptions { measure_every: Duration::from_millis(1), ..quick() };
    let (stop, scheduler) = (CancellationToken::new(), InProcessScheduler::new());
    let relay = Relay::new(store.clone(), sink.clone(), scheduler, metrics).options(options);
    let working = tokio::spawn(relay.run(stop.clone()));
    let shows = |name: &str, holds: fn(f64) -> bool| {
        let (telemetry, name) = (&telemetry, format!("workflow_outbox_{name}"));
        async move { eventually(&name, async || holds(measured(telemetry, &name))).await }
    };
    eventually("the role is owned", async || {
        let page = telemetry.prometheus_text().unwrap();
        page.contains("workflow_outbox_role_owned{shard=\"1-of-1\"} 1")
    })
    .await;
    shows("depth", |rows| rows == 40.0).await;
    shows("oldest_age_milliseconds", |age| age > 0.0).await;
    shows("role_takeovers_total", |times| times == 1.0).await;
    sink.set_away(false);
    shows("published_total", |events| events == 40.0).await;
    shows("depth", |rows| rows == 0.0).await;
    shows("batch_size_sum", |events| events >= 40.0).await;
    sink.set_away(true);
    start(&store, "one more").await;
    shows("depth", |rows| rows == 1.0).await;
    stop.cancel();
    working.await.unwrap();
    for gauge in ["role_owned", "depth", "oldest_age_milliseconds", "in_flight"] {
        let left = measured(&telemetry, &format!("workflow_outbox_{gauge}"));
        assert_eq!(left, 0.0, "{gauge} is another's");
    }
}
