//! What several processes of one test share passes the suites of the adapters, and so do names of a namespace.
#![allow(missing_docs, clippy::unwrap_used)]
#![cfg(feature = "testing")]

use std::sync::Arc;

use workflow_conformance::scheduler::SchedulerFixture;
use workflow_conformance::streamer::StreamerFixture;
use workflow_core::adapter::{EventReceiver, EventStreamer, Generation, Namespaced, Publication, StartAt};
use workflow_core::testing::{SharedRoles, SharedScheduler, SharedStream};
use workflow_core::{
    Event, EventId, ForeignId, GroupName, Namespace, RunId, RunState, StatusCode, Topic, Version,
    WorkflowName,
};

struct Stream(Arc<Namespaced<SharedStream>>);

impl StreamerFixture for Stream {
    type Streamer = Namespaced<SharedStream>;

    async fn fresh() -> Self {
        Self(Arc::new(Namespaced::new(SharedStream::new(), Namespace::new("shop").unwrap())))
    }

    fn streamer(&self) -> Arc<Self::Streamer> {
        Arc::clone(&self.0)
    }
}

struct Roles(SharedRoles);

impl SchedulerFixture for Roles {
    type Scheduler = SharedScheduler;

    async fn fresh() -> Self {
        Self(SharedRoles::new())
    }

    fn scheduler(&self) -> Arc<SharedScheduler> {
        Arc::new(self.0.of_process(1))
    }

    async fn second(&self) -> Arc<SharedScheduler> {
        Arc::new(self.0.of_process(2))
    }
}

workflow_conformance::streamer_suite!(Stream);
workflow_conformance::receiver_suite!(Stream);
workflow_conformance::scheduler_suite!(Roles);

fn event() -> Event {
    let (workflow_name, status) = (WorkflowName::new("orders").unwrap(), StatusCode::new(2).unwrap());
    Event {
        event_id: Some(EventId::after(None)),
        topic: Topic::of_status(&workflow_name, status),
        workflow_name,
        foreign_id: ForeignId::new("order-17").unwrap(),
        run_id: RunId::from_uuid(uuid::Uuid::from_u128(7)),
        status,
        run_state: RunState::Running,
        version: Some(Version::FIRST),
        headers: Vec::new(),
    }
}

/// The broker sees the namespace in every topic; who reads does not.
#[tokio::test]
async fn a_namespace_is_seen_by_the_broker_alone() {
    let broker = SharedStream::new();
    let shop = Namespaced::new(broker.clone(), Namespace::new("shop").unwrap());
    let other = Namespaced::new(broker.clone(), Namespace::new("other").unwrap());
    let event = Arc::new(event());
    let (topic, group) = (event.topic.clone(), GroupName::of_connector("a", &event.workflow_name));
    let publication =
        Publication { row: EventId::after(None), event: Arc::clone(&event), record: None, at: shop_time() };
    shop.send(vec![publication]).await.unwrap();
    assert_eq!(broker.events(&topic), []);
    let seen = broker.events(&Topic::new(format!("shop.{topic}").as_str()));
    assert_eq!(seen[0].topic.as_str(), format!("shop.{topic}"));
    let mut receiver = shop.open(&topic, &group, StartAt::Earliest).await.unwrap();
    receiver.assign((0..4).collect(), Generation(1)).await.unwrap();
    assert_eq!(receiver.next_batch(9).await.unwrap()[0].event, event);
    assert!(!shop.has_settled(&topic, &group, later()).await.unwrap());
    assert!(other.has_settled(&topic, &group, later()).await.unwrap());
}

fn shop_time() -> workflow_core::Timestamp {
    workflow_core::Timestamp::from_millis(1_000)
}

fn later() -> workflow_core::Timestamp {
    workflow_core::Timestamp::from_millis(2_000)
}
