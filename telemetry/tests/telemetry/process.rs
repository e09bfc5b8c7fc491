//! Tests that are several processes: each is the test itself once more, with a part that it is told by its environment.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

const PART: &str = "TELEMETRY_TEST_PART";
const ENDPOINT: &str = "TELEMETRY_TEST_ENDPOINT";
const FILE: &str = "TELEMETRY_TEST_FILE";

/// How long one process is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What this process has to do; `None` if it is the test.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) endpoint: String,
    pub(crate) file: PathBuf,
}

pub(crate) fn part() -> Option<Part> {
    let told = |name| std::env::var(name).unwrap_or_default();
    let name = std::env::var(PART).ok()?;
    Some(Part { name, endpoint: told(ENDPOINT), file: told(FILE).into() })
}

/// A process with a part.
pub(crate) struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts `test` again, with a part.
    pub(crate) fn start(test: &str, part: &Part) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
        command.env(PART, &part.name).env(ENDPOINT, &part.endpoint).env(FILE, &part.file);
        // Spans come soon, and what the machine's own environment says does not matter.
        command
            .env("OTEL_BSP_SCHEDULE_DELAY", "20")
            .env("OTEL_SERVICE_NAME", &part.name)
            .env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// Waits for a line of its output that begins so, and gives the rest of it.
    pub(crate) async fn line(&mut self, beginning: &str) -> String {
        let found = async {
            let mut line = String::new();
            while self.output.read_line(&mut line).await.unwrap() > 0 {
                if let Some((_, rest)) = line.trim_end().split_once(beginning) {
                    return Some(rest.to_owned());
                }
                line.clear();
            }
            None
        };
        match tokio::time::timeout(PATIENCE, found).await.expect("the line comes in time") {
            Some(rest) => rest,
            None => panic!("the process ended without {beginning:?}: {}", self.errors().await),
        }
    }

    /// Waits for its end, and gives what it wrote to standard error.
    pub(crate) async fn end(mut self) -> String {
        let mut rest = String::new();
        let read = tokio::time::timeout(PATIENCE, self.output.read_to_string(&mut rest)).await;
        read.expect("the process ends in time").unwrap();
        let errors = self.errors().await;
        assert!(self.child.wait().await.unwrap().success(), "{rest}{errors}");
        errors
    }

    /// Kills it with SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    async fn errors(&mut self) -> String {
        let mut text = String::new();
        if let Some(errors) = &mut self.child.stderr {
            errors.read_to_string(&mut text).await.unwrap();
        }
        text
    }
}
