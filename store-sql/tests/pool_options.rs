//! What a pool is asked for, and what connection strings ask for, seen by its effect on real servers.
#![cfg(all(feature = "mysql", feature = "postgres"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;
mod schemas;

use std::time::{Duration, Instant};

use mysql_support::Database;
use schemas::Schema;
use sqlx::{AssertSqlSafe, Connection};
use store_sql::config::{Dsn, PoolOptions};
use store_sql::{MySql, Postgres};
use workflow_core::adapter::{ErrorKind, Store};

/// The sessions that a server has of a store, by number.
trait Sessions {
    async fn sessions(&self) -> Vec<i64>;

    /// Waits until the sessions are as they should be.
    async fn until(&self, what: &str, is_so: impl Fn(&[i64]) -> bool) -> Vec<i64> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            let sessions = self.sessions().await;
            if is_so(&sessions) {
                return sessions;
            }
            tokio::task::yield_now().await;
        }
        panic!("it never came about that {what}: {:?}", self.sessions().await);
    }
}

impl Sessions for Schema {
    async fn sessions(&self) -> Vec<i64> {
        let text = "select pid::bigint from pg_stat_activity where application_name = $1 order by pid";
        sqlx::query_scalar(text).bind(self.name()).fetch_all(&mut self.session().await).await.unwrap()
    }
}

impl Sessions for Database {
    async fn sessions(&self) -> Vec<i64> {
        let mut beside = self.beside().await;
        let text = "select cast(id as signed) from information_schema.processlist where db = ? and id <> connection_id() \
                    order by id";
        let sessions = sqlx::query_scalar(text).bind(self.name()).fetch_all(&mut beside).await.unwrap();
        beside.close().await.unwrap();
        sessions
    }
}

async fn postgres(schema: &Schema, pool: PoolOptions) -> impl Store + Clone + use<> {
    Postgres::options().pool(pool).connect_to(&schema.named()).await.unwrap().store().clone()
}

async fn mysql(database: &Database, pool: PoolOptions) -> impl Store + Clone + use<> {
    database.open_with(MySql::options().pool(pool)).await.store().clone()
}

/// So many reads at once that each connection is made that may be.
async fn busy(store: &impl Store) {
    let reads = (0..40).map(|_| store.outbox(None, 1));
    for read in futures_util::future::join_all(reads).await {
        read.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_connections_are_made_than_may_be_and_the_least_are_made_at_once() {
    let (schema, database) = (Schema::fresh().await, Database::fresh().await);
    let pool = PoolOptions::new().max_open(4).min_idle(3);
    let (on_postgres, on_mysql) = (postgres(&schema, pool).await, mysql(&database, pool).await);
    Sessions::until(&schema, "the least are there", |sessions| sessions.len() == 3).await;
    Sessions::until(&database, "the least are there", |sessions| sessions.len() == 3).await;
    busy(&on_postgres).await;
    busy(&on_mysql).await;
    assert!((3..=4).contains(&schema.sessions().await.len()), "{:?}", schema.sessions().await);
    assert!((3..=4).contains(&database.sessions().await.len()), "{:?}", database.sessions().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_nobody_needs_are_closed_down_to_the_least() {
    let (schema, database) = (Schema::fresh().await, Database::fresh().await);
    let pool = PoolOptions::new().max_open(6).min_idle(1).idle_time(Duration::from_secs(1));
    let (on_postgres, on_mysql) = (postgres(&schema, pool).await, mysql(&database, pool).await);
    busy(&on_postgres).await;
    busy(&on_mysql).await;
    Sessions::until(&schema, "one is left", |sessions| sessions.len() == 1).await;
    Sessions::until(&database, "one is left", |sessions| sessions.len() == 1).await;
    busy(&on_postgres).await;
    busy(&on_mysql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_replaced_when_they_are_old() {
    let (schema, database) = (Schema::fresh().await, Database::fresh().await);
    let pool = PoolOptions::new().max_open(2).min_idle(1).max_lifetime(Duration::from_secs(1));
    let (_on_postgres, _on_mysql) = (postgres(&schema, pool).await, mysql(&database, pool).await);
    let first = Sessions::until(&schema, "one is there", |sessions| !sessions.is_empty()).await;
    Sessions::until(&schema, "another is there", |now| {
        !now.is_empty() && !now.iter().any(|id| first.contains(id))
    })
    .await;
    let first = Sessions::until(&database, "one is there", |sessions| !sessions.is_empty()).await;
    database
        .until("another is there", |now| !now.is_empty() && !now.iter().any(|id| first.contains(id)))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_waits_for_a_connection_as_long_as_it_may() {
    const WAIT: Duration = Duration::from_millis(400);
    let (schema, database) = (Schema::fresh().await, Database::fresh().await);
    let pool = PoolOptions::new().max_open(1).min_idle(0).acquire_timeout(WAIT);
    let on_postgres = Postgres::options().pool(pool).connect_to(&schema.dsn()).await.unwrap().store().clone();
    let on_mysql = database.open_with(MySql::options().pool(pool)).await.store().clone();
    let (one, other) =
        (on_postgres.pool().acquire().await.unwrap(), on_mysql.pool().acquire().await.unwrap());
    for refused in [on_postgres.outbox(None, 1).await.err(), on_mysql.outbox(None, 1).await.err()] {
        let refused = refused.unwrap();
        assert_eq!(refused.kind(), ErrorKind::Transient, "{refused}");
    }
    let begun = Instant::now();
    on_postgres.outbox(None, 1).await.unwrap_err();
    on_mysql.outbox(None, 1).await.unwrap_err();
    assert!((2 * WAIT..20 * WAIT).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    drop((one, other));
    on_postgres.outbox(None, 1).await.unwrap();
    on_mysql.outbox(None, 1).await.unwrap();
}

/// A place that takes connections and never says a word.
async fn silent_server() -> (tokio::net::TcpListener, u16) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn making_a_connection_takes_as_long_as_it_may() {
    let (_listener, port) = silent_server().await;
    let begun = Instant::now();
    let refused =
        Postgres::connect(&format!("postgres://u:canary@127.0.0.1:{port}/d?connect_timeout=1")).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Transient, "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("canary"));
    let refused =
        MySql::connect(&format!("u:canary@tcp(127.0.0.1:{port})/d?timeout=500ms")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Transient, "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_of_postgres_reach_the_server() {
    let schema = Schema::fresh().await;
    let more = "%20-c%20geqo_threshold=13&application_name=till%201&statement_timeout=7s";
    let url = format!("{}{more}", schema.url());
    let store = Postgres::connect(&url).await.unwrap().store().clone();
    for (name, value) in [
        ("application_name", "till 1"),
        ("statement_timeout", "7s"),
        ("geqo_threshold", "13"),
        ("search_path", schema.name()),
        ("TimeZone", "UTC"),
        ("client_encoding", "UTF8"),
        ("transaction_isolation", "read committed"),
        ("lock_timeout", "2s"),
        ("idle_in_transaction_session_timeout", "5s"),
    ] {
        let text = AssertSqlSafe(format!("show {name}"));
        let set: String = sqlx::query_scalar(text).fetch_one(store.pool()).await.unwrap();
        assert_eq!(set, value, "{name}");
    }
    // The keyword form is another way to say the same.
    let Ok(Dsn::Postgres(dsn)) = url.parse() else { panic!("{url}") };
    let keywords = format!(
        "host={} port={} user={} password='{}' dbname={} application_name='till 2' options='-c search_path={}'",
        dsn.host,
        dsn.port,
        dsn.user,
        dsn.password.as_ref().unwrap().expose(),
        dsn.database,
        schema.name()
    );
    let store = Postgres::connect(&keywords).await.unwrap().store().clone();
    let set: String = sqlx::query_scalar("show application_name").fetch_one(store.pool()).await.unwrap();
    assert_eq!(set, "till 2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_of_mariadb_reach_the_server() {
    let database = Database::fresh().await;
    let Ok(Dsn::MySql(dsn)) = database.url().parse() else { panic!("it is no MariaDB's") };
    let password = dsn.password.as_ref().map(|password| password.expose().to_owned()).unwrap_or_default();
    let go = format!(
        "{}:{password}@tcp({}:{})/{}?parseTime=true&charset=utf8mb4&collation=utf8mb4_unicode_ci&loc=UTC&timeout=10s&\
         readTimeout=7s&writeTimeout=9s",
        dsn.user, dsn.host, dsn.port, dsn.database
    );
    let pool = PoolOptions::new().max_open(3);
    let options = MySql::options().pool(pool).lock_timeout(Duration::from_secs(4));
    let store = options.connect(&go).await.unwrap().store().clone();
    for (name, value) in [
        ("@@character_set_client", "utf8mb4"),
        ("@@character_set_results", "utf8mb4"),
        ("@@collation_connection", "utf8mb4_unicode_ci"),
        ("@@time_zone", "+00:00"),
        ("@@max_statement_time", "7.000000"),
        ("@@net_read_timeout", "9"),
        ("@@innodb_lock_wait_timeout", "4"),
        ("@@idle_transaction_timeout", "5"),
        ("@@tx_isolation", "READ-COMMITTED"),
        ("database()", database.name()),
    ] {
        let text = AssertSqlSafe(format!("select cast({name} as char)"));
        let set: String = sqlx::query_scalar(text).fetch_one(store.pool()).await.unwrap();
        assert_eq!(set, value, "{name}");
    }
}
