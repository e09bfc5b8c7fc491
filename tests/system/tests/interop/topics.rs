//! Topics of a test's own on the brokers that `WORKFLOW_KAFKA_BROKERS` names.

use std::time::Instant;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use workflow_system_tests::patience::PATIENCE;

/// The brokers.
pub(crate) fn brokers() -> String {
    std::env::var("WORKFLOW_KAFKA_BROKERS").expect(
        "no brokers: `cargo xtask test` starts one, or set WORKFLOW_KAFKA_BROKERS to theirs (`cargo xtask services env`)",
    )
}

/// How a client of the tests reaches them.
pub(crate) fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers());
    config
}

/// A name that no other test has.
pub(crate) fn fresh(what: &str) -> String {
    format!("{what}_{:016x}", fastrand::u64(..))
}

/// Topics that go when it is dropped.
pub(crate) struct Topics {
    names: Vec<String>,
    partitions: i32,
}

impl Topics {
    /// Makes all topics of a workflow with the statuses of `counted`.
    pub(crate) async fn of_workflow(name: &str, partitions: i32) -> Self {
        let statuses = (1..=4).map(|status| format!("{name}-{status}"));
        let others = ["delete", "run-state-change"].map(|other| format!("{name}-{other}"));
        Self::make(statuses.chain(others).collect(), partitions).await
    }

    /// Makes topics of so many partitions each.
    pub(crate) async fn make(names: Vec<String>, partitions: i32) -> Self {
        let new: Vec<NewTopic<'_>> =
            names.iter().map(|name| NewTopic::new(name, partitions, TopicReplication::Fixed(1))).collect();
        let made = admin().create_topics(&new, &AdminOptions::new()).await.unwrap();
        made.into_iter().for_each(|topic| drop(topic.unwrap()));
        let waited = names.clone();
        tokio::task::spawn_blocking(move || led(&waited, partitions)).await.unwrap();
        Self { names, partitions }
    }

    /// How many messages are on them.
    pub(crate) async fn written(&self) -> usize {
        let (names, partitions) = (self.names.clone(), self.partitions);
        let ends = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = client().create().unwrap();
            let each = names.iter().flat_map(|name| (0..partitions).map(move |at| (name, at)));
            each.map(|(name, at)| consumer.fetch_watermarks(name, at, PATIENCE).unwrap().1).sum::<i64>()
        });
        ends.await.unwrap().try_into().unwrap()
    }

    /// Run and version of each message on them.
    pub(crate) async fn read(&self) -> Vec<(String, u64)> {
        let (names, partitions, written) = (self.names.clone(), self.partitions, self.written().await);
        let reading = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = client().set("group.id", fresh("reader")).create().unwrap();
            let mut all = TopicPartitionList::new();
            for (name, at) in names.iter().flat_map(|name| (0..partitions).map(move |at| (name, at))) {
                all.add_partition_offset(name, at, Offset::Beginning).unwrap();
            }
            consumer.assign(&all).unwrap();
            (0..written).map(|_| event_of(&consumer.poll(PATIENCE).unwrap().unwrap())).collect()
        });
        reading.await.unwrap()
    }
}

fn event_of(message: &BorrowedMessage<'_>) -> (String, u64) {
    let version = message.headers().unwrap().iter().find(|header| header.key == "record_version").unwrap();
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    (text(message.key()), text(version.value).parse().unwrap())
}

/// Waits until each partition has a leader that says so: the Go library's client gives up after three attempts.
fn led(topics: &[String], partitions: i32) {
    let consumer: BaseConsumer = client().create().unwrap();
    let deadline = Instant::now() + PATIENCE;
    for (topic, partition) in topics.iter().flat_map(|topic| (0..partitions).map(move |at| (topic, at))) {
        // Only a leader tells the offsets.
        while let Err(error) = consumer.fetch_watermarks(topic, partition, PATIENCE) {
            assert!(Instant::now() < deadline, "partition {partition} of {topic} has no leader: {error}");
        }
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        let names = std::mem::take(&mut self.names);
        // A test may fail in the middle, and its runtime is not to be waited on from within.
        let dropping = std::thread::spawn(move || {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { admin().delete_topics(&names, &AdminOptions::new()).await.map(drop) })
        });
        // A broker that is gone takes its topics with it.
        let _ = dropping.join();
    }
}

fn admin() -> AdminClient<DefaultClientContext> {
    client().create().unwrap()
}
