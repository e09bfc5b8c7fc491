//! Our relay as the program that it is.

use std::process::Stdio;

use tokio::process::{Child, Command};
use workflow_system_tests::ground::Ground;
use workflow_system_tests::patience::patiently;

use crate::topics;

/// The relay of a database, until it is dropped.
pub(crate) struct Relay(Child);

impl Relay {
    /// Starts one without etcd, as the only one of its kind.
    pub(crate) fn start(ground: &Ground) -> Self {
        Self(program(ground).stderr(Stdio::inherit()).kill_on_drop(true).spawn().unwrap())
    }

    /// Asks it to end, and waits until it has published what it had read.
    pub(crate) async fn stop(mut self) {
        let pid = self.0.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
        assert!(sent.success());
        let status = patiently("the relay's end", self.0.wait()).await.unwrap();
        assert!(status.success(), "{status}");
    }
}

fn program(ground: &Ground) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster-relay"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WORKFLOW_")) {
        command.env_remove(name);
    }
    command.arg("--single").env("WORKFLOW_DATABASE_URL", ground.url());
    command.env("WORKFLOW_KAFKA_BROKERS", topics::brokers()).env("WORKFLOW_RELAY_LOG", "warn");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}
