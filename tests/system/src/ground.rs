//! A database of a test's own, of each kind, and the tables in it as they are, past the store.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, SqliteConnection};
use store_sql::config::{Dsn, SqliteDsn};
use store_sql::{Database, DatabaseOptions};
use tempfile::TempDir;

use crate::raw::BUSY_TIMEOUT;

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A SQLite file.
    Sqlite,
    /// The MariaDB server that `WORKFLOW_MARIADB_URL` names.
    MariaDb,
    /// The PostgreSQL server that `WORKFLOW_POSTGRES_URL` names.
    Postgres,
}

/// A database.
pub struct Ground {
    url: String,
    _end: End,
}

/// What becomes of it in the end.
enum End {
    /// It is somebody else's.
    Stays,
    /// It goes with its folder.
    Folder { _folder: TempDir },
    /// It is dropped on its server.
    Dropped { _dropped: Dropped },
}

/// Runs a statement on a server when it goes.
struct Dropped {
    server: String,
    statement: String,
}

/// The URL of a server; `cargo xtask test` starts one and sets the variable.
fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("no server: `cargo xtask test` starts one, or set {variable} to its URL (`cargo xtask services env`)")
    })
}

impl Ground {
    /// An empty database.
    ///
    /// # Panics
    /// If there is no server, or it refuses.
    pub async fn fresh(kind: Kind) -> Self {
        let name = format!("system_{:032x}", fastrand::u128(..));
        match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir().expect("a folder");
                let url = url_of(&folder.path().join("runs.db"));
                Self { url, _end: End::Folder { _folder: folder } }
            }
            Kind::MariaDb => {
                let server = server("WORKFLOW_MARIADB_URL");
                let (address, query) = server.split_once('?').unwrap_or((&server, ""));
                let (address, _) = address.rsplit_once('/').expect("the URL names a database");
                let url = format!("{address}/{name}?{query}");
                let create = format!("create database {name}");
                Self { url, _end: End::on(server, &create, format!("drop database {name}")).await }
            }
            Kind::Postgres => {
                let server = server("WORKFLOW_POSTGRES_URL");
                let joint = if server.contains('?') { '&' } else { '?' };
                let url = format!("{server}{joint}options=-csearch_path%3D{name}");
                let drop = format!("set client_min_messages = warning; drop schema {name} cascade");
                Self { url, _end: End::on(server, &format!("create schema {name}"), drop).await }
            }
        }
    }

    /// The database in a file of the test's.
    pub fn at_file(file: &Path) -> Self {
        Self { url: url_of(file), _end: End::Stays }
    }

    /// Its connection string.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its connection string as it is understood.
    ///
    /// # Panics
    /// If it is none.
    pub fn dsn(&self) -> Dsn {
        self.url.parse().expect("the URL can be used")
    }

    /// A backend on it.
    ///
    /// # Panics
    /// If it cannot be connected to.
    pub async fn database(&self) -> Database {
        DatabaseOptions::new().connect(&self.url).await.expect("the database can be connected to")
    }

    /// A connection that the store knows nothing of.
    ///
    /// # Panics
    /// If it cannot be made.
    pub async fn session(&self) -> Session {
        Session::connect(&self.dsn()).await.expect("the database can be connected to")
    }
}

fn url_of(file: &Path) -> String {
    Dsn::Sqlite(SqliteDsn { file: file.to_owned(), create: true }).to_string()
}

impl End {
    async fn on(server: String, create: &str, drop: String) -> Self {
        let mut session = Session::connect(&server.parse().expect("a URL")).await.expect("the server is up");
        session.run(create).await.expect("a database can be made");
        Self::Dropped { _dropped: Dropped { server, statement: drop } }
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        let (server, statement) = (self.server.clone(), self.statement.clone());
        // A test may fail in the middle, and its runtime is not to be waited on from within.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let dsn = server.parse().expect("it was one before");
                let mut session = Session::connect(&dsn).await.expect("the server is up");
                session.run(&statement).await.expect("what was made can be dropped");
            });
        });
        // A server that is gone takes its databases with it.
        let _ = dropping.join();
    }
}

/// A connection of the test's own.
pub enum Session {
    /// To MariaDB.
    MySql(MySqlConnection),
    /// To PostgreSQL.
    Postgres(PgConnection),
    /// To a file.
    Sqlite(SqliteConnection),
}

/// Does the same on each kind of connection.
macro_rules! on_each {
    ($session:expr, $connection:ident => $work:expr) => {
        match $session {
            Session::MySql($connection) => $work,
            Session::Postgres($connection) => $work,
            Session::Sqlite($connection) => $work,
        }
    };
}

impl Session {
    /// A connection to a database.
    ///
    /// # Errors
    /// If it cannot be made.
    pub async fn connect(dsn: &Dsn) -> Result<Self, sqlx::Error> {
        match dsn {
            Dsn::MySql(dsn) => MySqlConnection::connect_with(&dsn.connect_options()).await.map(Self::MySql),
            Dsn::Postgres(dsn) => {
                PgConnection::connect_with(&dsn.connect_options()).await.map(Self::Postgres)
            }
            Dsn::Sqlite(dsn) => {
                let options = SqliteConnectOptions::new().filename(&dsn.file).busy_timeout(BUSY_TIMEOUT);
                SqliteConnection::connect_with(&options).await.map(Self::Sqlite)
            }
        }
    }

    /// Which kind it is of.
    pub fn kind(&self) -> Kind {
        match self {
            Session::MySql(_) => Kind::MariaDb,
            Session::Postgres(_) => Kind::Postgres,
            Session::Sqlite(_) => Kind::Sqlite,
        }
    }

    /// Runs statements.
    ///
    /// # Errors
    /// What the database says.
    pub async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        on_each!(self, connection => sqlx::raw_sql(sql).execute(connection).await.map(drop))
    }

    /// The one number of a query, which is a `bigint`.
    ///
    /// # Errors
    /// What the database says, or if it is no such number.
    pub async fn number(&mut self, sql: &str) -> Result<i64, sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        on_each!(self, connection => sqlx::query_scalar(sql).fetch_one(connection).await)
    }

    /// The texts in the first column of a query.
    ///
    /// # Errors
    /// What the database says, or if one is no text.
    pub async fn texts(&mut self, sql: &str) -> Result<Vec<String>, sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        on_each!(self, connection => sqlx::query_scalar(sql).fetch_all(connection).await)
    }

    /// Foreign id, run state, status and object of every run.
    ///
    /// # Errors
    /// What the database says.
    pub async fn runs(&mut self) -> Result<Vec<(String, i32, i32, Vec<u8>)>, sqlx::Error> {
        let sql = "select foreign_id, run_state, status, object from workflow_records";
        on_each!(self, connection => sqlx::query_as(sql).fetch_all(connection).await)
    }
}
