//! Processes of the tests' own program.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::patience::patiently;

/// A process that is under way; it is killed when this is dropped.
pub struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Starts the program, whose path the test knows, with arguments.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start<A: AsRef<std::ffi::OsStr>>(program: &str, args: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new(program);
        command.args(args);
        Self::spawn(command)
    }

    /// Starts a command that ends in the program.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the program can be started");
        let output = child.stdout.take().expect("its output is piped");
        let input = child.stdin.take();
        Self { child, input, lines: BufReader::new(output).lines() }
    }

    /// The process's number.
    ///
    /// # Panics
    /// If it has ended.
    pub fn id(&self) -> u32 {
        self.child.id().expect("the process is under way")
    }

    /// Waits for its next line.
    ///
    /// # Panics
    /// If it ends without one.
    pub async fn line(&mut self) -> String {
        let line = patiently("a line of the worker", self.lines.next_line()).await;
        match line.expect("its output can be read") {
            Some(line) => line,
            None => panic!("the worker ended without a word: {}", self.errors().await),
        }
    }

    async fn errors(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut text).await.expect("its errors can be read");
        }
        text
    }

    /// Whether it has ended by itself.
    ///
    /// # Panics
    /// If the system does not say.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the system says").is_some()
    }

    /// Kills it with SIGKILL and waits until it is gone.
    ///
    /// # Panics
    /// If the system does not let it.
    pub async fn kill(mut self) -> ExitStatus {
        self.child.start_kill().expect("the process can be killed");
        self.child.wait().await.expect("the system says")
    }

    /// Closes its input, which asks it to end, and gives what it said until then.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn end(mut self) -> (ExitStatus, Vec<String>) {
        drop(self.input.take());
        let mut said = Vec::new();
        let mut errors = self.child.stderr.take();
        let drained = async {
            if let Some(errors) = &mut errors {
                let mut text = Vec::new();
                errors.read_to_end(&mut text).await.expect("its errors can be read");
            }
        };
        let read = async {
            while let Some(line) = self.lines.next_line().await.expect("its output can be read") {
                said.push(line);
            }
        };
        patiently("the end of the worker", async { tokio::join!(read, drained) }).await;
        let status = patiently("the end of the worker", self.child.wait()).await.expect("the system says");
        (status, said)
    }
}

/// Runs the program to its end and gives its last line.
///
/// # Panics
/// If it says nothing.
pub async fn ask<A: AsRef<std::ffi::OsStr>>(program: &str, args: impl IntoIterator<Item = A>) -> String {
    let (_, mut said) = Worker::start(program, args).end().await;
    said.pop().expect("the worker says something")
}

/// A path as an argument.
///
/// # Panics
/// If it is not UTF-8.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("the tests' paths are UTF-8")
}
