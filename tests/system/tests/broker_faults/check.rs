//! What must hold of journeys, in the tables and on the topics.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use workflow::Topic;
use workflow_system_tests::audit::Audit;
use workflow_system_tests::ground::Session;

use crate::stage::Stage;

/// How long journeys may take to come to their ends after all is mended: the machine may do a lot besides.
const PATIENCE: Duration = Duration::from_secs(240);

/// How often a condition is looked at that takes its time: often enough to be prompt, seldom enough not to be a load.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long one question to a broker may take.
const QUESTION: Duration = Duration::from_secs(10);

/// The one way of a journey: from, to, version and run state.
const WAY: [&str; 4] = ["0 1 1 1", "1 2 2 2", "2 3 3 2", "3 4 4 5"];

/// Looks now and then whether a condition holds, for as long as a broken test may take to say so.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let wait = async {
        while !holds().await {
            looks.tick().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "it never came about: {what}");
}

impl Stage {
    /// How many journeys are in a status.
    pub(crate) async fn count(&self, session: &mut Session, condition: &str) -> usize {
        let sql = format!("select count(*) from workflow_records where {condition}");
        session.number(&sql).await.unwrap().try_into().unwrap()
    }

    /// How many rows a table has.
    pub(crate) async fn rows(&self, table: &str) -> usize {
        let sql = format!("select count(*) from workflow_{table}");
        self.ground.session().await.number(&sql).await.unwrap().try_into().unwrap()
    }

    /// Waits until so many journeys have ended.
    pub(crate) async fn ended(&self, journeys: usize) {
        let mut session = self.ground.session().await;
        let what = format!("{journeys} journeys have ended");
        eventually(&what, async || self.count(&mut session, "run_state = 5").await >= journeys).await;
    }

    /// All of exactly so many journeys have ended, each by its one way, and nothing is left or set aside.
    pub(crate) async fn all_ended(&self, journeys: usize) {
        self.ended(journeys).await;
        let mut session = self.ground.session().await;
        eventually("an empty outbox", async || self.rows("outbox").await == 0).await;
        Audit::new(&self.ground).always("all journeys have ended").await;
        let ways = "select distinct concat(coalesce(from_status, 0), ' ', to_status, ' ', version, ' ', run_state) \
                    from workflow_history";
        let found: BTreeSet<String> = session.texts(ways).await.unwrap().into_iter().collect();
        assert_eq!(found, WAY.map(str::to_owned).into());
        assert_eq!(self.count(&mut session, "run_state = 5").await, journeys);
        assert_eq!(self.rows("history").await, WAY.len() * journeys, "each transition once");
        assert_eq!(self.rows("retries").await, 0);
        for (id, _, _, object) in session.runs().await.unwrap() {
            assert_eq!(object, br#"{"behind":[1,2,3]}"#, "the legs of {id} are in order");
        }
    }

    /// Every transition's event is on a topic: none was deleted before it was published.
    pub(crate) async fn all_published(&self) {
        let sql = "select concat(run_id, ' ', version) from workflow_history";
        let stored: BTreeSet<String> =
            self.ground.session().await.texts(sql).await.unwrap().into_iter().collect();
        let published: BTreeSet<String> = self.published().await.into_iter().collect();
        let lost: Vec<&String> = stored.difference(&published).collect();
        assert!(lost.is_empty(), "{} events were lost, such as {:?}", lost.len(), lost.first());
        let ghosts: Vec<&String> = published.difference(&stored).collect();
        assert!(
            ghosts.is_empty(),
            "{} events are of no transition, such as {:?}",
            ghosts.len(),
            ghosts.first()
        );
    }

    /// Run and version of every event on the topics.
    pub(crate) async fn published(&self) -> Vec<String> {
        let (brokers, topics) = (self.brokers().to_owned(), self.topics());
        let read = move || topics.iter().flat_map(|topic| on_topic(&brokers, topic)).collect();
        tokio::task::spawn_blocking(read).await.unwrap()
    }
}

fn on_topic(brokers: &str, topic: &Topic) -> Vec<String> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", brokers).set("group.id", "looks-on").create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic.as_str()), QUESTION).unwrap();
    let (mut list, mut left) = (TopicPartitionList::new(), 0);
    for partition in metadata.topics()[0].partitions() {
        let (low, high) = consumer.fetch_watermarks(topic.as_str(), partition.id(), QUESTION).unwrap();
        left += high - low;
        list.add_partition_offset(topic.as_str(), partition.id(), Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let mut found = Vec::new();
    while left > 0 {
        let message =
            consumer.poll(QUESTION).unwrap_or_else(|| panic!("{left} messages of {topic} are not given"));
        let message = message.unwrap();
        left -= 1;
        let headers = message.headers().unwrap();
        let value =
            |key: &str| headers.iter().find(|header| header.key == key).and_then(|header| header.value);
        let text = |key: &str| String::from_utf8(value(key).unwrap_or_default().to_vec()).unwrap();
        found.push(format!("{} {}", text(workflow::header::RUN_ID), text(workflow::header::RECORD_VERSION)));
    }
    found
}
