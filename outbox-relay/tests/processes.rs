//! The program as a process, on a file and the real brokers.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use store_sql::Sqlite;
use store_sql::sqlite::SqliteStore;
use streamer_kafka::{KafkaConfig, KafkaStreamer};
use support::{eventually, is_empty};
use workflow_conformance::samples::{new_run_of, start_as, stepped, store_over};
use workflow_core::adapter::{EventReceiver, EventStreamer, Generation, StartAt, Store};
use workflow_core::{Event, EventId, GroupName, Record, RunId, StatusCode, Topic, WorkflowName};

fn brokers() -> String {
    std::env::var("WORKFLOW_KAFKA_BROKERS")
        .expect("WORKFLOW_KAFKA_BROKERS=host:port names a Kafka broker for tests")
}

/// A port that nobody listens on.
const NOBODY: &str = "http://127.0.0.1:1";

/// A database and topics of its own.
struct Place {
    folder: tempfile::TempDir,
    store: SqliteStore,
    workflow: WorkflowName,
}

impl Place {
    async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(folder.path().join("runs.db")).await.unwrap().store().clone();
        let workflow = WorkflowName::new(format!("relay-{}", RunId::generate())).unwrap();
        Self { folder, store, workflow }
    }

    fn config(&self) -> std::path::PathBuf {
        let (path, file) = (self.folder.path().join("relay.toml"), self.folder.path().join("runs.db"));
        let text = format!(
            "database = \"sqlite:{}\"\nsingle = true\n[kafka]\nbrokers = \"{}\"\ncreate_topics = true\npartitions = 2\n",
            file.display(),
            brokers()
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    fn relay(&self, more: &[&str]) -> Command {
        let mut command = program();
        command.arg("--config").arg(self.config()).args(more);
        command
    }

    async fn backlog(&self, runs: usize) {
        for number in 0..runs {
            let run = start_as(&self.store, &self.run(number)).await;
            store_over(&self.store, &run, &stepped(&run, 2)).await;
        }
    }

    fn run(&self, number: usize) -> Record {
        new_run_of(self.workflow.clone(), &format!("order-{number}"))
    }

    /// What is on the topics, until each event of `runs` runs was there.
    async fn published(&self, runs: usize) -> Vec<std::sync::Arc<Event>> {
        let streamer = KafkaStreamer::new(KafkaConfig::new([brokers()])).unwrap();
        let mut events = Vec::new();
        for code in [1, 2] {
            let topic = Topic::of_status(&self.workflow, StatusCode::new(code).unwrap());
            let group = GroupName::of_step(&self.workflow, StatusCode::new(code).unwrap());
            let mut receiver = streamer.open(&topic, &group, StartAt::Earliest).await.unwrap();
            receiver.assign(vec![0, 1], Generation(1)).await.unwrap();
            let mut seen = HashSet::new();
            while seen.len() < runs {
                for delivery in receiver.next_batch(500).await.unwrap() {
                    seen.insert(delivery.event.run_id);
                    events.push(delivery.event);
                }
            }
        }
        events
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outbox-relay"));
    let ours = |name: &str| name.starts_with("WORKFLOW_") || name.starts_with("OTEL_");
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Ends it when the test does, however that is.
struct Process(Child);

impl Process {
    fn start(mut command: Command) -> Self {
        Self(command.stderr(Stdio::null()).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn refused(args: &[&str], folder: &Path) -> String {
    let output = program().args(args).current_dir(folder).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    told(&output)
}

#[test]
fn everything_that_is_wrong_with_the_settings_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("relay.toml");
    let text = "database = \"postgres://me:s3cret@db:x/orders\"\nshards = 0\nlisten = \"nowhere\"\ndrain_timeout = \"soon\"\n\
                colour = 1\n[kafka]\nbrokers = 7\n[limits]\npage = 0\n[telemetry]\nspan_filter = \"=what=\"\n\
                metrics_every_seconds = 0\n";
    std::fs::write(&config, text).unwrap();
    let mut command = program();
    command.args([
        "--config",
        config.to_str().unwrap(),
        "--log-format",
        "xml",
        "--otlp-endpoint",
        "collector",
    ]);
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "authorization s3cret").current_dir(folder.path());
    let output = command.output().unwrap();
    let told = told(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    for setting in [
        "database",
        "shards",
        "listen",
        "drain_timeout",
        "colour",
        "kafka",
        "limits.page",
        "log_format",
        "etcd",
        "telemetry.otlp_endpoint",
        "telemetry.span_filter",
        "telemetry.metrics_every_seconds",
        "OTEL_EXPORTER_OTLP_HEADERS",
    ] {
        assert!(told.contains(&format!("- {setting}")), "{setting} is not in: {told}");
    }
    assert!(!told.contains("s3cret"), "{told}");
    assert!(refused(&[], folder.path()).contains("--database"));
    std::fs::write(&config, "database = [").unwrap();
    assert!(refused(&["--config", config.to_str().unwrap()], folder.path()).contains("line 1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_publishes_what_is_there_and_ends() {
    let place = Place::fresh().await;
    place.backlog(50).await;
    let output = output(place.relay(&["--once"])).await;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(is_empty(&place.store).await);
    let events = place.published(50).await;
    assert_eq!(events.len(), 100, "each event is published once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_says_by_its_status_that_rows_are_left() {
    let place = Place::fresh().await;
    place.backlog(3).await;
    let config = place.config();
    let text =
        std::fs::read_to_string(&config).unwrap().replace("create_topics = true", "create_topics = false");
    std::fs::write(&config, text).unwrap();
    let mut command = program();
    command.arg("--config").arg(&config).arg("--once");
    let output = output(command).await;
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(!is_empty(&place.store).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_killed_again_and_again_loses_no_row() {
    const RUNS: usize = 600;
    let place = Place::fresh().await;
    place.backlog(RUNS).await;
    let left = async || place.store.outbox(None, 10_000).await.unwrap().rows.len();
    let mut kills = 0;
    // Each relay gets a little further, and is killed with events under way.
    while left().await > 0 && kills < 40 {
        let before = left().await;
        let relay = Process::start(place.relay(&[]));
        eventually("some rows are gone", async || left().await < before).await;
        relay.signal("-KILL");
        drop(relay);
        kills += 1;
    }
    let output = output(place.relay(&["--once"])).await;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let mut ids: HashMap<(RunId, u64), HashSet<Option<EventId>>> = HashMap::new();
    for event in place.published(RUNS).await {
        ids.entry((event.run_id, event.version.unwrap().get())).or_default().insert(event.event_id);
    }
    assert_eq!(ids.len(), 2 * RUNS, "an event is missing");
    assert!(ids.values().all(|ids| ids.len() == 1), "an event was published again under another id");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_asked_to_ends_with_nothing_under_way() {
    let place = Place::fresh().await;
    let mut relay = Process::start(place.relay(&["--log-format", "json"]));
    place.backlog(5).await;
    eventually("all is published", async || is_empty(&place.store).await).await;
    relay.signal("-TERM");
    let status = tokio::task::spawn_blocking(move || relay.0.wait().unwrap());
    let status =
        tokio::time::timeout(Duration::from_secs(20), status).await.expect("it ends in time").unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(place.published(5).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_holds_the_end_up_for_a_bounded_time() {
    let place = Place::fresh().await;
    place.backlog(5).await;
    let mut command = place.relay(&["--once", "--otlp-endpoint", NOBODY]);
    command.env("OTEL_EXPORTER_OTLP_TIMEOUT", "500");
    let begun = Instant::now();
    let output = output(command).await;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("the last spans and metrics are lost"), "{}", told(&output));
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    assert_eq!(place.published(5).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_reaches_the_servers() {
    let place = Place::fresh().await;
    let good = output(place.relay(&["check"])).await;
    assert_eq!(good.status.code(), Some(0), "{}", told(&good));
    assert!(told(&good).contains("kafka: it answers"), "{}", told(&good));
    assert!(!told(&good).contains("collector"), "nothing is pushed: {}", told(&good));
    let text = std::fs::read_to_string(place.config()).unwrap().replace(&brokers(), "127.0.0.1:1");
    let config = place.folder.path().join("wrong.toml");
    std::fs::write(&config, text).unwrap();
    let mut command = program();
    command.arg("--config").arg(config).arg("check").env("OTEL_EXPORTER_OTLP_ENDPOINT", NOBODY);
    let bad = output(command).await;
    assert_eq!(bad.status.code(), Some(1), "{}", told(&bad));
    for wrong in ["kafka: WRONG", "collector: WRONG"] {
        assert!(told(&bad).contains(wrong), "{}", told(&bad));
    }
}
