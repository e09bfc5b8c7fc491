//! How the server finds the rows of a query.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::ensure;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, Row};
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber, span};
use workflow::adapter::{Backend, DynStore};
use workflow::prelude::{MySql, Postgres};

use super::database::{Database, Kind};

/// The most rows that a part of a plan gives: a page, and those that share its last instant.
const ROWS_MAX: f64 = 2_100.0;

/// The plans that PostgreSQL has sent.
static SENT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A store whose statements the server explains.
pub(crate) struct Explained {
    kind: Kind,
    name: String,
    url: String,
    pub(crate) store: Arc<dyn DynStore>,
}

impl Explained {
    pub(crate) async fn open(database: &Database) -> anyhow::Result<Self> {
        let url = database.url()?;
        let backend: Backend = match database.kind {
            Kind::MariaDb => MySql::connect(&url).await?.into(),
            Kind::Postgres => {
                // Another measurement of this process may have set it already.
                let _ = tracing::subscriber::set_global_default(Listener);
                let settings = [
                    "session_preload_libraries=auto_explain",
                    "auto_explain.log_min_duration=0",
                    "auto_explain.log_analyze=on",
                    "auto_explain.log_timing=off",
                    "client_min_messages=log",
                ];
                let settings = settings.map(|setting| format!("-c%20{setting}")).join("%20");
                let separator = if url.contains('?') { '&' } else { '?' };
                Postgres::connect(&format!("{url}{separator}options={settings}")).await?.into()
            }
        };
        let (kind, name) = (database.kind, database.name().to_owned());
        Ok(Self { kind, name, url, store: Arc::clone(backend.store()) })
    }

    /// Does something on the store, and makes sure that each of its statements finds its rows by an index, and one of
    /// them by this one.
    pub(crate) async fn on_index<D>(&self, what: &str, index: &str, doing: D) -> anyhow::Result<()>
    where
        D: Future<Output = anyhow::Result<()>>,
    {
        match self.kind {
            Kind::MariaDb => self.mariadb(what, index, doing).await,
            Kind::Postgres => postgres(what, index, doing).await,
        }
    }

    /// The server logs the statements; each is explained afterwards.
    async fn mariadb<D>(&self, what: &str, index: &str, doing: D) -> anyhow::Result<()>
    where
        D: Future<Output = anyhow::Result<()>>,
    {
        let mut connection = MySqlConnection::connect(&self.url).await?;
        let since: String =
            sqlx::query_scalar("select cast(now(6) as char)").fetch_one(&mut connection).await?;
        let on = "set global log_output = 'TABLE', global general_log = on";
        sqlx::raw_sql(on).execute(&mut connection).await?;
        let done = doing.await;
        sqlx::raw_sql("set global general_log = off").execute(&mut connection).await?;
        done?;
        let mut indexes = BTreeSet::new();
        for statement in self.logged(&mut connection, &since).await? {
            explain(&mut connection, what, &statement, &mut indexes).await?;
        }
        ensure!(indexes.contains(index), "{what}: not {index} is used, but {indexes:?}");
        connection.close().await?;
        Ok(())
    }

    async fn logged(&self, connection: &mut MySqlConnection, since: &str) -> anyhow::Result<Vec<String>> {
        let text = "select convert(l.argument using utf8mb4) from mysql.general_log l join \
                    information_schema.processlist p on p.id = l.thread_id where p.db = ? and l.command_type in \
                    ('Execute', 'Query') and p.id <> connection_id() and l.event_time >= ?";
        let statements: Vec<String> =
            sqlx::query_scalar(text).bind(&self.name).bind(since).fetch_all(connection).await?;
        let reads = |text: &String| text.starts_with("select") && text.contains("workflow_");
        Ok(statements.into_iter().filter(reads).collect())
    }
}

/// Makes sure that a statement reads no table from end to end, and notes the indexes that it uses.
async fn explain(
    connection: &mut MySqlConnection,
    what: &str,
    statement: &str,
    indexes: &mut BTreeSet<String>,
) -> anyhow::Result<()> {
    let text = AssertSqlSafe(format!("explain {statement}"));
    for row in sqlx::raw_sql(text).fetch_all(connection).await? {
        let (access, index): (Option<String>, Option<String>) = (row.try_get("type")?, row.try_get("key")?);
        let rows: Option<String> = row.try_get("rows")?;
        let rows: f64 = rows.map_or(Ok(0.0), |rows| rows.parse())?;
        let extra: String = row.try_get::<Option<String>, _>("Extra")?.unwrap_or_default();
        ensure!(access.as_deref() != Some("ALL"), "{what} reads a whole table: {statement}");
        // A page that is read in the order of its index ends at its limit, whatever the estimate says.
        let is_page = statement.contains(" limit ") && !extra.contains("filesort");
        ensure!(is_page || rows <= ROWS_MAX, "{what} reads {rows} rows: {statement}");
        indexes.extend(index);
    }
    Ok(())
}

/// The server sends the plans of statements with their answers.
async fn postgres<D>(what: &str, index: &str, doing: D) -> anyhow::Result<()>
where
    D: Future<Output = anyhow::Result<()>>,
{
    take_sent();
    doing.await?;
    let plans = take_sent();
    ensure!(plans.iter().any(|plan| plan.contains(index)), "{what}: {index} is not used: {plans:#?}");
    for plan in plans {
        ensure!(!plan.contains("Seq Scan on workflow_"), "{what} reads a whole table: {plan}");
        for part in plan.split("(actual rows=").skip(1) {
            let rows: f64 = part.split_whitespace().next().unwrap_or_default().parse()?;
            ensure!(rows <= ROWS_MAX, "{what} reads {rows} rows: {plan}");
        }
    }
    Ok(())
}

fn take_sent() -> Vec<String> {
    std::mem::take(&mut *SENT.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Keeps the plans that the driver passes on, and is interested in nothing else.
struct Listener;

fn is_notice(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "sqlx::postgres::notice"
}

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_notice(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_notice(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Notice);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Notice;

impl Visit for Notice {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" && text.contains("plan:") {
            SENT.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        }
    }
}
