//! An etcd server for tests: a cluster of one, on loopback alone.

use std::process::Command;

use super::launch::Plan;
use super::question;
use super::recipe::Recipe;

pub(super) struct Etcd;

impl Recipe for Etcd {
    fn prepare(&self, _plan: &Plan) -> anyhow::Result<()> {
        Ok(())
    }

    fn server(&self, plan: &Plan) -> anyhow::Result<Command> {
        let clients = self.address(plan);
        let peers = format!("http://127.0.0.1:{}", plan.second_port);
        let mut command = plan.command("etcd")?;
        command.arg(format!("--data-dir={}", plan.data().display()));
        command.args(["--name=workflow", "--logger=zap"]);
        command.arg(format!("--listen-client-urls={clients}"));
        command.arg(format!("--advertise-client-urls={clients}"));
        command.arg(format!("--listen-peer-urls={peers}"));
        command.arg(format!("--initial-advertise-peer-urls={peers}"));
        command.arg(format!("--initial-cluster=workflow={peers}"));
        Ok(command)
    }

    fn answers(&self, plan: &Plan) -> anyhow::Result<bool> {
        // It is healthy when there is a leader, so that it can write.
        let request = b"GET /health HTTP/1.0\r\n\r\n";
        Ok(question::ask(plan.port, request, usize::MAX).is_some_and(|said| healthy(&said)))
    }

    fn address(&self, plan: &Plan) -> String {
        format!("http://127.0.0.1:{}", plan.port)
    }
}

fn healthy(said: &[u8]) -> bool {
    let said = String::from_utf8_lossy(said);
    said.contains(" 200 ") && said.contains(r#""health":"true""#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_leader_is_not_healthy() {
        assert!(healthy(b"HTTP/1.0 200 OK\r\n\r\n{\"health\":\"true\"}"));
        assert!(healthy(b"HTTP/1.0 200 OK\r\n\r\n{\"health\":\"true\",\"reason\":\"\"}"));
        assert!(!healthy(b"HTTP/1.0 503 Service Unavailable\r\n\r\n{\"health\":\"false\"}"));
        assert!(!healthy(b""));
    }
}
