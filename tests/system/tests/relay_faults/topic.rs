//! What is on a topic, as any consumer sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use workflow_system_tests::patience::PATIENCE;

const POLL: Duration = Duration::from_secs(1);

/// A message as it is on the wire.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wire {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) headers: BTreeMap<String, String>,
}

/// All messages of a topic, those of each partition in their order.
pub(crate) async fn messages(topic: String) -> Vec<Wire> {
    tokio::task::spawn_blocking(move || read(&topic)).await.unwrap()
}

/// How many messages a topic has, and of how many runs they are.
pub(crate) async fn counts(topic: String) -> (usize, usize) {
    let messages = messages(topic).await;
    let runs: BTreeSet<&str> = messages.iter().map(|message| message.key.as_str()).collect();
    (messages.len(), runs.len())
}

fn read(topic: &str) -> Vec<Wire> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", std::env::var("WORKFLOW_KAFKA_BROKERS").unwrap())
        .set("group.id", "nobody");
    let consumer: BaseConsumer = config.create().unwrap();
    let (mut wire, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    for partition in metadata.topics()[0].partitions() {
        let (low, high) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE).unwrap();
        let mut assigned = TopicPartitionList::new();
        assigned.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
        consumer.assign(&assigned).unwrap();
        let mut next = low;
        while next < high {
            assert!(Instant::now() < deadline, "message {next} of partition {} did not come", partition.id());
            // It gives nothing for what happens to the client, too.
            let Some(message) = consumer.poll(POLL) else { continue };
            let message = message.unwrap();
            next = message.offset() + 1;
            wire.push(as_texts(&message));
        }
    }
    wire
}

fn as_texts(message: &impl Message) -> Wire {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    let headers = message.headers().unwrap();
    Wire {
        key: text(message.key()),
        value: text(message.payload()),
        headers: headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect(),
    }
}
