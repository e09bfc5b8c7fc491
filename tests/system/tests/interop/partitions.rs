//! The partition of a key, which all programs that write a topic must agree on.

use rdkafka::producer::{FutureProducer, FutureRecord};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use workflow_system_tests::patience::PATIENCE;

use crate::go::{Go, GoEvent};
use crate::topics::{self, Topics};

/// Keys and where the Go library's client put them, as it was recorded.
#[derive(Serialize, Deserialize)]
struct Recorded {
    partitions: i32,
    keys: Vec<Placed>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Placed {
    key: String,
    partition: i32,
}

fn recorded() -> Vec<Recorded> {
    serde_json::from_str(include_str!("partitions.json")).unwrap()
}

#[tokio::test]
async fn the_client_of_the_go_library_puts_keys_where_it_was_recorded() {
    for facts in recorded() {
        let lines: Vec<Value> = facts.keys.iter().map(|placed| json!({"key": placed.key})).collect();
        let go = Go::alone().with("partitions", facts.partitions);
        assert_eq!(go.all::<Placed>("partition", &lines).await, facts.keys);
    }
}

#[tokio::test]
async fn each_client_sends_them_there() {
    let facts = recorded().pop().unwrap();
    let topic = topics::fresh("partitions");
    let _topics = Topics::make(vec![topic.clone()], facts.partitions).await;
    let events = facts.keys.iter().map(
        |placed| json!({"run_id": placed.key, "type": 1, "headers": {"topic": topic, "run_id": placed.key}}),
    );
    let go = Go::alone().with("brokers", topics::brokers());
    let sent: Vec<GoEvent> = go.all("produce", &events.collect::<Vec<_>>()).await;
    // The setting of ours.
    let ours: FutureProducer = topics::client().set("partitioner", "fnv1a_random").create().unwrap();
    assert_eq!(sent.len(), facts.keys.len());
    for (placed, sent) in facts.keys.iter().zip(sent) {
        assert_eq!((&sent.run_id, sent.partition), (&placed.key, placed.partition));
        let record = FutureRecord::to(&topic).key(&placed.key).payload("1");
        let delivery = ours.send(record, PATIENCE).await.unwrap();
        assert_eq!(delivery.partition, placed.partition, "{}", placed.key);
    }
}
