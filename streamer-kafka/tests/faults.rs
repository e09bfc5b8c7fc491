//! A broker that goes away and comes back.
#![allow(missing_docs, clippy::unwrap_used, reason = "this is test code: what cannot be had fails the test")]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::broker::{Broker, With};
use common::{event, publication, receive, send_all, until};
use streamer_kafka::KafkaStreamer;
use workflow_core::adapter::{EventReceiver, EventStreamer, Generation, StartAt};
use workflow_core::{GroupName, RunId, Topic, WorkflowName};

fn group() -> GroupName {
    GroupName::of_deletions(&WorkflowName::new("orders").unwrap())
}

/// What is sent while the broker is away fails and can be sent again; nothing that was acknowledged is lost, and a reader
/// that was there all the time goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_was_away_loses_nothing() {
    let mut broker = Broker::start(With::Nothing).await;
    let config =
        broker.config().delivery_timeout(Duration::from_secs(1)).request_timeout(Duration::from_secs(1));
    let (streamer, topic) = (KafkaStreamer::new(config).unwrap(), Topic::new("orders-2"));
    let mut receiver = streamer.open(&topic, &group(), StartAt::Earliest).await.unwrap();
    // The first question about a group has the broker make the topic that it keeps offsets in.
    until("the group can be asked", async || receiver.assign(vec![0, 1], Generation(1)).await.ok()).await;
    let before: Vec<_> = (0..20).map(|_| event(&topic)).collect();
    send_all(&streamer, &before).await;
    let seen = receive(&mut receiver, 20).await;
    let settled: Vec<_> = seen.iter().map(|each| each.position).collect();
    receiver.settle(&settled[..10], Generation(1)).await.unwrap();
    broker.kill();
    let during: Vec<_> = (0..20).map(|_| event(&topic)).collect();
    let failed = streamer.send(during.iter().map(publication).collect()).await.unwrap_err();
    assert!(failed.is_retryable() && failed.to_string().contains("orders-2"), "{failed}");
    let other = Topic::new("orders-3");
    assert!(streamer.partitions(&other).await.unwrap_err().is_retryable(), "asking does not hang either");
    broker.resume().await;
    until("the events are taken", async || {
        let batch = during.iter().map(publication).collect();
        streamer.send(batch).await.ok()
    })
    .await;
    let mut missing: BTreeSet<RunId> = during.iter().map(|each| each.run_id).collect();
    while !missing.is_empty() {
        receiver.next_batch(100).await.unwrap().iter().for_each(|each| {
            missing.remove(&each.event.run_id);
        });
    }
    until("its place is committed", async || receiver.release().await.ok()).await;
    assert!(streamer.client_errors() > 0, "the clients noticed");
}

/// With the broker away for good, a close ends within its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_without_a_broker_is_bounded() {
    let mut broker = Broker::start(With::Nothing).await;
    let config =
        broker.config().close_timeout(Duration::from_secs(2)).request_timeout(Duration::from_secs(1));
    let (streamer, topic) = (KafkaStreamer::new(config).unwrap(), Topic::new("orders-2"));
    let mut receiver = streamer.open(&topic, &group(), StartAt::Earliest).await.unwrap();
    // The first question about a group has the broker make the topic that it keeps offsets in.
    until("the group can be asked", async || receiver.assign(vec![0, 1], Generation(1)).await.ok()).await;
    send_all(&streamer, &[event(&topic)]).await;
    let seen = receive(&mut receiver, 1).await;
    receiver.settle(&[seen[0].position], Generation(1)).await.unwrap();
    broker.kill();
    drop(receiver);
    // librdkafka may wait in its last commit until the broker is back; the program can end all the same.
    let closed = streamer.close().await;
    assert_eq!(closed.is_err(), streamer.open_clients() > 0, "{closed:?}");
}
