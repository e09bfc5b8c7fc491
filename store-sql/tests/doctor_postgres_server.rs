//! The doctor on PostgreSQL servers of the test's own: with each setting of a whole server that loses data or work.
#![cfg(feature = "postgres")]
#![allow(missing_docs, clippy::unwrap_used)]

mod doctor_support;
mod servers;

use std::sync::Arc;
use std::time::Duration;

use doctor_support::{finds, is_healthy, options, report, report_with};
use servers::pgbouncer::{Mode, PgBouncer};
use servers::{End, Kind, Server, Spec};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store_sql::Postgres;
use store_sql::config::PoolOptions;
use store_sql::doctor::{DoctorOptions, FindingId, Verdict};
use workflow_core::Timestamp;
use workflow_core::adapter::{BoxFuture, Clock};

async fn started(arguments: &[&str]) -> Server {
    let server = Spec::new(Kind::Postgres).with(arguments).start();
    drop(Postgres::connect(&server.url()).await.unwrap());
    server
}

async fn run(server: &Server, text: &str) {
    let mut session = PgConnection::connect(&server.url()).await.unwrap();
    // One by one: some statements want no others beside them.
    for statement in text.split("; ") {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut session).await.unwrap();
    }
    session.close().await.unwrap();
}

/// Changes a setting of the server, and waits until new sessions have it.
async fn alter(server: &Server, name: &str, value: &str) {
    run(server, &format!("alter system set {name} = {value}; select pg_reload_conf()")).await;
    loop {
        let mut session = PgConnection::connect(&server.url()).await.unwrap();
        let text = AssertSqlSafe(format!("show {name}"));
        let found: String = sqlx::query_scalar(text).fetch_one(&mut session).await.unwrap();
        session.close().await.unwrap();
        if found == value {
            return;
        }
    }
}

/// What is found with the pool that a process has by default.
fn usual() -> DoctorOptions {
    options().pool(PoolOptions::new())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_setting_of_the_server_has_its_finding() {
    let server = started(&[]).await;
    is_healthy(&report_with(&server.url(), usual()).await);
    let cases = [
        ("fsync", FindingId::CommitsNotFlushed),
        ("full_page_writes", FindingId::PagesNotProtected),
        ("autovacuum", FindingId::AutovacuumOff),
    ];
    for (name, expected) in cases {
        alter(&server, name, "off").await;
        finds(&report_with(&server.url(), usual()).await, &[expected]);
        alter(&server, name, "on").await;
    }
    let cases: [(&str, &[FindingId]); 5] = [
        ("synchronous_commit = off", &[FindingId::CommitsNotFlushed]),
        ("idle_session_timeout = '10min'", &[FindingId::LifetimeTooLong]),
        ("default_transaction_read_only = on", &[FindingId::ServerReadOnly]),
        ("enable_indexscan = off", &[]),
        ("default_transaction_isolation = 'serializable'", &[]),
    ];
    for (setting, expected) in cases {
        run(&server, &format!("alter role workflow set {setting}")).await;
        finds(&report_with(&server.url(), usual()).await, expected);
        run(&server, "begin; set transaction read write; alter role workflow reset all; commit").await;
    }
    run(
        &server,
        "alter role workflow set enable_indexscan = off; alter role workflow set enable_bitmapscan = off",
    )
    .await;
    finds(&report_with(&server.url(), usual()).await, &[FindingId::IndexNotUsed]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_measured_by_what_is_wanted() {
    let server = started(&["-c", "max_connections=33", "-c", "superuser_reserved_connections=3"]).await;
    is_healthy(&report_with(&server.url(), usual()).await);
    let mut others = Vec::new();
    for _ in 0..5 {
        others.push(PgConnection::connect(&server.url()).await.unwrap());
    }
    finds(&report_with(&server.url(), usual()).await, &[FindingId::ConnectionsScarce]);
    drop(others);
    finds(&report_with(&server.url(), usual().processes(2)).await, &[FindingId::PoolTooLarge]);
    let strict = options().free_bytes_min(u64::MAX);
    finds(&report_with(&server.url(), strict).await, &[FindingId::DiskNearlyFull]);
    run(&server, "create role few login password 'f' connection limit 1").await;
    let url = format!("postgres://few:f@127.0.0.1:{}/postgres", server.port());
    let held = PgConnection::connect(&url).await.unwrap();
    let found = report(&url).await;
    finds(&found, &[FindingId::ConnectionsExhausted]);
    assert_eq!(found.verdict(), Verdict::CouldNotCheck);
    held.close().await.unwrap();
}

/// The host's clock, as far off as a test wants.
struct Off(i64);

impl Clock for Off {
    fn now(&self) -> Timestamp {
        let now = workflow_core::adapter::SystemClock::new().now();
        Timestamp::from_millis(now.as_millis() + self.0)
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_without_rights_are_told_which() {
    let server = started(&[]).await;
    for off in [-60_000, 60_000] {
        let skewed = options().clock(Arc::new(Off(off)));
        finds(&report_with(&server.url(), skewed).await, &[FindingId::ClockSkew]);
    }
    run(&server, "create role reader login password 'r'; grant select on all tables in schema public to reader; revoke temporary on database postgres from public").await;
    let url = format!("postgres://reader:r@127.0.0.1:{}/postgres", server.port());
    let found = report(&url).await;
    finds(&found, &[FindingId::ProbeFailed, FindingId::CheckSkipped]);
    assert!(found.of(FindingId::ProbeFailed).all(|finding| finding.fix.starts_with("grant ")), "{found}");
    assert!(found.of(FindingId::CheckSkipped).all(|finding| finding.message.contains("plans")), "{found}");
    // The rights that the page names are enough.
    run(&server, "grant insert, update, delete on all tables in schema public to reader; grant temporary on database postgres to reader").await;
    is_healthy(&report(&url).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_connection_may_be_demanded() {
    let server = started(&[]).await;
    server.write("data/pg_hba.conf", "hostssl all all 127.0.0.1/32 scram-sha-256\n");
    let mut session = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::raw_sql("select pg_reload_conf()").execute(&mut session).await.unwrap();
    // The file is read again when the server gets to it.
    while PgConnection::connect(&server.url()).await.is_ok() {}
    let found = report(&format!("{}?sslmode=disable", server.url())).await;
    finds(&found, &[FindingId::TlsRefused]);
    session.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_no_place_for_an_engine() {
    let mut server = started(&[]).await;
    server.end(End::Ordered);
    server.write("data/standby.signal", "");
    server.start();
    let found = loop {
        let found = report(&server.url()).await;
        // It may not have come as far as to let readers in.
        if found.verdict() != Verdict::CouldNotCheck {
            break found;
        }
    };
    assert!(found.of(FindingId::ServerIsReplica).count() == 1, "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_is_found_unless_it_is_declared() {
    let server = started(&[]).await;
    // What the driver asks for at the start of a session, and poolers do not know.
    let ignored = "extra_float_digits";
    for connections in [1, 5] {
        let pooler = PgBouncer::before(&server, Mode::Transaction, connections, ignored);
        finds(&report(&pooler.url()).await, &[FindingId::PoolerInBetween]);
        is_healthy(&report(&format!("{}&pooler=transaction", pooler.url())).await);
    }
    let pooler = PgBouncer::before(&server, Mode::Session, 5, ignored);
    is_healthy(&report(&pooler.url()).await);
    let strict = PgBouncer::before(&server, Mode::Transaction, 5, "");
    let found = report(&strict.url()).await;
    finds(&found, &[FindingId::ConnectFailed]);
    assert!(found.findings[0].message.contains("a pooler in between refuses"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_in_another_encoding_is_found() {
    let server = started(&[]).await;
    run(&server, "create database narrow encoding 'LATIN1' locale 'C' template template0").await;
    let url = server.url().replace("/postgres", "/narrow");
    drop(Postgres::connect(&url).await.unwrap());
    finds(&report(&url).await, &[FindingId::DatabaseEncoding]);
}
