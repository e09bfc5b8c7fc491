//! Brokers that refuse what they are asked for.

use workflow_system_tests::broker::{Broker, BrokerOptions};
use workflow_system_tests::ground::Kind;

use crate::check::eventually;
use crate::legs::Leg;
use crate::stage::{NEVER, Stage};

const REFUSALS: &str = "workflow_outbox_errors_total";

/// A relay whose user has no right to the topics holds everything, and goes on as soon as it is given the right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_brokers_do_not_allow_is_held_and_never_parked() {
    let mut broker =
        Broker::start(BrokerOptions { users: vec![("relay", "s3cret")], ..BrokerOptions::default() }).await;
    let mut stage = Stage::on(Kind::Postgres, broker.address()).await;
    stage.relay_brokers = Some(broker.guarded_address());
    stage.kafka_settings =
        "[kafka.sasl]\nmechanism = \"PLAIN\"\nuser = \"relay\"\npassword = \"s3cret\"".to_owned();
    let worker = stage.worker(NEVER).await;
    let relay = stage.relay().await;
    worker.begin("journey", 50).await;
    eventually("the relay was refused again and again", async || relay.metric(REFUSALS).await >= 3.0).await;
    let held = relay.told("events are held");
    let error = held.last().unwrap()["error"].as_str().unwrap();
    assert!(error.contains("do not allow it") && error.contains("legs-1"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
    assert_eq!((stage.rows("outbox").await, stage.rows("dead_letters").await), (50, 0));
    broker.kill();
    broker.change("super.users=User:ANONYMOUS;User:relay");
    broker.resume().await;
    stage.all_ended(50).await;
    stage.all_published().await;
    assert_eq!(stage.rows("dead_letters").await, 0);
    worker.end().await;
}

/// With too few replicas in sync nothing is acknowledged; the events wait until there are enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_too_few_replicas_would_keep_is_held_and_never_parked() {
    let quick = BrokerOptions {
        properties:
            "broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\nmin.insync.replicas=2\n\
                     default.replication.factor=2"
                .to_owned(),
        ..BrokerOptions::default()
    };
    let first = Broker::start(quick.clone()).await;
    let mut second = first.join(2, quick).await;
    let stage = Stage::on(Kind::MariaDb, first.address()).await;
    let worker = stage.worker(NEVER).await;
    let relay = stage.relay().await;
    worker.begin("before", 50).await;
    stage.all_ended(50).await;
    second.kill();
    worker.begin("during", 50).await;
    eventually("the relay was refused again and again", async || relay.metric(REFUSALS).await >= 3.0).await;
    eventually("only one replica is in sync", async || stage.in_sync(Leg::First).await == 1).await;
    assert_eq!((stage.rows("outbox").await, stage.rows("dead_letters").await), (50, 0));
    second.resume().await;
    stage.all_ended(100).await;
    stage.all_published().await;
    assert_eq!(stage.rows("dead_letters").await, 0);
    worker.end().await;
}
