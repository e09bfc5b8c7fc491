//! The engine on Kafka, with the Go library before and behind it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use streamer_kafka::{KafkaConfig, KafkaStreamer};
use workflow_core::memory::InProcessScheduler;
use workflow_system_tests::ground::{Ground, Kind};
use workflow_system_tests::patience::{PATIENCE, patiently};

use crate::counted::{Stage, go_trigger, named};
use crate::go::{Go, GoEvent, GoRecord};
use crate::topics::{self, Topics};

const RUNS: usize = 10;

/// Goal: a run goes from one to the other and back over tables and topics. Method: the Go library triggers and relays; our
/// steps get its messages, and what our outbox publishes of their ends is read by a group of the Go library.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_messages_are_worked_on_by_ours_and_ours_are_read_by_it() {
    let name = topics::fresh("streamed");
    let ends = format!("{name}-run-state-change");
    let _topics = Topics::of_workflow(&name, 4).await;
    let ground = Ground::fresh(Kind::MariaDb).await;
    let database = ground.database().await;
    let go = Go::on(&ground).with("brokers", topics::brokers());
    let lines = (0..RUNS).map(|number| {
        let mut line = go_trigger(&format!("order-{number}"));
        line["workflow_name"] = name.as_str().into();
        line
    });
    let triggered: Vec<GoRecord> = go.all("trigger", &lines.collect::<Vec<Value>>()).await;
    let sent: Vec<GoEvent> = go.with("workflow", &name).all("relay-once", &[]).await;
    assert_eq!(sent.len(), RUNS);
    let streamer = KafkaStreamer::new(KafkaConfig::new([topics::brokers()])).unwrap();
    let backend = database.backend_with(streamer.clone(), InProcessScheduler::new());
    let running = named(&name).run(backend).await.unwrap();
    for before in &triggered {
        let run_id = before.run_id.parse().unwrap();
        let done = patiently("the end", running.wait_for(&run_id).finished()).await.unwrap();
        assert_eq!((done.status(), done.version().get()), (Stage::Four, 4));
        let after = go.record(run_id).await;
        assert_eq!((after.run_state, &*after.object), (5, r#"{"count":3,"note":"go"}"#));
    }
    let reader = go.with("topic", &ends).with("group", topics::fresh("reader")).with("max", RUNS);
    let read: Vec<GoEvent> = reader.all("consume", &[]).await;
    let runs: BTreeSet<&String> = read.iter().map(|event| &event.run_id).collect();
    assert_eq!(runs, triggered.iter().map(|record| &record.run_id).collect());
    let foreign: BTreeMap<&String, &String> =
        triggered.iter().map(|record| (&record.run_id, &record.foreign_id)).collect();
    for event in &read {
        let header = |name: &str| event.headers.get(name).map(String::as_str);
        assert_eq!((event.status, header("run_state"), header("record_version")), (4, Some("5"), Some("4")));
        assert_eq!((header("workflow_name"), header("topic")), (Some(&*name), Some(&*ends)));
        assert_eq!(header("run_id"), Some(&*event.run_id));
        assert_eq!(header("foreign_id"), Some(foreign[&event.run_id].as_str()));
    }
    running.shutdown(PATIENCE).await;
    streamer.close().await.unwrap();
}
