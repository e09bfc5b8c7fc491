//! What runs, kept in a file between calls.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::kind::Kind;

/// A server that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) pid: u32,
    pub(crate) port: u16,
    /// Its folder, with data and log; goes when it ends.
    pub(crate) folder: PathBuf,
    /// By which clients find it, in the form of the kind's variable.
    #[serde(alias = "url")]
    pub(crate) address: String,
    /// Whether it ever answered: one that did not, because its start was cut short, is of no use.
    pub(crate) ready: bool,
}

/// The servers that were started and not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) servers: Vec<Server>,
}

impl State {
    pub(crate) fn of(&self, kind: Kind) -> Option<&Server> {
        self.servers.iter().find(|server| server.kind == kind)
    }

    /// Notes a server in place of an earlier one of its kind.
    pub(crate) fn put(&mut self, server: Server) {
        self.forget(server.kind);
        self.servers.push(server);
    }

    pub(crate) fn forget(&mut self, kind: Kind) {
        self.servers.retain(|server| server.kind != kind);
    }

    /// Reads the file; none is an empty state, and so is one that cannot be read, since it names nothing.
    pub(crate) fn load(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Writes the file for this user alone: the addresses have passwords in them.
    pub(crate) fn save(&self, file: &Path) -> anyhow::Result<()> {
        let mut out = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(file)
            .with_context(|| format!("cannot write {}", file.display()))?;
        out.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        Ok(())
    }
}

/// The line that a shell takes a variable from.
pub(crate) fn export_line(variable: &str, value: &str) -> String {
    format!("export {variable}='{value}'")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn server(kind: Kind, pid: u32) -> Server {
        let address = "postgres://workflow:secret@127.0.0.1:5433/workflow".to_owned();
        Server { kind, pid, port: 5433, folder: "/tmp/x/postgres".into(), address, ready: true }
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        let mut state = State::default();
        state.put(server(Kind::Postgres, 7));
        state.put(server(Kind::Mariadb, 8));
        state.save(&file).unwrap();
        assert_eq!(State::load(&file), state);
    }

    #[test]
    fn a_missing_or_torn_file_names_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        assert_eq!(State::load(&file), State::default());
        fs::write(&file, "{\"servers\": [{\"kind\"").unwrap();
        assert_eq!(State::load(&file), State::default());
    }

    #[test]
    fn a_later_server_takes_the_place_of_an_earlier_one_of_its_kind() {
        let mut state = State::default();
        state.put(server(Kind::Postgres, 7));
        state.put(server(Kind::Mariadb, 8));
        state.put(server(Kind::Postgres, 9));
        assert_eq!(state.of(Kind::Postgres).map(|server| server.pid), Some(9));
        assert_eq!(state.servers.len(), 2);
    }

    #[test]
    fn a_shell_can_read_the_export_line() {
        let line = export_line(Kind::Postgres.variable(), &server(Kind::Postgres, 7).address);
        assert_eq!(line, "export WORKFLOW_POSTGRES_URL='postgres://workflow:secret@127.0.0.1:5433/workflow'");
    }
}
