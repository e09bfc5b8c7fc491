//! Goal: what waits in a topic is told from what is lost. Method: a group falls behind, and catches up.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use streamer_kafka::KafkaStreamer;
use workflow_core::adapter::{
    EventReceiver, EventStreamer, Generation, Namespaced, Position, Publication, SendOutcome, StartAt,
};
use workflow_core::{
    Event, EventId, ForeignId, GroupName, Namespace, RunId, RunState, StatusCode, Timestamp, Topic, Version,
    WorkflowName,
};

fn publication(workflow: &WorkflowName, run: u128) -> Publication {
    let status = StatusCode::new(2).unwrap();
    let event = Event {
        event_id: Some(EventId::after(None)),
        topic: Topic::of_status(workflow, status),
        workflow_name: workflow.clone(),
        foreign_id: ForeignId::new(format!("order-{run}")).unwrap(),
        run_id: RunId::from_uuid(uuid::Uuid::from_u128(run)),
        status,
        run_state: RunState::Running,
        version: Some(Version::FIRST),
        headers: Vec::new(),
    };
    Publication { row: EventId::after(None), event: Arc::new(event), record: None, at: now() }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_behind_has_not_settled_what_was_before() {
    let workflow = WorkflowName::new(common::unique("orders")).unwrap();
    let (topic, group) = {
        let status = StatusCode::new(2).unwrap();
        (Topic::of_status(&workflow, status), GroupName::of_step(&workflow, status))
    };
    let kafka = KafkaStreamer::new(common::config().create_topics(true).partitions(3)).unwrap();
    let namespace = Namespace::new(common::unique("n")).unwrap();
    let streamer = Namespaced::new(kafka.clone(), namespace.clone());
    assert!(streamer.has_settled(&topic, &group, now()).await.unwrap(), "there is no topic");
    let mut receiver = streamer.open(&topic, &group, StartAt::Earliest).await.unwrap();
    assert!(streamer.has_settled(&topic, &group, now()).await.unwrap(), "there is no event");
    let sent = streamer.send((0..20).map(|run| publication(&workflow, run)).collect()).await.unwrap();
    assert!(sent.iter().all(|outcome| *outcome == SendOutcome::Durable));
    let later = now() + Duration::from_secs(1);
    assert!(!streamer.has_settled(&topic, &group, later).await.unwrap(), "twenty wait");
    assert!(streamer.has_settled(&topic, &group, now().before(Duration::from_secs(3600))).await.unwrap());
    receiver.assign(vec![0, 1, 2], Generation(1)).await.unwrap();
    let mut positions: Vec<Position> = Vec::new();
    while positions.len() < 20 {
        let batch = receiver.next_batch(20).await.unwrap();
        assert!(batch.iter().all(|delivery| delivery.event.topic == topic), "as the store knows it");
        positions.extend(batch.iter().map(|delivery| delivery.position));
    }
    receiver.settle(&positions[1..], Generation(1)).await.unwrap();
    receiver.release().await.unwrap();
    assert!(!streamer.has_settled(&topic, &group, later).await.unwrap(), "one is left");
    receiver.assign(vec![0, 1, 2], Generation(2)).await.unwrap();
    let left = receiver.next_batch(20).await.unwrap();
    let left: Vec<Position> = left.iter().map(|delivery| delivery.position).collect();
    receiver.settle(&left, Generation(2)).await.unwrap();
    receiver.release().await.unwrap();
    assert!(streamer.has_settled(&topic, &group, later).await.unwrap());
    drop(receiver);
    kafka.close().await.unwrap();
}
