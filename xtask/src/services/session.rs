//! Servers for as long as a program runs.
//!
//! A guard, a process of its own, waits at a pipe until the program that wants the servers is gone, however that ends,
//! and then ends them: a key at the terminal or a kill leaves nothing behind.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context;

use super::kind::Kind;
use super::packages::{self, Need};
use super::{down, jars, up};

/// Servers that end when it is dropped.
pub(crate) struct Session {
    /// The variables by which programs find the servers.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// What could not be had, and why.
    pub(crate) failures: Vec<anyhow::Error>,
    guard: Option<Child>,
}

impl Session {
    /// Starts what is neither given by the environment nor runs already.
    pub(crate) fn begin(root: &Path) -> anyhow::Result<Self> {
        let mut session = Self { variables: Vec::new(), failures: Vec::new(), guard: None };
        // The guard comes first, so that it ends what is half started, too.
        let before = super::running(root);
        let wanted: Vec<Kind> = super::wanted(&Kind::ALL);
        if wanted.iter().any(|kind| !before.contains(kind)) {
            let starting: Vec<Kind> = wanted.iter().copied().filter(|kind| !before.contains(kind)).collect();
            session.guard = Some(guard(&starting)?);
        }
        let started = up(root, &wanted)?;
        for server in started.servers {
            session.variables.push((server.kind.variable(), server.address));
        }
        session.failures.extend(started.failures);
        session.provide_for_others(root, &wanted);
        Ok(session)
    }

    /// What the servers need that tests start for themselves, whatever servers the environment names.
    fn provide_for_others(&mut self, root: &Path, started: &[Kind]) {
        let given = Kind::ALL.into_iter().filter(|kind| !started.contains(kind));
        let needs: Vec<Need> = given.flat_map(|kind| kind.needs()).chain(&packages::TESTS).copied().collect();
        self.failures.extend(packages::ensure(&needs).err());
        match jars::ensure(root) {
            Ok(libs) => self.variables.push((jars::VARIABLE, libs.to_string_lossy().into_owned())),
            Err(error) => self.failures.push(error.context(format!(
                "there are no jars of Kafka; to supply them, set {} to their folder",
                jars::VARIABLE
            ))),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut guard) = self.guard.take() else { return };
        drop(guard.stdin.take());
        // The servers have ended when the guard has.
        let _ = guard.wait();
    }
}

fn guard(kinds: &[Kind]) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("cannot find this program")?;
    Command::new(program)
        .args(["services", "guard"])
        .args(kinds.iter().map(|kind| kind.name()))
        .stdin(Stdio::piped())
        // A group of its own: it outlives what is typed at the terminal.
        .process_group(0)
        .spawn()
        .context("cannot start the guard of the servers")
}

/// Waits until the program at the other end of the standard input is gone, then ends servers.
pub(crate) fn keep_guard(root: &Path, kinds: &[Kind]) -> anyhow::Result<()> {
    let mut rest = Vec::new();
    // An error is an end, too.
    let _ = std::io::stdin().read_to_end(&mut rest);
    down(root, kinds)
}
