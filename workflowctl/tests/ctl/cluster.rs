//! `roles` and `topics`, on an etcd and a Kafka.

use std::path::Path;
use std::sync::Arc;

use scheduler_etcd::{EtcdConfig, EtcdScheduler};
use serde_json::Value;
use store_sql::sqlite::SqliteStore;
use streamer_kafka::{KafkaConfig, KafkaStreamer};
use workflow_conformance::samples::{event_of, new_run, orders, role, status, workflow as workflow_named};
use workflow_core::adapter::{
    EpochClaim, EventReceiver, EventStreamer, Generation, Position, Publication, RoleClaim, RoleScheduler,
    SendOutcome, StartAt, Store,
};
use workflow_core::{EventId, GroupName, Namespace, Shard, Timestamp, Topic};

use crate::place::{Answer, Place, ctl};

fn server(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: run `cargo xtask services up` and set what `cargo xtask services env` prints"
        )
    })
}

fn run(folder: &Path, args: &[&str]) -> Answer {
    Answer::of(&ctl(folder, args).output().unwrap())
}

fn unique(what: &str) -> String {
    format!("{what}-{}", uuid::Uuid::now_v7().simple())
}

#[tokio::test]
async fn owners_are_known_to_etcd() {
    let (folder, etcd) = (tempfile::tempdir().unwrap(), server("WORKFLOW_ETCD_ENDPOINTS"));
    let space = unique("ctl");
    let config = EtcdConfig::new(etcd.split(',')).instance_name("worker-7");
    let config = config.namespace(Namespace::new(space.as_str()).unwrap());
    let scheduler = EtcdScheduler::connect(config).await.unwrap();
    let group = GroupName::of_step(&orders(), status(1));
    let claim = RoleClaim { role: group.single_role(), group, shard: Shard::WHOLE };
    let lease = scheduler.claim(claim).await.unwrap();
    let asked = ["roles", "--etcd", &etcd, "--namespace", &space];
    let found = run(folder.path(), &[&asked[..], &["--json"]].concat()).ended(0).json();
    let only = &found["roles"][0];
    assert_eq!((&found["source"], found["roles"].as_array().unwrap().len()), (&"etcd".into(), 1));
    assert_eq!((&only["role"], &only["owner"]), (&"orders-1-consumer".into(), &"worker-7".into()));
    assert!(only["epoch"].as_u64() > Some(0) && only["since"].as_str().unwrap().starts_with("20"), "{only}");
    assert_eq!(found["instances"][0]["owned_roles"], 1);
    let other =
        run(folder.path(), &[&asked[..], &["--workflow", "refunds", "--json"]].concat()).ended(0).json();
    assert_eq!(other["roles"], Value::Array(Vec::new()));
    let human = run(folder.path(), &[&asked[..], &["--workflow", "orders"]].concat()).ended(0).out;
    assert!(human.contains("worker-7") && human.contains("1 role is owned"), "{human}");
    let text =
        format!("[etcd]\nendpoints = [{:?}]\nnamespace = {space:?}\n", etcd.split(',').next().unwrap());
    std::fs::write(folder.path().join("workflowctl.toml"), text).unwrap();
    assert!(run(folder.path(), &["roles"]).ended(0).out.contains("worker-7"));
    drop(lease);
}

#[tokio::test]
async fn without_etcd_the_database_tells_the_epochs() {
    let place = Place::fresh().await;
    for _ in 0..2 {
        SqliteStore::register(place.store(), &role(1), EpochClaim::Next).await.unwrap();
    }
    let found = place.run(&["roles", "--json"]).ended(0).json();
    assert_eq!((&found["source"], &found["roles"][0]["epoch"]), (&"database".into(), &2.into()));
    assert_eq!(
        (&found["roles"][0]["role"], &found["roles"][0]["owner"]),
        (&role(1).as_str().into(), &Value::Null)
    );
    assert!(place.run(&["roles"]).ended(0).out.contains("name it by --etcd"));
}

#[test]
fn what_is_wrong_with_the_servers_is_told_without_their_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = run(folder.path(), &["roles", "--etcd", "etcd:2379"]).ended(2);
    assert!(wrong.error.contains("etcd") && wrong.error.contains("http://"), "{}", wrong.error);
    assert!(run(folder.path(), &["topics", "list"]).ended(2).error.contains("--kafka"));
    assert!(
        run(folder.path(), &["roles", "--etcd", "http://127.0.0.1:1"]).ended(2).error.contains("127.0.0.1:1")
    );
    std::fs::write(folder.path().join("secret"), "hunter2\n").unwrap();
    let text = "[etcd]\nendpoints = [\"http://127.0.0.1:1\"]\npassword_file = \"secret\"\n[kafka]\nbrokers = \"127.0.0.1:1\"\n\
        partitions = 0\n[kafka.sasl]\nuser = \"me\"\npassword_file = \"none\"\n";
    std::fs::write(folder.path().join("workflowctl.toml"), text).unwrap();
    let roles = run(folder.path(), &["roles"]).ended(2);
    assert!(
        roles.error.contains("workflowctl.toml: etcd: ") && roles.error.contains("user: it is missing"),
        "{}",
        roles.error
    );
    let topics = run(folder.path(), &["topics", "list"]).ended(2);
    for told in
        ["workflowctl.toml: kafka: password_file: none cannot be read", "workflowctl.toml: kafka: partitions"]
    {
        assert!(topics.error.contains(told), "{told}: {}", topics.error);
    }
    assert!(!roles.all().contains("hunter2"));
}

#[tokio::test]
async fn topics_are_made_described_and_measured() {
    let (folder, kafka) = (tempfile::tempdir().unwrap(), server("WORKFLOW_KAFKA_BROKERS"));
    let workflow = unique("Ctl");
    let run = |args: &[&str], code: i32| {
        let which = ["--workflow", &workflow, "--kafka", &kafka, "--json"];
        run(folder.path(), &[&["topics"], args, &which].concat()).ended(code)
    };
    let create = ["create", "--statuses", "1,2", "--partitions", "3", "--replication", "1"];
    let made = run(&create, 0).json();
    let names = ["1", "2", "run-state-change", "delete"].map(|part| format!("{workflow}-{part}"));
    let told: Vec<&str> = made.as_array().unwrap().iter().map(|one| one["topic"].as_str().unwrap()).collect();
    assert_eq!(told, names);
    assert!(made.as_array().unwrap().iter().all(|one| one["made"] == true), "{made}");
    assert_eq!(run(&create, 0).json()[0]["made"], false);
    let listed = run(&["list"], 0).json();
    assert_eq!(listed["topics"].as_array().unwrap().len(), 4);
    assert!(listed["topics"].as_array().unwrap().iter().all(|one| one["partitions"] == 3), "{listed}");
    let described = run(&["describe", "--statuses", "2"], 0).json();
    assert_eq!(described.as_array().unwrap().len(), 9);
    assert_eq!((&described[0]["topic"], &described[0]["next"]), (&names[1].as_str().into(), &0.into()));
    assert!(
        run(&["describe", "--statuses", "7"], 1).error.contains(&format!("there is no topic {workflow}-7"))
    );
    assert_eq!(run(&["lag"], 0).json()["partitions"], Value::Array(Vec::new()));
    let group = format!("{}-1-consumer", workflow.to_lowercase());
    publish(&kafka, &names[0], 5).await;
    let lag = run(&["lag", "--statuses", "1", "--group", &group], 0).json();
    assert_eq!((&lag["events"], &lag["partitions"][0]["group"]), (&5.into(), &group.as_str().into()));
    settle(&kafka, &names[0], &workflow).await;
    let lag = run(&["lag"], 0).json();
    let rows = lag["partitions"].as_array().unwrap();
    assert_eq!((&lag["events"], rows.len()), (&0.into(), 3));
    assert!(
        rows.iter().all(|row| row["topic"] == names[0].as_str() && row["group"] == group.as_str()),
        "{lag}"
    );
}

/// Puts events on a topic.
async fn publish(kafka: &str, topic: &str, events: usize) {
    let streamer = KafkaStreamer::new(KafkaConfig::new([kafka])).unwrap();
    let publication = |number: usize| {
        let mut event = (*event_of(&new_run(&format!("order-{number}")))).clone();
        event.topic = Topic::new(topic);
        let at = Timestamp::from_millis(0);
        Publication { row: EventId::after(None), event: Arc::new(event), record: None, at }
    };
    let outcomes = streamer.send((0..events).map(publication).collect()).await.unwrap();
    assert!(outcomes.iter().all(|outcome| *outcome == SendOutcome::Durable), "{outcomes:?}");
}

/// Takes all that is on a topic, as the step's group, and settles it.
async fn settle(kafka: &str, topic: &str, workflow: &str) {
    let streamer = KafkaStreamer::new(KafkaConfig::new([kafka])).unwrap();
    let group = GroupName::of_step(&workflow_named(workflow), status(1));
    let mut receiver = streamer.open(&Topic::new(topic), &group, StartAt::Earliest).await.unwrap();
    receiver.assign((0..3).collect(), Generation(1)).await.unwrap();
    let mut taken = 0;
    while taken < 5 {
        let batch = receiver.next_batch(100).await.unwrap();
        taken += batch.len();
        let positions: Vec<Position> = batch.iter().map(|one| one.position).collect();
        receiver.settle(&positions, Generation(1)).await.unwrap();
    }
    receiver.release().await.unwrap();
}
