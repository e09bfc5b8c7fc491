//! A schema for each test, in the database that the environment names.
#![allow(dead_code, reason = "not every test needs all of it")]

pub(crate) mod fixture;

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store_sql::Postgres;
use store_sql::config::{Dsn, PoolOptions, PostgresDsn};
use store_sql::postgres::{PostgresOptions, PostgresStore};
use uuid::Uuid;

/// The variable that names the server.
const VARIABLE: &str = "WORKFLOW_POSTGRES_URL";

/// The address of the server's database.
pub(crate) fn url() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!("no PostgreSQL: `cargo xtask test` supplies one, or set {VARIABLE}=postgres://..")
    })
}

/// A schema that goes when it is dropped.
pub(crate) struct Schema {
    name: String,
    dsn: PostgresDsn,
}

impl Schema {
    pub(crate) async fn fresh() -> Self {
        Self::on(&url()).await
    }

    /// In the database that a connection string names.
    pub(crate) async fn on(url: &str) -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        let Ok(Dsn::Postgres(mut dsn)) = url.parse() else { panic!("{VARIABLE} is no PostgreSQL's") };
        let mut session = PgConnection::connect_with(&dsn.connect_options()).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("create schema {name}"))).execute(&mut session).await.unwrap();
        session.close().await.unwrap();
        dsn.settings.push(("search_path".to_owned(), name.clone()));
        Self { name, dsn }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// An address that leads into the schema.
    pub(crate) fn url(&self) -> String {
        let (url, separator) = (url(), if url().contains('?') { '&' } else { '?' });
        format!("{url}{separator}options=-c%20search_path%3D{}", self.name)
    }

    /// Waits until a question about the schema, whose name is its one value, is answered with yes.
    pub(crate) async fn until(&self, what: &str, question: &str) {
        let mut session = self.session().await;
        for _ in 0..100_000 {
            if sqlx::query_scalar::<_, bool>(AssertSqlSafe(question.to_owned()))
                .bind(&self.name)
                .fetch_one(&mut session)
                .await
                .unwrap()
            {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("it never came about that {what}");
    }

    /// How to connect to the schema.
    pub(crate) fn dsn(&self) -> PostgresDsn {
        self.dsn.clone()
    }

    /// The same, with more settings of the session.
    pub(crate) fn dsn_with(&self, settings: &[(&str, &str)]) -> PostgresDsn {
        let mut dsn = self.dsn();
        dsn.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        dsn
    }

    /// The same for the driver alone.
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.dsn.connect_options()
    }

    /// A connection of which the store knows nothing.
    pub(crate) async fn session(&self) -> PgConnection {
        PgConnection::connect_with(&self.options()).await.unwrap()
    }

    /// Runs statements beside the store.
    pub(crate) async fn run(&self, statements: &str) {
        let mut session = self.session().await;
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut session).await.unwrap();
        session.close().await.unwrap();
    }

    /// A backend with connections of its own, as another process would have it.
    pub(crate) async fn backend(&self) -> Postgres {
        self.backend_with(Postgres::options()).await
    }

    pub(crate) async fn backend_with(&self, options: PostgresOptions) -> Postgres {
        options.connect_to(&self.dsn()).await.unwrap()
    }

    /// How to connect so that the server's list of sessions has the schema's name.
    pub(crate) fn named(&self) -> PostgresDsn {
        PostgresDsn { application_name: Some(self.name.clone()), ..self.dsn() }
    }

    /// Ends the sessions that have the schema's name, and tells how many.
    pub(crate) async fn end_sessions(&self) -> i64 {
        let text =
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = $1";
        sqlx::query_scalar(text).bind(&self.name).fetch_one(&mut self.session().await).await.unwrap()
    }

    pub(crate) async fn store(&self) -> Arc<PostgresStore> {
        Arc::new(
            self.backend_with(Postgres::options().pool(PoolOptions::new().max_open(4))).await.store().clone(),
        )
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let (name, options) = (self.name.clone(), self.options());
        // A test may fail in the middle, and its runtime is not to be waited on from within.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut session = PgConnection::connect_with(&options).await?;
                // Sessions that are left in a transaction hold locks on the tables.
                let end = "select pg_terminate_backend(pid) from pg_stat_activity where pid in (select l.pid from \
                           pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = \
                           c.relnamespace where n.nspname = $1) and pid <> pg_backend_pid()";
                sqlx::query(end).bind(&name).execute(&mut session).await?;
                let text = format!("set client_min_messages = warning; drop schema {name} cascade");
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut session).await?;
                session.close().await
            })
        });
        // A server that is gone takes its schemas with it.
        let _ = dropping.join();
    }
}
