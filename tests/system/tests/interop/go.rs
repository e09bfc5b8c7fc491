//! The Go side: built once, driven by lines of JSON.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;
use workflow_system_tests::ground::Ground;
use workflow_system_tests::patience::patiently;

/// The column `meta` as the Go library reads it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct GoMeta {
    pub(crate) run_state_reason: String,
    pub(crate) status_description: String,
    pub(crate) version: u64,
    pub(crate) trace_origin: String,
}

/// A record as the Go library reads it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct GoRecord {
    pub(crate) workflow_name: String,
    pub(crate) foreign_id: String,
    pub(crate) run_id: String,
    pub(crate) run_state: i32,
    pub(crate) status: i32,
    pub(crate) object: String,
    pub(crate) meta: GoMeta,
}

/// An event in an outbox row, or a message on Kafka.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct GoEvent {
    #[serde(alias = "key")]
    pub(crate) run_id: String,
    #[serde(rename = "type")]
    pub(crate) status: i32,
    pub(crate) headers: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) topic: String,
    #[serde(default)]
    pub(crate) partition: i32,
    #[serde(default)]
    pub(crate) offset: i64,
}

/// What a move of the Go library came to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct GoMove {
    pub(crate) skipped: String,
    pub(crate) held: bool,
    pub(crate) record: Option<GoRecord>,
}

/// The Go program with a database and brokers.
pub(crate) struct Go {
    flags: Vec<String>,
}

impl Go {
    /// On nothing: for what only turns values.
    pub(crate) fn alone() -> Self {
        Self { flags: Vec::new() }
    }

    /// On a database.
    pub(crate) fn on(ground: &Ground) -> Self {
        let (address, _) = ground.url().split_once('?').unwrap_or((ground.url(), ""));
        Self { flags: vec![format!("-database={address}")] }
    }

    /// The same with one more flag.
    pub(crate) fn with(&self, name: &str, value: impl ToString) -> Self {
        let mut flags = self.flags.clone();
        flags.push(format!("-{name}={}", value.to_string()));
        Self { flags }
    }

    /// Runs a subcommand on lines; gives its answers, or what it complained of.
    pub(crate) async fn tried<V: DeserializeOwned>(
        &self,
        command: &str,
        lines: &[Value],
    ) -> Result<Vec<V>, String> {
        let mut child = self.spawn(command);
        let mut input = child.stdin.take().unwrap();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let writing = async move {
            // A program that has ended early says why.
            let _ = input.write_all(text.as_bytes()).await;
        };
        let (_, output) = patiently(command, async { tokio::join!(writing, child.wait_with_output()) }).await;
        let output = output.unwrap();
        if !output.status.success() {
            return Err(String::from_utf8(output.stderr).unwrap());
        }
        Ok(answers(&output.stdout))
    }

    /// Runs a subcommand on lines that it must be able to answer.
    pub(crate) async fn all<V: DeserializeOwned>(&self, command: &str, lines: &[Value]) -> Vec<V> {
        self.tried(command, lines).await.unwrap()
    }

    /// The answer to one line.
    pub(crate) async fn one<V: DeserializeOwned>(&self, command: &str, line: Value) -> V {
        let mut answers = self.all(command, &[line]).await;
        assert_eq!(answers.len(), 1, "{command} answers each line once");
        answers.remove(0)
    }

    /// The record of a run.
    pub(crate) async fn record(&self, run_id: impl ToString) -> GoRecord {
        self.one("lookup", json!({"run_id": run_id.to_string()})).await
    }

    /// Stores another run state, which a subcommand is named by.
    pub(crate) async fn turn(&self, command: &str, run_id: impl ToString, reason: &str) -> GoRecord {
        self.one(command, json!({"run_id": run_id.to_string(), "reason": reason})).await
    }

    /// A conversation with a subcommand.
    pub(crate) fn talk(&self, command: &str) -> Talk {
        let mut child = self.spawn(command);
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Talk { input, lines: BufReader::new(output).lines(), child }
    }

    /// A subcommand that works on until it is told to stop.
    pub(crate) fn start(&self, command: &'static str) -> Work {
        Work::new(command, self.spawn(command))
    }

    fn spawn(&self, command: &str) -> Child {
        let mut process = tokio::process::Command::new(program());
        process.arg(command).args(&self.flags).kill_on_drop(true);
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// A subcommand that is told one line after the other.
pub(crate) struct Talk {
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    child: Child,
}

impl Talk {
    /// Says a line and waits for the answer.
    pub(crate) async fn ask<V: DeserializeOwned>(&mut self, line: Value) -> V {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let answer = patiently("the Go program's answer", self.lines.next_line()).await.unwrap();
        serde_json::from_str(&answer.expect("the Go program answers")).unwrap()
    }
}

impl Talk {
    /// Says a line that the program must fail on, and gives what it complained of.
    pub(crate) async fn fails(mut self, line: Value) -> String {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let output = patiently("the Go program's end", self.child.wait_with_output()).await.unwrap();
        assert!(!output.status.success(), "it was content");
        String::from_utf8(output.stderr).unwrap()
    }
}

/// A subcommand at work.
pub(crate) struct Work {
    command: &'static str,
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<()>,
}

impl Work {
    fn new(command: &'static str, mut child: Child) -> Self {
        let (mut output, said) = (child.stdout.take().unwrap(), Arc::<Mutex<Vec<u8>>>::default());
        let heard = Arc::clone(&said);
        // It is read all the time: a pipe that is full would stop it.
        let reading = tokio::spawn(async move {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut part).await {
                heard.lock().unwrap().extend(&part[..length]);
            }
        });
        Self { command, child, said, reading }
    }

    /// How many lines it has said so far.
    pub(crate) fn lines(&self) -> usize {
        self.said.lock().unwrap().iter().filter(|byte| **byte == b'\n').count()
    }

    /// Stops it and gives what it has said.
    pub(crate) async fn stop<V: DeserializeOwned>(mut self) -> Vec<V> {
        drop(self.child.stdin.take());
        patiently(self.command, self.reading).await.unwrap();
        let output = patiently(self.command, self.child.wait_with_output()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        answers(&self.said.lock().unwrap())
    }
}

fn answers<V: DeserializeOwned>(said: &[u8]) -> Vec<V> {
    let said = std::str::from_utf8(said).unwrap();
    said.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// The program, which is built by the first test that needs it.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop");
        let mut go = Command::new("go");
        go.args(["build", "-buildvcs=false", "-o"]).arg(&program);
        go.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../interop"));
        let built = go.output().expect("`go` is there: install the Debian package golang-go");
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "tests/interop cannot be built: {said}");
        program
    })
}
