//! The relay's program, with its settings in a file and its metrics read as Prometheus does.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use workflow_system_tests::patience::until;

/// A relay that is under way; it is killed when this is dropped.
pub(crate) struct Relay {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

/// How many ticks of its clock the system tells the times of processes in, per second.
const TICKS: f64 = 100.0;

impl Relay {
    /// Starts it with this configuration, in a folder of the test's.
    pub(crate) async fn start(folder: &Path, config: &str) -> Self {
        let name = format!("relay-{:08x}", fastrand::u32(..));
        let (file, log) = (folder.join(format!("{name}.toml")), folder.join(format!("{name}.log")));
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_cluster-relay"));
        for (variable, _) in std::env::vars().filter(|(variable, _)| variable.starts_with("WORKFLOW_")) {
            command.env_remove(variable);
        }
        command.arg("--config").arg(&file).args(["--listen", "127.0.0.1:0", "--log-format", "json"]);
        command.stdin(Stdio::null()).stdout(File::create(&log).unwrap());
        command.stderr(File::options().append(true).open(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let mut address = None;
        until("the address of the relay", async || {
            assert!(child.try_wait().unwrap().is_none(), "{}", std::fs::read_to_string(&log).unwrap());
            address = said(&log).iter().find_map(|line| line["address"].as_str()?.parse().ok());
            address.is_some()
        })
        .await;
        Self { child, address: address.unwrap(), log }
    }

    /// What it has logged with a message that contains this.
    pub(crate) fn told(&self, message: &str) -> Vec<serde_json::Value> {
        let mut said = said(&self.log);
        said.retain(|line| line["message"].as_str().is_some_and(|told| told.contains(message)));
        said
    }

    /// The sum of a metric over all shards.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let page = self.get("/metrics").await;
        let of_it = page.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
        of_it.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// How many seconds of a processor it has used.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name, which is the second field, ends with the last bracket; user and system time are fields 14 and 15.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS
    }

    /// Kills it in the middle of whatever it does.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.end();
    }
}

fn said(log: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
