//! What was started, kept in a file between calls.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::Database;
use crate::services::Kind;

/// What a process of the cluster does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Relay,
    Worker,
}

/// A process that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) role: Role,
    pub(crate) number: u32,
    pub(crate) pid: u32,
    /// When the system started it: the number of an ended process is given to others.
    pub(crate) started: u64,
    pub(crate) log: PathBuf,
}

impl Member {
    pub(crate) fn name(&self) -> String {
        let role = match self.role {
            Role::Relay => "relay",
            Role::Worker => "worker",
        };
        format!("{role}-{}", self.number)
    }
}

/// A cluster that was started and not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) members: Vec<Member>,
    /// By which every process finds the servers.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) database: Option<Database>,
    /// The services that were started for it, and end with it.
    pub(crate) services: Vec<Kind>,
    pub(crate) debug: bool,
    /// How often orders were placed: each time makes others.
    pub(crate) placed: u64,
}

impl State {
    /// Where logs and the state are.
    pub(crate) fn folder(root: &Path) -> PathBuf {
        root.join("target").join("cluster")
    }

    fn file(root: &Path) -> PathBuf {
        Self::folder(root).join("state.json")
    }

    /// Reads the file; none is an empty state.
    pub(crate) fn load(root: &Path) -> Self {
        let text = fs::read_to_string(Self::file(root)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Writes the file for this user alone: the addresses have passwords in them.
    pub(crate) fn save(&self, root: &Path) -> anyhow::Result<()> {
        let file = Self::file(root);
        fs::create_dir_all(Self::folder(root)).context("cannot make target/cluster")?;
        let out = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&file);
        let mut out = out.with_context(|| format!("cannot write {}", file.display()))?;
        out.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        Ok(())
    }

    /// The number of the next process of a role.
    pub(crate) fn next_number(&self, role: Role) -> u32 {
        let numbers = self.members.iter().filter(|member| member.role == role).map(|member| member.number);
        numbers.max().unwrap_or(0) + 1
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_loaded() {
        let root = tempfile::tempdir().unwrap();
        let worker = Member { role: Role::Worker, number: 2, pid: 7, started: 9, log: "/tmp/log".into() };
        let state = State { members: vec![worker], database: Some(Database::Mariadb), ..State::default() };
        state.save(root.path()).unwrap();
        assert_eq!(State::load(root.path()), state);
        assert_eq!(state.next_number(Role::Worker), 3);
        assert_eq!(state.next_number(Role::Relay), 1);
    }

    #[test]
    fn a_missing_file_is_no_cluster() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(State::load(root.path()), State::default());
    }
}
