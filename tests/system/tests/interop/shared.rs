//! Workers of both languages beside each other: one workflow, whose steps are divided between them.

use std::collections::BTreeMap;

use scheduler_etcd::{EtcdConfig, EtcdScheduler};
use serde::Deserialize;
use serde_json::Value;
use store_sql::Database;
use streamer_kafka::{KafkaConfig, KafkaStreamer};
use workflow::prelude::*;
use workflow::{Namespace, Running};
use workflow_core::{GroupName, Shard, StatusCode, WorkflowName};
use workflow_system_tests::ground::{Ground, Kind};
use workflow_system_tests::patience::{PATIENCE, patiently};

use crate::counted::{Counted, Stage, go_trigger, outer};
use crate::go::{Go, GoRecord};
use crate::relay::Relay;
use crate::topics::{self, Topics};

/// How many runs each side triggers.
const RUNS: usize = 150;

/// What the Go worker made of an event.
#[derive(Deserialize)]
pub(crate) struct Worked {
    pub(crate) run_id: String,
    pub(crate) version: u64,
    #[serde(default)]
    pub(crate) skipped: String,
}

/// Our worker: an engine on Kafka and etcd, which leaves the outbox to relays.
pub(crate) async fn engine(
    workflow: Workflow<Counted, Stage>,
    ground: &Ground,
    streamer: &KafkaStreamer,
) -> Running<Counted, Stage> {
    let endpoints = std::env::var("WORKFLOW_ETCD_ENDPOINTS")
        .expect("no etcd: `cargo xtask services up`, then set WORKFLOW_ETCD_ENDPOINTS as `cargo xtask services env` prints it");
    let namespace = Namespace::new(format!("t{:016x}", fastrand::u64(..))).unwrap();
    let etcd = EtcdConfig::new(endpoints.split(',')).namespace(namespace);
    let scheduler = EtcdScheduler::connect(etcd).await.unwrap();
    let database = ground.database().await;
    workflow.run(database.backend_with(streamer.clone(), scheduler)).await.unwrap()
}

/// Goal: a workflow may be moved from one language to the other step by step. Method: the Go worker has the step in the
/// middle, under the role's name as its group, ours has those around it; both trigger runs at the same time. Each transition
/// is made once: the object counts them, the history has ours, and the Go worker says which events it stored something for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_steps_of_a_workflow_are_divided_between_workers_of_both() {
    divided(false).await;
}

/// The guard is in nobody's way who writes the next version, as the Go library does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_with_the_guard() {
    divided(true).await;
}

async fn divided(guard: bool) {
    let name = topics::fresh("shared");
    let _topics = Topics::of_workflow(&name, 4).await;
    let ground = Ground::fresh(Kind::MariaDb).await;
    Database::options().guard(guard).migrate(ground.url()).await.unwrap();
    let streamer = KafkaStreamer::new(KafkaConfig::new([topics::brokers()])).unwrap();
    let running = engine(outer(&name), &ground, &streamer).await;
    let relay = Relay::start(&ground);
    let go = Go::on(&ground).with("brokers", topics::brokers()).with("patience", "3m");
    let group = GroupName::of_step(&WorkflowName::new(&*name).unwrap(), StatusCode::new(2).unwrap());
    let worker = go.with("group", group.role(Shard::WHOLE)).with("topic", format!("{name}-2"));
    let worker = worker.with("from", 2).with("to", 3).with("description", "Three").start("work");
    let theirs = async {
        let line = |number| {
            let mut line = go_trigger(&format!("theirs-{number}"));
            line["workflow_name"] = name.as_str().into();
            line
        };
        let made: Vec<GoRecord> = go.all("trigger", &(0..RUNS).map(line).collect::<Vec<Value>>()).await;
        made.iter().map(|record| record.run_id.parse::<RunId>().unwrap()).collect::<Vec<_>>()
    };
    let ours = async {
        let mut made = Vec::new();
        for number in 0..RUNS {
            made.push(running.trigger(format!("ours-{number}"), Counted::new()).await.unwrap());
        }
        made
    };
    let (theirs, ours) = tokio::join!(theirs, ours);
    for (note, runs) in [("go", &theirs), ("ours", &ours)] {
        for run in runs {
            let done = patiently("the end of a run", running.wait_for(run).finished()).await.unwrap();
            assert_eq!((done.status(), done.version().get()), (Stage::Four, 4));
            assert_eq!(done.object().unwrap(), Counted { count: 3, note: note.to_owned() });
        }
    }
    let mut stored: BTreeMap<String, usize> = BTreeMap::new();
    for worked in worker.stop::<Worked>().await {
        if worked.skipped.is_empty() {
            assert_eq!(worked.version, 2, "its step is the second");
            *stored.entry(worked.run_id).or_default() += 1;
        }
    }
    assert_eq!(stored.len(), 2 * RUNS, "each run went through its step");
    assert!(stored.values().all(|times| *times == 1), "and once: {stored:?}");
    let steps = steps_of_ours(&ground).await;
    assert_eq!(steps, [format!("1-2 in version 2: {}", 2 * RUNS), format!("3-4 in version 4: {}", 2 * RUNS)]);
    relay.stop().await;
    running.shutdown(PATIENCE).await;
    streamer.close().await.unwrap();
}

/// How often our history has each step, in the order of the versions it led to.
pub(crate) async fn steps_of_ours(ground: &Ground) -> Vec<String> {
    let query = "select concat(from_status, '-', to_status, ' in version ', version, ': ', count(*)) from workflow_history \
                 where from_status is not null group by from_status, to_status, version order by version";
    ground.session().await.texts(query).await.unwrap()
}
