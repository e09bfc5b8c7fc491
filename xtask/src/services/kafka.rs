//! A Kafka broker for tests: one node in KRaft mode, on loopback alone.

use std::path::Path;
use std::process::Command;

use super::launch::{Plan, complete};
use super::recipe::Recipe;
use super::{jars, place, question};

/// Memory of the broker: enough for the thousands of small topics of a test run, and a bound.
pub(super) const HEAP: [&str; 3] = ["-Xms128m", "-Xmx512m", "-XX:+ExitOnOutOfMemoryError"];

/// Settings beside the defaults.
pub(super) const SETTINGS: [&str; 12] = [
    "process.roles=broker,controller",
    "node.id=1",
    "controller.listener.names=CONTROLLER",
    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "offsets.topic.num.partitions=4",
    // There is one broker: internal topics cannot have more copies.
    "offsets.topic.replication.factor=1",
    "transaction.state.log.replication.factor=1",
    "transaction.state.log.min.isr=1",
    "share.coordinator.state.topic.replication.factor=1",
    "share.coordinator.state.topic.min.isr=1",
    // A group's first member need not wait for others.
    "group.initial.rebalance.delay.ms=0",
    // A topic that nobody made is a mistake to be seen.
    "auto.create.topics.enable=false",
];

pub(super) struct Kafka;

impl Recipe for Kafka {
    fn prepare(&self, plan: &Plan) -> anyhow::Result<()> {
        let libs = jars::ensure(&plan.root)?;
        write_properties(plan)?;
        let mut format = java(plan, &libs)?;
        format.args(["kafka.tools.StorageTool", "format", "-t", &cluster_id(), "-c"]);
        format.arg(properties_file(plan));
        complete(format, "the formatting of Kafka's folder")
    }

    fn server(&self, plan: &Plan) -> anyhow::Result<Command> {
        // Again, since the ports of another try are others.
        write_properties(plan)?;
        let mut command = java(plan, &jars::ensure(&plan.root)?)?;
        command.arg("kafka.Kafka").arg(properties_file(plan));
        Ok(command)
    }

    fn answers(&self, plan: &Plan) -> anyhow::Result<bool> {
        let enough = METADATA_HEAD_BYTES;
        Ok(question::ask(plan.port, &METADATA_REQUEST, enough).is_some_and(|said| has_broker(&said)))
    }

    fn address(&self, plan: &Plan) -> String {
        format!("127.0.0.1:{}", plan.port)
    }
}

fn java(plan: &Plan, libs: &Path) -> anyhow::Result<Command> {
    let mut command = plan.command("java")?;
    command.args(HEAP).arg("-cp").arg(libs.join("*"));
    Ok(command)
}

fn properties_file(plan: &Plan) -> std::path::PathBuf {
    plan.folder.join("server.properties")
}

fn write_properties(plan: &Plan) -> anyhow::Result<()> {
    place::write(&properties_file(plan), &properties(plan), plan.user)
}

fn properties(plan: &Plan) -> String {
    let (port, controller) = (plan.port, plan.second_port);
    let mut lines: Vec<String> = SETTINGS.map(str::to_owned).to_vec();
    lines.push(format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"));
    lines.push(format!("advertised.listeners=PLAINTEXT://127.0.0.1:{port}"));
    lines.push(format!("controller.quorum.voters=1@127.0.0.1:{controller}"));
    lines.push(format!("log.dirs={}", plan.data().display()));
    lines.join("\n") + "\n"
}

/// A new id: sixteen bytes in base 64 without padding, whose last character has four bits that must be zero.
fn cluster_id() -> String {
    let mut id: String = std::iter::repeat_with(fastrand::alphanumeric).take(21).collect();
    id.push('A');
    id
}

/// A metadata request, version 1, for no topics: its length; api 3, version 1; correlation 0; no client id; no topics.
const METADATA_REQUEST: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];

/// The answer's length, correlation and number of brokers, of four bytes each.
const METADATA_HEAD_BYTES: usize = 12;

/// Whether the answer names a broker: the port is open a little before the broker is let into its own cluster.
fn has_broker(answer: &[u8]) -> bool {
    answer.get(8..METADATA_HEAD_BYTES).is_some_and(|brokers| brokers.iter().any(|byte| *byte != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_says_its_own_length() {
        assert_eq!(usize::from(METADATA_REQUEST[3]), METADATA_REQUEST.len() - 4);
    }

    #[test]
    fn a_broker_outside_its_cluster_does_not_answer_yet() {
        assert!(has_broker(&[0, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0, 1]));
        assert!(!has_broker(&[0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert!(!has_broker(&[0, 0, 0, 12]), "torn");
    }

    #[test]
    fn both_ports_and_the_folder_are_in_the_properties() {
        let plan = Plan { port: 7, second_port: 8, ..Plan::at("/r".as_ref(), "/r/t/kafka".into(), None) };
        let text = properties(&plan);
        assert!(text.contains("listeners=PLAINTEXT://127.0.0.1:7,CONTROLLER://127.0.0.1:8\n"), "{text}");
        assert!(text.contains("controller.quorum.voters=1@127.0.0.1:8\n"), "{text}");
        assert!(text.contains("log.dirs=/r/t/kafka/data\n"), "{text}");
    }

    #[test]
    fn each_cluster_has_an_id_of_its_own() {
        let (one, other) = (cluster_id(), cluster_id());
        assert_eq!(one.len(), 22);
        assert_ne!(one, other);
    }
}
