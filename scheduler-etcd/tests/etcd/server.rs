//! An etcd of a test's own, to be restarted and taken away.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use scheduler_etcd::{EtcdConfig, EtcdObserver};
use tempfile::TempDir;

use crate::support::eventually;

pub(crate) struct Server {
    folder: TempDir,
    arguments: Vec<String>,
    scheme: &'static str,
    ports: [u16; 2],
    child: Option<Child>,
}

/// A free port that the system gives to no connection by itself, so that it is still free after a restart.
pub(crate) fn free_port() -> u16 {
    let candidates = std::iter::repeat_with(|| fastrand::u16(10_000..30_000));
    candidates.take(1000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

impl Server {
    /// Starts an etcd without TLS, and waits until it answers.
    pub(crate) async fn start() -> Self {
        let mut server = Self::prepare("http", TempDir::new().unwrap(), Vec::new());
        server.come_back().await;
        server
    }

    /// Starts an etcd with these arguments too, without waiting for it.
    pub(crate) fn start_with(scheme: &'static str, folder: TempDir, arguments: Vec<String>) -> Self {
        let mut server = Self::prepare(scheme, folder, arguments);
        server.spawn();
        server
    }

    fn prepare(scheme: &'static str, folder: TempDir, arguments: Vec<String>) -> Self {
        Self { folder, arguments, scheme, ports: [free_port(), free_port()], child: None }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.ports[0])
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Takes the server away, as a crash does.
    pub(crate) fn go_away(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Loses what it has stored while it was away.
    pub(crate) fn forget(&self) {
        std::fs::remove_dir_all(self.folder.path().join("data")).unwrap();
    }

    /// Starts it again with what it has stored, and waits until it answers.
    pub(crate) async fn come_back(&mut self) {
        self.spawn();
        let config = EtcdConfig::new([self.endpoint()]);
        eventually("etcd answers", async || EtcdObserver::connect(config.clone()).await.is_ok()).await;
    }

    fn spawn(&mut self) {
        let (clients, peers) = (self.endpoint(), format!("http://127.0.0.1:{}", self.ports[1]));
        let child = Command::new("etcd")
            .arg("--data-dir")
            .arg(self.folder.path().join("data"))
            .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
            .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
            .args(["--initial-cluster", &format!("default={peers}"), "--log-level", "fatal"])
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("the tests need the program etcd: apt-get install etcd-server"));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.go_away();
    }
}
