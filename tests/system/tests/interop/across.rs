//! Callbacks, pauses, cancellations and deletions across: one side does them to runs that the other works on, over Kafka.

use serde_json::json;
use streamer_kafka::{KafkaConfig, KafkaStreamer};
use workflow::prelude::*;
use workflow::{CallbackOutcome, Client, Running};
use workflow_core::{GroupName, Shard, StatusCode, WorkflowName};
use workflow_system_tests::ground::{Ground, Kind};
use workflow_system_tests::patience::{PATIENCE, patiently, until};

use crate::counted::{Counted, Stage, go_step, outer};
use crate::go::{Go, GoMove, GoRecord, Work};
use crate::relay::Relay;
use crate::shared::{Worked, engine};
use crate::topics::{self, Topics};

/// What is left of an object whose data was deleted.
const DELETED: &str = r#"{"result":"deleted"}"#;

/// The workflow whose step in the middle is the Go library's, with our engine, our relay, and no Go worker yet.
struct Place {
    name: String,
    _topics: Topics,
    _ground: Ground,
    go: Go,
    streamer: KafkaStreamer,
    relay: Relay,
    running: Running<Counted, Stage>,
}

impl Place {
    async fn fresh() -> Self {
        let name = topics::fresh("across");
        let topics = Topics::of_workflow(&name, 2).await;
        let ground = Ground::fresh(Kind::MariaDb).await;
        let streamer = KafkaStreamer::new(KafkaConfig::new([topics::brokers()])).unwrap();
        let running = engine(outer(&name), &ground, &streamer).await;
        let relay = Relay::start(&ground);
        let go = Go::on(&ground).with("brokers", topics::brokers()).with("patience", "3m");
        Self { name, _topics: topics, _ground: ground, go, streamer, relay, running }
    }

    /// A run that our step has taken to the status of the Go library's step.
    async fn at_two(&self, foreign_id: &str) -> RunId {
        let run = self.running.trigger(foreign_id, Counted::new()).await.unwrap();
        patiently("our step", self.running.wait_for(&run).status(Stage::Two)).await.unwrap();
        run
    }

    fn worker(&self) -> Work {
        let group = GroupName::of_step(&WorkflowName::new(&*self.name).unwrap(), StatusCode::new(2).unwrap());
        let worker =
            self.go.with("group", group.role(Shard::WHOLE)).with("topic", format!("{}-2", self.name));
        worker.with("from", 2).with("to", 3).with("description", "Three").start("work")
    }

    async fn ends_at(&self, run: RunId, version: u64, count: i64) {
        let done = patiently("the end", self.running.wait_for(&run).finished()).await.unwrap();
        assert_eq!((done.run_state(), done.status()), (RunState::Completed, Stage::Four));
        assert_eq!((done.version().get(), done.object().unwrap().count), (version, count));
    }

    async fn close(self) {
        self.relay.stop().await;
        self.running.shutdown(PATIENCE).await;
        self.streamer.close().await.unwrap();
    }
}

/// Goal: what ours does to runs that a Go worker works on is obeyed by it. Method: the events of its step are on the topic
/// before it begins; a last run, whose step it does take, is behind them all in its partition or another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ours_does_to_runs_of_its_step_is_obeyed() {
    let place = Place::fresh().await;
    let client: Client<Counted, Stage> = place.running.client();
    let paused = place.at_two("paused").await;
    let cancelled = place.at_two("cancelled").await;
    let called = place.at_two("called").await;
    client.pause(&paused, "by hand").await.unwrap();
    client.cancel(&cancelled, "gone").await.unwrap();
    client.callback(Stage::Two, "called", "").await.unwrap();
    place.ends_at(called, 4, 2).await;
    let worker = place.worker();
    // It has an event of each run, and stores nothing for any of them.
    until("three events", async || worker.lines() >= 3).await;
    assert_eq!(place.go.record(paused).await.meta.version, 3);
    client.delete_data(&cancelled, "the law").await.unwrap();
    let deleted = async || client.get(&cancelled).await.unwrap().run_state() == RunState::DataDeleted;
    until("the deletion", deleted).await;
    let seen = place.go.record(cancelled).await;
    assert_eq!((seen.run_state, seen.meta.version, &*seen.object), (6, 5, DELETED));
    // What is resumed gets a new event, which its step takes.
    client.resume(&paused).await.unwrap();
    place.ends_at(paused, 6, 3).await;
    let plain = place.at_two("plain").await;
    place.ends_at(plain, 4, 3).await;
    let mut stored: Vec<(String, u64)> = Vec::new();
    for worked in worker.stop::<Worked>().await {
        if worked.skipped.is_empty() {
            stored.push((worked.run_id, worked.version));
        } else {
            assert_eq!(worked.skipped, "the record is newer");
        }
    }
    assert_eq!(stored, [(paused.to_string(), 4), (plain.to_string(), 2)]);
    place.close().await;
}

/// Goal: what the Go library does to runs that ours works on is obeyed by ours. Method: runs wait before our last step, which
/// a callback of the Go library leads to, and others are stopped by it before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_does_to_runs_of_our_steps_is_obeyed() {
    let place = Place::fresh().await;
    let (go, client) = (&place.go, place.running.client());
    let called = place.at_two("called").await;
    let mut callback = go_step("", Stage::Two, Stage::Three, r#"{"count":7,"note":"called"}"#);
    (callback["workflow_name"], callback["foreign_id"]) = (place.name.as_str().into(), "called".into());
    let moved: GoMove = go.one("callback", callback).await;
    assert_eq!(moved.record.unwrap().meta.version, 3);
    place.ends_at(called, 4, 8).await;
    // A callback of ours changes nothing while the run is paused by it.
    let paused = place.at_two("paused").await;
    assert_eq!(go.turn("pause", paused, "by hand").await.meta.version, 3);
    let stopped = CallbackOutcome::Stopped { run_state: RunState::Paused };
    assert_eq!(client.callback(Stage::Two, "paused", "").await.unwrap(), stopped);
    assert_eq!(client.get(&paused).await.unwrap().run_state(), RunState::Paused);
    assert_eq!(go.turn("resume", paused, "").await.meta.version, 4);
    client.callback(Stage::Two, "paused", "").await.unwrap();
    place.ends_at(paused, 6, 2).await;
    // What it deletes is scrubbed by our consumer.
    let cancelled = place.at_two("cancelled").await;
    assert_eq!(go.turn("cancel", cancelled, "gone").await.run_state, 4);
    assert_eq!(go.turn("delete", cancelled, "gdpr").await.meta.version, 4);
    let deleted = async || client.get(&cancelled).await.unwrap().run_state() == RunState::DataDeleted;
    until("the deletion", deleted).await;
    let seen: GoRecord = go.one("lookup", json!({"run_id": cancelled.to_string()})).await;
    assert_eq!((seen.meta.version, &*seen.object, &*seen.meta.run_state_reason), (5, DELETED, "gdpr"));
    place.close().await;
}
