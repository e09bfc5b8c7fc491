//! Topics that are missing, vanish or grow.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use streamer_kafka::Topics;
use workflow_system_tests::ground::Kind;

use crate::check::eventually;
use crate::legs::Leg;
use crate::stage::{NEVER, Stage};

/// How soon the event of a run that has lost it is sent again, where topics are lost on purpose.
const SOON: Duration = Duration::from_secs(1);

fn admin(stage: &Stage) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", stage.brokers()).create().unwrap()
}

/// Nobody makes topics but an operator, and that one is late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_missing_at_the_start_is_waited_for() {
    let mut stage = Stage::shared(Kind::Postgres).await;
    stage.creates = false;
    let (relay, worker) = (stage.relay().await, stage.worker(NEVER).await);
    worker.begin("journey", 50).await;
    let refusals = "workflow_outbox_errors_total";
    eventually("the relay has failed again", async || relay.metric(refusals).await >= 3.0).await;
    let held = relay.told("events are held");
    let error = held[0]["error"].as_str().unwrap();
    let advice = format!("workflowctl topics create {}", stage.topic(Leg::First));
    assert!(error.contains("does not exist") && error.contains(&advice), "{error}");
    assert_eq!(
        (stage.rows("outbox").await, stage.rows("dead_letters").await),
        (50, 0),
        "held, and never parked"
    );
    let topics = Topics::new(stage.kafka()).unwrap();
    for topic in stage.topics() {
        topics.create(&topic).await.unwrap();
    }
    stage.all_ended(50).await;
    stage.all_published().await;
    worker.end().await;
}

/// What was on the topic is gone, and is sent again; the topic is made again by whoever misses it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_deleted_under_load_is_made_again_and_nothing_stays_behind() {
    let stage = Stage::shared(Kind::Postgres).await;
    let (_relay, worker) = (stage.relay().await, stage.worker(SOON).await);
    worker.begin("before", 300).await;
    stage.ended(20).await;
    worker.begin("during", 300).await;
    for leg in [Leg::Second, Leg::First] {
        let deleted = admin(&stage).delete_topics(&[stage.topic(leg).as_str()], &AdminOptions::new()).await;
        deleted.unwrap()[0].as_ref().unwrap();
    }
    worker.begin("after", 300).await;
    stage.all_ended(900).await;
    assert_eq!(stage.rows("dead_letters").await, 0);
    for leg in [Leg::First, Leg::Second] {
        eventually("the topic is there and read to its end", async || {
            let lag = stage.lag(leg).await;
            !lag.is_empty() && lag.iter().all(|partition| partition.events() == 0)
        })
        .await;
    }
    worker.end().await;
}

/// Partitions that come later get events and are read by the step's two shards, from their first event on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_grows_under_load_is_read_whole_and_in_order() {
    const PARTITIONS: usize = 5;
    let mut stage = Stage::shared(Kind::MariaDb).await;
    // Clients notice by themselves after five minutes.
    stage.kafka_settings = "properties = { \"topic.metadata.refresh.interval.ms\" = \"500\" }".into();
    let (_relay, worker) = (stage.relay().await, stage.worker(NEVER).await);
    worker.begin("before", 200).await;
    stage.ended(20).await;
    for leg in [Leg::First, Leg::Second] {
        let topic = stage.topic(leg);
        let new = NewPartitions::new(topic.as_str(), PARTITIONS);
        admin(&stage).create_partitions(&[new], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    }
    let mut begun = 200;
    for leg in [Leg::First, Leg::Second] {
        eventually("each new partition has events, all of them settled", async || {
            let lag = stage.lag(leg).await;
            let all = lag.len() == PARTITIONS && lag.iter().all(|partition| partition.next > 0);
            if !all {
                worker.begin(&format!("load-{begun}"), 20).await;
                begun += 20;
            }
            all && lag.iter().all(|partition| partition.events() == 0)
        })
        .await;
    }
    stage.all_ended(begun).await;
    stage.all_published().await;
    assert_eq!(stage.rows("dead_letters").await, 0);
    worker.end().await;
}
