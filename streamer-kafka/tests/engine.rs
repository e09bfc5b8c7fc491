//! The engine on Kafka: a workflow runs through, and what no workflow wrote is set aside.
#![allow(missing_docs, clippy::unwrap_used, reason = "this is test code: what cannot be had fails the test")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{brokers, config, stranger, unique, until};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::FutureRecord;
use streamer_kafka::{KafkaConnector, KafkaMessage, KafkaStreamer};
use workflow_core::adapter::{Backend, ConnectorEvent, Store, SystemClock};
use workflow_core::memory::{InProcessScheduler, MemoryStore};
use workflow_core::{Api, Run, RunState, Step, Topic, Workflow};
use workflow_derive::Status;

#[derive(Status, Clone, Copy, Debug, PartialEq)]
#[status(crate = workflow_core)]
enum Parcel {
    Packed = 1,
    Carried = 2,
    Delivered = 3,
}

async fn carry(_: &mut Run<(), Parcel>) -> Parcel {
    Parcel::Carried
}

async fn deliver(_: &mut Run<(), Parcel>) -> Parcel {
    Parcel::Delivered
}

async fn letter(api: &Api<(), Parcel>, event: &ConnectorEvent) -> Step<()> {
    api.trigger_once(&event.id, &event.key, ()).await?;
    Ok(())
}

fn streamer() -> KafkaStreamer {
    KafkaStreamer::new(config().create_topics(true).partitions(2)).unwrap()
}

fn backend(streamer: &KafkaStreamer) -> (MemoryStore, Backend) {
    let store = MemoryStore::new(Arc::new(SystemClock::new()));
    (store.clone(), Backend::new(store, streamer.clone(), InProcessScheduler::new()))
}

/// The groups whose names begin so.
async fn groups(prefix: String) -> Vec<String> {
    let listed = tokio::task::spawn_blocking(move || {
        let client: BaseConsumer =
            rdkafka::ClientConfig::new().set("bootstrap.servers", brokers()).create().unwrap();
        let list = client.fetch_group_list(None, Duration::from_secs(10)).unwrap();
        let names = list.groups().iter().map(|group| group.name().to_owned());
        names.filter(|name| name.starts_with(&prefix)).collect()
    });
    listed.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_go_through_and_waiting_for_them_costs_no_group() {
    let (streamer, name) = (streamer(), unique("parcels"));
    let (_, backend) = backend(&streamer);
    let parcels = Workflow::builder(name.as_str())
        .step(Parcel::Packed, carry, [Parcel::Carried])
        .step(Parcel::Carried, deliver, [Parcel::Delivered])
        .build()
        .unwrap();
    let running = parcels.run(backend).await.unwrap();
    let mut runs = Vec::new();
    for number in 0..30 {
        runs.push(running.trigger(format!("parcel-{number}"), ()).await.unwrap());
    }
    let waiting = runs.iter().map(|run| running.wait_for(run).finished());
    for ended in futures_util::future::join_all(waiting).await {
        assert_eq!(ended.unwrap().run_state(), RunState::Completed);
    }
    running.shutdown(Duration::from_secs(5)).await;
    let mut groups = groups(name.clone()).await;
    groups.sort();
    let of_steps = [format!("{name}-1-consumer"), format!("{name}-2-consumer")];
    assert!(of_steps.iter().all(|group| groups.contains(group)), "{groups:?}");
    let unknown: Vec<&String> = groups.iter().filter(|group| !group.ends_with("-consumer")).collect();
    assert!(unknown.is_empty() && groups.len() <= 4, "waiting made a group: {groups:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_message_becomes_a_dead_letter_and_the_partition_goes_on() {
    let (streamer, name) = (streamer(), unique("parcels"));
    let (store, backend) = backend(&streamer);
    let parcels = Workflow::builder(name.as_str())
        .step(Parcel::Packed, carry, [Parcel::Carried])
        .step(Parcel::Carried, deliver, [Parcel::Delivered])
        .build()
        .unwrap();
    let running = parcels.run(backend).await.unwrap();
    let topic = format!("{name}-1");
    for partition in 0..2 {
        let record = FutureRecord::to(&topic).key("k").payload("not an event").partition(partition);
        stranger().send(record, Duration::from_secs(30)).await.unwrap();
    }
    for number in 0..8 {
        let run = running.trigger(format!("parcel-{number}"), ()).await.unwrap();
        assert_eq!(running.wait_for(&run).finished().await.unwrap().run_state(), RunState::Completed);
    }
    let letters = until("both are set aside", async || {
        let letters = store.dead_letters(10).await.unwrap();
        (letters.len() == 2).then_some(letters)
    })
    .await;
    for letter in letters {
        assert_eq!(&*letter.process, format!("{name}-1-consumer"));
        assert_eq!(letter.data.as_ref(), b"not an event");
        let place = format!("topic {topic}, partition ");
        assert!(letter.reason.contains(&place) && letter.reason.contains("offset 0"), "{}", letter.reason);
    }
    running.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_takes_a_foreign_topic_from_its_end() {
    let (streamer, name) = (streamer(), unique("parcels"));
    let (store, backend) = backend(&streamer);
    let foreign = Topic::new(unique("foreign"));
    streamer.topics().create(&foreign).await.unwrap();
    let send = async |key: &str, value: &str| {
        let record = FutureRecord::to(foreign.as_str()).key(key).payload(value);
        stranger().send(record, Duration::from_secs(30)).await.unwrap();
    };
    send("before", "letter").await;
    let source =
        KafkaConnector::new(&streamer, foreign.clone(), |message: &KafkaMessage<'_>| match message.value {
            Some(b"letter") => Ok(Some(ConnectorEvent::default())),
            Some(b"noise") => Ok(None),
            Some(_) | None => Err("neither a letter nor noise"),
        });
    let parcels = Workflow::builder(name.as_str())
        .step(Parcel::Packed, carry, [Parcel::Carried])
        .step(Parcel::Carried, deliver, [Parcel::Delivered])
        .connector("letters", source.from_latest(), letter)
        .build()
        .unwrap();
    let running = parcels.run(backend).await.unwrap();
    let group = format!("letters-connector-to-{name}-consumer");
    until("the connector has its place", async || {
        let lags = streamer.topics().lag(&foreign, &group).await.unwrap().unwrap();
        lags.iter().all(|lag| lag.committed.is_some()).then_some(())
    })
    .await;
    for (key, value) in [("noise", "noise"), ("spoilt", "?"), ("parcel-7", "letter")] {
        send(key, value).await;
    }
    let workflow = workflow_core::WorkflowName::new(name.as_str()).unwrap();
    let key = workflow_core::ForeignId::new("parcel-7").unwrap();
    let record =
        until("the letter has made a run", async || store.latest(&workflow, &key).await.unwrap()).await;
    assert_eq!(running.wait_for(&record.run_id).finished().await.unwrap().run_state(), RunState::Completed);
    let before = workflow_core::ForeignId::new("before").unwrap();
    assert!(store.latest(&workflow, &before).await.unwrap().is_none(), "it starts with the next message");
    let letters = until("the spoilt one is set aside", async || {
        let letters = store.dead_letters(10).await.unwrap();
        (!letters.is_empty()).then_some(letters)
    })
    .await;
    assert!(letters[0].reason.contains("neither a letter nor noise"), "{}", letters[0].reason);
    running.shutdown(Duration::from_secs(5)).await;
}
