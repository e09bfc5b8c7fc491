//! Events that are larger than their topic takes.

use std::collections::BTreeSet;
use std::process::Stdio;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use streamer_kafka::Topics;
use tokio::process::Command;
use workflow_system_tests::ground::Kind;

use crate::check::eventually;
use crate::legs::Leg;
use crate::stage::{NEVER, Stage};

/// Between the size of an event with a short foreign id and that of one with a long one: two short ones are too large together.
const BYTES_MAX: &str = "450";

const SMALL: usize = 200;
const LARGE: usize = 20;

async fn limit(stage: &Stage, bytes: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", stage.brokers()).create().unwrap();
    let topic = stage.topic(Leg::Second);
    let config = AlterConfig::new(ResourceSpecifier::Topic(topic.as_str())).set("max.message.bytes", bytes);
    admin.alter_configs(&[config], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
}

/// Of a batch that is too large only the events that are too large themselves are set aside; put back after the limit was
/// raised, they go their way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_too_large_is_set_aside_and_goes_on_when_it_is_put_back() {
    let stage = Stage::shared(Kind::Postgres).await;
    Topics::new(stage.kafka()).unwrap().create(&stage.topic(Leg::Second)).await.unwrap();
    limit(&stage, BYTES_MAX).await;
    let (relay, worker) = (stage.relay().await, stage.worker(NEVER).await);
    worker.begin("small", SMALL / 2).await;
    let long = "x".repeat(240);
    worker.begin(&long, LARGE).await;
    worker.begin("small-too", SMALL / 2).await;
    stage.ended(SMALL).await;
    eventually("the large ones are set aside", async || stage.rows("dead_letters").await == LARGE).await;
    let mut session = stage.ground.session().await;
    let stopped = format!("status = 2 and run_state = 2 and foreign_id like '{long}-%'");
    assert_eq!(stage.count(&mut session, &stopped).await, LARGE);
    let reasons = session.texts("select distinct reason from workflow_dead_letters").await.unwrap();
    let [reason] = &*reasons else { panic!("{reasons:?}") };
    let topic = stage.topic(Leg::Second);
    assert!(reason.contains("larger than topic") && reason.contains(topic.as_str()), "{reason}");
    assert!(reason.contains("max.message.bytes"), "what is to be done: {reason}");
    assert_eq!(relay.metric("workflow_outbox_dead_letters_total").await, LARGE as f64);

    limit(&stage, "1000000").await;
    requeue(&stage).await;
    stage.all_ended(SMALL + LARGE).await;
    stage.all_published().await;
    assert_eq!(stage.rows("dead_letters").await, 0);
    let published: BTreeSet<String> = stage.published().await.into_iter().collect();
    assert_eq!(published.len(), 4 * (SMALL + LARGE));
    worker.end().await;
}

/// As an operator does.
async fn requeue(stage: &Stage) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_page-workflowctl"));
    command.args(["outbox", "dead-letters", "requeue", "--all", "--workflow", crate::legs::LEGS]);
    command.env("WORKFLOW_DATABASE_URL", stage.ground.url()).stdin(Stdio::null());
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
