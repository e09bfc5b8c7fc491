//! Events on Kafka: what is in the outbox of a shared database, and what a group of the Go library gets of it.

use std::collections::BTreeSet;

use serde_json::Value;
use workflow_core::{GroupName, Shard, StatusCode, WorkflowName};
use workflow_system_tests::ground::{Ground, Kind};

use crate::counted::{Counted, named};
use crate::go::{Go, GoEvent};
use crate::topics::{self, Topics};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_events_reach_its_group_by_its_relay() {
    let name = topics::fresh("relayed");
    let topic = format!("{name}-1");
    let _topics = Topics::make(vec![topic.clone()], 6).await;
    let ground = Ground::fresh(Kind::MariaDb).await;
    let client = named(&name).connect(&ground.database().await).await.unwrap();
    let mut triggered = BTreeSet::new();
    for number in 0..20 {
        triggered
            .insert(client.trigger(format!("order-{number}"), Counted::new()).await.unwrap().to_string());
    }
    let go = Go::on(&ground).with("brokers", topics::brokers());
    let relay = go.with("workflow", &name);
    let mut sent: Vec<GoEvent> = relay.all("relay-once", &[]).await;
    assert!(relay.all::<Value>("outbox", &[]).await.is_empty(), "what was sent is deleted");
    let group = GroupName::of_step(&WorkflowName::new(&*name).unwrap(), StatusCode::new(1).unwrap());
    let consumer = go.with("topic", &topic).with("group", group.role(Shard::WHOLE)).with("max", 20);
    let mut consumed: Vec<GoEvent> = consumer.all("consume", &[]).await;
    assert_eq!(consumed.iter().map(|event| event.run_id.clone()).collect::<BTreeSet<_>>(), triggered);
    let place = |event: &GoEvent| (event.partition, event.offset);
    sent.sort_by_key(place);
    consumed.sort_by_key(place);
    assert_eq!(consumed, sent);
    assert!(consumed.iter().any(|event| event.partition != consumed[0].partition), "several partitions");
}

/// Goal: a group goes on where it was left, so that members of ours and of the Go library can follow each other. Method:
/// one member takes half, another the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_member_of_its_group_goes_on_from_what_was_committed() {
    let topic = topics::fresh("committed");
    let _topics = Topics::make(vec![topic.clone()], 1).await;
    let go = Go::alone().with("brokers", topics::brokers());
    let events: Vec<Value> = (0..10)
        .map(|number| {
            serde_json::json!({"run_id": format!("run-{number}"), "type": 1, "headers": {"topic": topic}})
        })
        .collect();
    let _: Vec<GoEvent> = go.all("produce", &events).await;
    let member = go.with("topic", &topic).with("group", topics::fresh("group")).with("max", 5);
    for offsets in [0..5, 5..10] {
        let had: Vec<GoEvent> = member.all("consume", &[]).await;
        assert_eq!(had.iter().map(|event| event.offset).collect::<Vec<_>>(), offsets.collect::<Vec<_>>());
    }
}
