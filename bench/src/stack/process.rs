//! A process that a measurement starts, looks at from outside, and ends.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use crate::process;

/// How long it may take until it works: the first one makes tables and topics.
const START_MAX: Duration = Duration::from_secs(60);

/// A running process; it is killed when this is dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts it and waits until it writes a line with this sign.
    pub(crate) fn start(mut command: Command, sign: &'static str) -> anyhow::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = command.get_program().display().to_string();
        let mut child = command.spawn().with_context(|| format!("cannot run {program}"))?;
        let (lines, said) = mpsc::channel();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as _),
            child.stderr.take().map(|stream| Box::new(stream) as _),
        ];
        for output in outputs.into_iter().flatten() {
            let lines = lines.clone();
            // Read to its end, whoever listens: a full pipe would stop the process.
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = lines.send(line);
                }
            });
        }
        drop(lines);
        let process = Self(child);
        let mut last = String::new();
        loop {
            let line = said.recv_timeout(START_MAX);
            let line =
                line.with_context(|| format!("{program} did not begin to work; it said last: {last}"))?;
            if line.contains(sign) {
                return Ok(process);
            }
            last = line;
        }
    }

    /// The processor time that it has used.
    pub(crate) fn cpu_time(&self) -> anyhow::Result<Duration> {
        process::cpu_time_of(self.0.id())
    }

    /// Its resident memory, in bytes.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        process::status_of(self.0.id(), "VmRSS:").map(|kib| kib * 1024)
    }

    /// How many threads it has.
    pub(crate) fn threads(&self) -> anyhow::Result<u64> {
        process::status_of(self.0.id(), "Threads:")
    }

    /// Ends it as an orchestrator does, and waits for its end.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        self.ask_to_end()?;
        self.0.wait()?;
        Ok(())
    }

    /// Asks it to end.
    pub(crate) fn ask_to_end(&self) -> anyhow::Result<()> {
        let pid =
            i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).context("the number of a process")?;
        Ok(kill_process(pid, Signal::TERM)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
