//! Both relays on one table: each publishes the other's rows, and they do each other no harm.

use std::collections::BTreeMap;

use serde_json::Value;
use streamer_kafka::{KafkaConfig, KafkaStreamer};
use workflow::prelude::*;
use workflow::{Client, Running};
use workflow_system_tests::ground::{Ground, Kind};
use workflow_system_tests::patience::{PATIENCE, patiently, until};

use crate::counted::{Counted, Stage, go_trigger, named};
use crate::go::{Go, GoRecord, Work};
use crate::relay::Relay;
use crate::shared::{engine, steps_of_ours};
use crate::topics::{self, Topics};

/// How many runs each side triggers at once.
const RUNS: usize = 60;

/// A workflow of a test's own, with our engine on a database and topics of its own. Nothing publishes yet.
struct Place {
    name: String,
    topics: Topics,
    ground: Ground,
    go: Go,
    streamer: KafkaStreamer,
    running: Running<Counted, Stage>,
    runs: Vec<RunId>,
}

impl Place {
    async fn fresh(what: &str) -> Self {
        let name = topics::fresh(what);
        let topics = Topics::of_workflow(&name, 4).await;
        let ground = Ground::fresh(Kind::MariaDb).await;
        let streamer = KafkaStreamer::new(KafkaConfig::new([topics::brokers()])).unwrap();
        let running = engine(named(&name), &ground, &streamer).await;
        let go = Go::on(&ground).with("brokers", topics::brokers()).with("patience", "3m");
        let go = go.with("workflow", &name);
        Self { name, topics, ground, go, streamer, running, runs: Vec::new() }
    }

    /// Triggers runs on both sides.
    async fn trigger(&mut self) {
        let before = self.runs.len();
        let line = |number: usize| {
            let mut line = go_trigger(&format!("theirs-{}", before + number));
            line["workflow_name"] = self.name.as_str().into();
            line
        };
        let made: Vec<GoRecord> = self.go.all("trigger", &(0..RUNS).map(line).collect::<Vec<Value>>()).await;
        self.runs.extend(made.iter().map(|record| record.run_id.parse::<RunId>().unwrap()));
        let client: Client<Counted, Stage> = self.running.client();
        for number in 0..RUNS {
            let run = client.trigger(format!("ours-{}", before + number), Counted::new()).await;
            self.runs.push(run.unwrap());
        }
    }

    fn their_relay(&self) -> Work {
        self.go.start("relay")
    }

    /// Waits for the end of all runs and of the outbox; each transition was made once.
    async fn ends(&self) {
        for run in &self.runs {
            let done = patiently("the end of a run", self.running.wait_for(run).finished()).await.unwrap();
            assert_eq!((done.status(), done.version().get()), (Stage::Four, 4));
            assert_eq!(done.object().unwrap().count, 3);
        }
        let mut session = self.ground.session().await;
        let left = "select count(*) from workflow_outbox";
        until("an empty outbox", async || session.number(left).await.unwrap() == 0).await;
        let each = self.runs.len();
        let steps = ["1-2 in version 2", "2-3 in version 3", "3-4 in version 4"];
        assert_eq!(steps_of_ours(&self.ground).await, steps.map(|step| format!("{step}: {each}")));
    }

    /// How often each version of each run was published; none of them never.
    async fn published(&self) -> Vec<usize> {
        let mut times: BTreeMap<(String, u64), usize> = BTreeMap::new();
        for event in self.topics.read().await {
            *times.entry(event).or_default() += 1;
        }
        let all = self.runs.iter().flat_map(|run| (1..=4).map(move |version| (run.to_string(), version)));
        for event in all {
            assert!(times.contains_key(&event), "{event:?} was never published");
        }
        assert_eq!(times.len(), 4 * self.runs.len(), "nothing else was published");
        times.into_values().collect()
    }

    async fn close(self) {
        self.running.shutdown(PATIENCE).await;
        self.streamer.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_relay_alone_publishes_the_rows_of_both() {
    let mut place = Place::fresh("our_relay").await;
    place.trigger().await;
    let relay = Relay::start(&place.ground);
    place.ends().await;
    relay.stop().await;
    assert!(place.published().await.iter().all(|times| *times == 1));
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_relay_alone_publishes_the_rows_of_both() {
    let mut place = Place::fresh("its_relay").await;
    place.trigger().await;
    let relay = place.their_relay();
    place.ends().await;
    let said = relay.stop::<Value>().await;
    assert_eq!(said.len(), 4 * place.runs.len());
    assert!(place.published().await.iter().all(|times| *times == 1));
    place.close().await;
}

/// Goal: while one relay takes over from the other, both may run. Method: both run from the first, and runs are triggered
/// until each of them has published something. Their duplicates are allowed, and change no state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_relays_beside_each_other_lose_nothing() {
    let mut place = Place::fresh("both_relays").await;
    let (ours, theirs) = (Relay::start(&place.ground), place.their_relay());
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        place.trigger().await;
        place.ends().await;
        // Of what it has published it has not yet told at most one.
        let told = theirs.lines();
        if told > 0 && place.topics.written().await > told + 1 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "one of the relays publishes nothing");
    }
    ours.stop().await;
    theirs.stop::<Value>().await;
    place.published().await;
    place.close().await;
}
