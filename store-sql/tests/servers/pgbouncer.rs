//! PgBouncer before a PostgreSQL.

use std::path::PathBuf;

use super::system::{self, Guarded, User};
use super::{Kind, NAME};
use tempfile::TempDir;

/// How a pooler gives its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Session,
    Transaction,
}

/// A pooler; it ends when this is dropped.
pub(crate) struct PgBouncer {
    port: u16,
    password: String,
    process: Option<Guarded>,
    _folder: TempDir,
}

impl PgBouncer {
    /// Starts one before a server, with so many connections to it.
    pub(crate) fn before(server: &super::Server, mode: Mode, connections: u32, ignored: &str) -> Self {
        let program = system::in_path("pgbouncer");
        let program = program.unwrap_or_else(|| {
            panic!("pgbouncer is not there: install the Debian package pgbouncer, as `cargo xtask test` does")
        });
        let user = User::of(Kind::Postgres);
        let folder = tempfile::Builder::new().prefix("workflow-pooler-").tempdir().unwrap();
        system::own(folder.path(), user);
        let port = system::free_port();
        let users = folder.path().join("users.txt");
        system::write(&users, &format!("\"{NAME}\" \"{}\"\n", server.password()), user);
        let mode = match mode {
            Mode::Session => "session",
            Mode::Transaction => "transaction",
        };
        let settings = format!(
            "[databases]\npostgres = host=127.0.0.1 port={} dbname=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nauth_type = plain\nauth_file = {}\nunix_socket_dir =\npool_mode = {mode}\n\
             default_pool_size = {connections}\nignore_startup_parameters = {ignored}\nmax_client_conn = 200\n",
            server.port(),
            users.display(),
        );
        let file: PathBuf = folder.path().join("pgbouncer.ini");
        system::write(&file, &settings, user);
        let command = [program.display().to_string(), file.display().to_string()];
        let process = Some(Guarded::spawn(&command, "process up", "TERM", None, user));
        Self { port, password: server.password().to_owned(), process, _folder: folder }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{NAME}:{}@127.0.0.1:{}/postgres?sslmode=disable", self.password, self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.end("TERM");
        }
    }
}
