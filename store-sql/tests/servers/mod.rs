//! Database servers of a test's own, which it may restart, fill and break.
//!
//! Each has a temporary folder and a free port on loopback. A shell stands between the test and the server and ends the
//! server when the test is gone, however that ends.
#![allow(dead_code, reason = "each test file uses a part of it")]

mod mariadb;
pub(crate) mod pgbouncer;
mod postgres;
pub(crate) mod proxy;
mod system;

use std::path::{Path, PathBuf};
use std::process::Command;

use system::{Guarded, User};
use tempfile::TempDir;

/// The name of the database user.
pub(crate) const NAME: &str = "workflow";

/// Which server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    MariaDb,
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// In order: connections are cut off, and nothing is to be recovered.
    Ordered,
    /// At once, as in a crash.
    Crash,
}

/// What a server is made of.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) kind: Kind,
    /// Arguments beside the usual ones. `{folder}` stands for the server's folder.
    pub(crate) arguments: Vec<String>,
    /// How large a file system of its own is, in MiB, on the folder `small` of the server's.
    pub(crate) disk_mib: Option<u32>,
}

impl Spec {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, arguments: Vec::new(), disk_mib: None }
    }

    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    pub(crate) fn disk_mib(mut self, mib: u32) -> Self {
        self.disk_mib = Some(mib);
        self
    }

    /// Starts it; it answers when this returns.
    pub(crate) fn start(self) -> Server {
        let server = self.prepare();
        server.started()
    }

    /// Makes its folder, for files that its arguments name.
    pub(crate) fn prepare(self) -> Server {
        let user = User::of(self.kind);
        let folder = tempfile::Builder::new().prefix("workflow-server-").tempdir().unwrap();
        system::own(folder.path(), user);
        let port = system::free_port();
        let password = uuid::Uuid::new_v4().simple().to_string();
        Server { spec: self, user, folder, port, password, process: None }
    }
}

/// A server; it ends when this is dropped.
pub(crate) struct Server {
    spec: Spec,
    user: Option<User>,
    folder: TempDir,
    port: u16,
    password: String,
    process: Option<Guarded>,
}

impl Server {
    pub(crate) fn started(mut self) -> Self {
        match self.spec.kind {
            Kind::Postgres => postgres::prepare(&self),
            Kind::MariaDb => mariadb::prepare(&self),
        }
        self.start();
        self
    }

    /// Starts it again.
    pub(crate) fn start(&mut self) {
        let (command, ready, end) = match self.spec.kind {
            Kind::Postgres => (postgres::server(self), postgres::READY, "QUIT"),
            Kind::MariaDb => (mariadb::server(self), mariadb::READY, "KILL"),
        };
        let small = self.spec.disk_mib.map(|mib| (self.small(), mib));
        self.process = Some(Guarded::spawn(&command, ready, end, small, self.user));
    }

    /// Ends it, and waits until it has.
    pub(crate) fn end(&mut self, end: End) {
        let signal = match (self.spec.kind, end) {
            (Kind::Postgres, End::Ordered) => "INT",
            (Kind::Postgres, End::Crash) => "QUIT",
            (Kind::MariaDb, End::Ordered) => "TERM",
            (Kind::MariaDb, End::Crash) => "KILL",
        };
        if let Some(process) = self.process.take() {
            process.end(signal);
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder that is a file system of its own, as the server sees it.
    pub(crate) fn small(&self) -> PathBuf {
        self.folder().join("small")
    }

    /// The same folder as the test sees it.
    pub(crate) fn small_from_outside(&self) -> PathBuf {
        self.process.as_ref().unwrap().seen(&self.small())
    }

    /// Where the server's database is.
    pub(crate) fn url(&self) -> String {
        self.url_at("127.0.0.1", self.port)
    }

    /// The same by another host and port.
    pub(crate) fn url_at(&self, host: &str, port: u16) -> String {
        match self.spec.kind {
            Kind::Postgres => format!("postgres://{NAME}:{}@{host}:{port}/postgres", self.password),
            Kind::MariaDb => format!("mysql://{NAME}:{}@{host}:{port}/{NAME}", self.password),
        }
    }

    /// Writes a file that only the server can read.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder().join(name);
        system::write(&path, text, self.user);
        path
    }

    /// Makes a folder of the server's.
    fn make(&self, name: &str) {
        let folder = self.folder().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        system::own(&folder, self.user);
    }

    fn arguments(&self) -> impl Iterator<Item = String> + '_ {
        let folder = self.folder().to_string_lossy().into_owned();
        self.spec.arguments.iter().map(move |argument| argument.replace("{folder}", &folder))
    }

    /// Runs a program of the server's package to its end.
    fn complete(&self, program: &str, arguments: &[String]) {
        let mut command = Command::new(system::find(program, self.spec.kind));
        command.args(arguments).current_dir(self.folder()).env("LC_ALL", "C");
        system::run_as(&mut command, self.user);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} failed: {said}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end(End::Crash);
    }
}
