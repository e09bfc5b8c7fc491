//! A database of its own for a test, on the server that `WORKFLOW_MARIADB_URL` names.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod fixture;

use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use store_sql::{MySql, MySqlOptions};
use uuid::Uuid;

/// A database that is there as long as this is.
pub(crate) struct Database {
    server: String,
    name: String,
}

/// The server's URL, with everything but a database.
fn server() -> String {
    std::env::var("WORKFLOW_MARIADB_URL").unwrap_or_else(|_| {
        panic!("there is no MariaDB: `cargo xtask test` starts one, or set WORKFLOW_MARIADB_URL=mysql://user:password@host:port")
    })
}

/// The URL of a database on a server, whatever database the server's URL names.
fn url_of(server: &str, database: &str) -> String {
    let (before, query) = server.split_once('?').map_or((server, None), |(url, query)| (url, Some(query)));
    let (scheme, rest) = before.split_once("://").expect("WORKFLOW_MARIADB_URL is a URL");
    let authority = rest.split('/').next().unwrap_or(rest);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{authority}/{database}{query}")
}

impl Database {
    /// Makes an empty one.
    pub(crate) async fn fresh() -> Self {
        Self::on(&server()).await
    }

    /// On the server that a URL names.
    pub(crate) async fn on(url: &str) -> Self {
        let database = Self { server: url.to_owned(), name: format!("wf_test_{}", Uuid::new_v4().simple()) };
        // The server's own default collation is not ours: the tables must not depend on it.
        let create =
            format!("create database {} character set utf8mb4 collate utf8mb4_unicode_ci", database.name);
        let mut admin = admin(&database.server).await;
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut admin).await.unwrap();
        admin.close().await.unwrap();
        database
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        url_of(&self.server, &self.name)
    }

    /// A backend on it.
    pub(crate) async fn open(&self) -> MySql {
        MySql::connect(&self.url()).await.unwrap()
    }

    /// A backend on it with options.
    pub(crate) async fn open_with(&self, options: MySqlOptions) -> MySql {
        options.connect(&self.url()).await.unwrap()
    }

    /// A connection that the store knows nothing of, with the server's own settings.
    pub(crate) async fn beside(&self) -> MySqlConnection {
        let url = self.url();
        MySqlConnection::connect(&url).await.unwrap()
    }

    /// Runs statements beside the store.
    pub(crate) async fn run(&self, statements: &str) {
        let mut connection = self.beside().await;
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// A connection to the server, in the database that every server has.
async fn admin(server: &str) -> MySqlConnection {
    MySqlConnection::connect(&url_of(server, "information_schema")).await.unwrap()
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, drop) = (self.server.clone(), format!("drop database if exists {}", self.name));
        // The test's own runtime may be ending.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                // A server that is gone takes its databases with it.
                let Ok(mut admin) = MySqlConnection::connect(&url_of(&server, "information_schema")).await
                else {
                    return;
                };
                sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut admin).await.unwrap();
                admin.close().await.unwrap();
            });
        });
        if dropped.join().is_err() && !std::thread::panicking() {
            panic!("the database {} was not dropped", self.name);
        }
    }
}

/// How many records are not what their outbox rows and history say: each version has one of each, or was never stored.
pub(crate) async fn inconsistencies(database: &Database) -> i64 {
    let mut connection = database.beside().await;
    let text = "select count(*) from workflow_records r where r.version <> (select count(*) from workflow_outbox o where \
                o.run_id = r.run_id) or r.version <> (select count(*) from workflow_history h where h.run_id = r.run_id) or \
                not exists (select 1 from workflow_outbox o where o.id = r.last_event_id)";
    let records: i64 = sqlx::query_scalar(text).fetch_one(&mut connection).await.unwrap();
    let text = "select count(*) from workflow_outbox o where not exists (select 1 from workflow_records r where r.run_id = \
                o.run_id and r.version >= o.record_version)";
    let events: i64 = sqlx::query_scalar(text).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    records + events
}
