//! Messages on the topics that no engine has sent, or has sent before.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use workflow::header;
use workflow_system_tests::ground::Kind;

use crate::check::eventually;
use crate::legs::{LEGS, Leg};
use crate::stage::{NEVER, Stage};

const JOURNEYS: usize = 100;

/// A message as another program sends it.
#[derive(Clone, Debug, Default)]
struct Message {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(&'static str, Vec<u8>)>,
}

impl Message {
    /// As the engine writes an event.
    fn event(run: &str, status: i32, version: u64) -> Self {
        let headers = [
            (header::WORKFLOW_NAME, LEGS.to_owned()),
            (header::FOREIGN_ID, "stranger".to_owned()),
            (header::RUN_ID, run.to_owned()),
            (header::RUN_STATE, "2".to_owned()),
            (header::RECORD_VERSION, version.to_string()),
        ];
        Self {
            key: Some(run.into()),
            value: Some(status.to_string().into()),
            headers: headers.map(|(name, value)| (name, value.into_bytes())).into(),
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.retain(|(header, _)| *header != name);
        self.headers.push((name, value.into()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(header, _)| *header != name);
        self
    }

    fn valued(mut self, value: Option<&[u8]>) -> Self {
        self.value = value.map(<[u8]>::to_vec);
        self
    }
}

fn fresh() -> String {
    workflow::RunId::generate().to_string()
}

/// What cannot be used, and a part of the reason that is kept of it.
fn unusable(run: &str, ahead: u64) -> Vec<(Message, &'static str)> {
    let event = || Message::event(&fresh(), 1, 1);
    let bytes = |value: &[u8]| Message { value: Some(value.into()), ..Message::default() };
    vec![
        (bytes(&[0xff, 0, 0xfe, 0x80]), "the value is not text"),
        (bytes(b""), "which is no status"),
        (Message::default(), "it has no value"),
        (bytes(b"1"), "is missing"),
        (bytes(&vec![b'9'; 900_000]), "which is no status"),
        (event().valued(None), "it has no value"),
        (event().without(header::FOREIGN_ID), "header foreign_id is missing"),
        (event().with(header::RUN_ID, "\0'; drop table runs"), "which is no UUID"),
        (event().with(header::RUN_STATE, "77"), "77"),
        (event().with(header::RECORD_VERSION, "-1"), "which is no version"),
        (event().with(header::WORKFLOW_NAME, vec![0xff]), "is not text"),
        (event(), "there is no such run"),
        (event().valued(Some(b"999")), "there is no such run"),
        (event().with(header::WORKFLOW_NAME, "unheard-of"), "there is no such run"),
        (event().with("padding", vec![b'x'; 900_000]), "there is no such run"),
        (Message::event(run, 1, ahead), "the store has version 4"),
    ]
}

/// What is known to be old or out of place, and the reason by which it is counted.
fn skipped(run: &str) -> Vec<(Message, &'static str)> {
    vec![
        (Message::event(run, 1, 1), "already_processed"),
        (Message::event(run, 1, 1), "already_processed"),
        (Message::event(run, 2, 2), "already_processed"),
        (Message::event(run, 999, 3), "already_processed"),
        (Message::event(run, 1, 4).without(header::RECORD_VERSION), "already_processed"),
    ]
}

async fn send(producer: &FutureProducer, topic: &str, partition: i32, message: &Message) -> (i32, i64) {
    let headers = message.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value) })
    });
    let mut record = FutureRecord::<[u8], [u8]>::to(topic).partition(partition).headers(headers);
    (record.key, record.payload) = (message.key.as_deref(), message.value.as_deref());
    let sent = producer.send(record, Timeout::Never).await.unwrap();
    (sent.partition, sent.offset)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strange_messages_are_set_aside_with_their_place_and_hold_up_nobody_on_postgres() {
    hold_up_nobody(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strange_messages_are_set_aside_with_their_place_and_hold_up_nobody_on_mariadb() {
    hold_up_nobody(Kind::MariaDb).await;
}

async fn hold_up_nobody(kind: Kind) {
    let stage = Stage::shared(kind).await;
    let (_relay, worker) = (stage.relay().await, stage.worker(NEVER).await);
    worker.begin("before", 1).await;
    stage.ended(1).await;
    let run =
        stage.ground.session().await.texts("select run_id from workflow_records").await.unwrap().remove(0);
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", stage.brokers()).create().unwrap();
    let topic = stage.topic(Leg::First);
    let (mut parked, mut counted): (Vec<(String, &str)>, BTreeMap<&str, usize>) = Default::default();
    for (partition, ahead) in [(0, 1_000), (1, 1_001)] {
        for (message, reason) in unusable(&run, ahead) {
            let (partition, offset) = send(&producer, topic.as_str(), partition, &message).await;
            parked.push((format!("legs-1, partition {partition}, offset {offset}"), reason));
        }
        for (message, reason) in skipped(&run) {
            send(&producer, topic.as_str(), partition, &message).await;
            *counted.entry(reason).or_default() += 1;
        }
    }
    worker.begin("after", JOURNEYS).await;
    stage.all_ended(1 + JOURNEYS).await;
    eventually("the offsets are committed to the end", async || {
        stage.lag(Leg::First).await.iter().all(|partition| partition.events() == 0)
    })
    .await;
    let sql = "select reason from workflow_dead_letters";
    let letters: BTreeSet<String> =
        stage.ground.session().await.texts(sql).await.unwrap().into_iter().collect();
    for (place, reason) in &parked {
        let told = |letter: &&String| [' ', ')'].iter().any(|end| letter.contains(&format!("{place}{end}")));
        let letter = letters.iter().find(told).unwrap_or_else(|| panic!("nothing of {place}: {letters:#?}"));
        assert!(letter.contains(reason), "{reason} is not in: {letter}");
    }
    assert_eq!(letters.len(), parked.len(), "{letters:#?}");
    assert_eq!(stage.rows("dead_letters").await, parked.len());
    assert_eq!(worker.metric("workflow_dead_letters", None), parked.len() as f64);
    for (reason, count) in counted {
        let skips = worker.metric("workflow_process_skipped_events_count", Some(reason));
        assert_eq!(skips, count as f64, "{reason}");
    }
    worker.end().await;
}
