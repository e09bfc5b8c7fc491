//! The doctor on MariaDB servers of the test's own: with each setting of a whole server that loses data or work.
#![cfg(feature = "mysql")]
#![allow(missing_docs, clippy::unwrap_used)]

mod doctor_support;
mod servers;

use std::sync::Arc;
use std::time::Duration;

use doctor_support::{finds, is_healthy, options, report, report_with, severity};
use servers::{Kind, Server, Spec};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use store_sql::MySql;
use store_sql::config::PoolOptions;
use store_sql::doctor::{DoctorOptions, FindingId, Severity, Verdict};
use workflow_core::Timestamp;
use workflow_core::adapter::{BoxFuture, Clock};

async fn started(arguments: &[&str]) -> Server {
    let server = Spec::new(Kind::MariaDb).with(arguments).start();
    drop(MySql::connect(&server.url()).await.unwrap());
    server
}

async fn run(server: &Server, text: &str) {
    let mut session = MySqlConnection::connect(&server.url()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut session).await.unwrap();
    session.close().await.unwrap();
}

/// What is found with the pool that a process has by default.
fn usual() -> DoctorOptions {
    options().pool(PoolOptions::new())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_setting_of_the_server_has_its_finding() {
    let server = started(&["--log-bin={folder}/binlog", "--sync-binlog=1", "--binlog-format=MIXED"]).await;
    is_healthy(&report_with(&server.url(), usual()).await);
    let cases: [(&str, &str, &[FindingId]); 8] = [
        (
            "innodb_flush_log_at_trx_commit = 2",
            "innodb_flush_log_at_trx_commit = 1",
            &[FindingId::CommitsNotFlushed],
        ),
        ("sync_binlog = 0", "sync_binlog = 1", &[FindingId::BinlogNotSynced]),
        ("binlog_format = 'STATEMENT'", "binlog_format = 'MIXED'", &[FindingId::BinlogFormatStatement]),
        ("sql_mode = ''", "sql_mode = default", &[FindingId::SqlModeNotStrict]),
        ("wait_timeout = 60", "wait_timeout = default", &[FindingId::LifetimeTooLong]),
        ("max_connections = 20", "max_connections = 151", &[FindingId::PoolTooLarge]),
        ("max_allowed_packet = 1048576", "max_allowed_packet = default", &[FindingId::PacketTooSmall]),
        ("read_only = 1", "read_only = 0", &[FindingId::ServerReadOnly]),
    ];
    for (fault, cure, expected) in cases {
        run(&server, &format!("set global {fault}")).await;
        finds(&report_with(&server.url(), usual()).await, expected);
        run(&server, &format!("set global {cure}")).await;
    }
    run(&server, "change master to master_host = '127.0.0.1', master_port = 1, master_user = 'none'").await;
    finds(&report_with(&server.url(), usual()).await, &[FindingId::ServerIsReplica]);
    run(&server, "reset slave all").await;
    is_healthy(&report_with(&server.url(), usual()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_measured_by_what_is_wanted() {
    let server = started(&["--max-connections=30"]).await;
    is_healthy(&report_with(&server.url(), usual()).await);
    let mut others = Vec::new();
    for _ in 0..5 {
        others.push(MySqlConnection::connect(&server.url()).await.unwrap());
    }
    finds(&report_with(&server.url(), usual()).await, &[FindingId::ConnectionsScarce]);
    drop(others);
    let large = options().object_bytes_max(64 << 20);
    let found = report_with(&server.url(), large).await;
    assert_eq!(severity(&found, FindingId::PacketTooSmall), Severity::Error);
    let strict = options().free_bytes_min(u64::MAX);
    finds(&report_with(&server.url(), strict).await, &[FindingId::DiskNearlyFull]);
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
    run(
        &server,
        "create user reader@127.0.0.1 identified by 'r'; grant select on workflow.* to reader@127.0.0.1",
    )
    .await;
    let url = format!("mysql://reader:r@127.0.0.1:{}/workflow", server.port());
    let found = report(&url).await;
    finds(&found, &[FindingId::ProbeFailed, FindingId::CheckSkipped]);
    assert!(found.of(FindingId::ProbeFailed).all(|finding| finding.fix.starts_with("grant ")), "{found}");
    let skipped: Vec<_> = found.of(FindingId::CheckSkipped).map(|finding| finding.message.as_str()).collect();
    assert!(skipped.iter().any(|message| message.contains("replica")), "{skipped:?}");
    assert!(skipped.iter().any(|message| message.contains("plans")), "{skipped:?}");
    // The rights that the page names are enough.
    run(
        &server,
        "grant insert, update, delete, create temporary tables on workflow.* to reader@127.0.0.1; grant slave monitor on *.* to \
         reader@127.0.0.1",
    )
    .await;
    is_healthy(&report(&url).await);
    run(&server, "create user few@127.0.0.1 identified by 'f' with max_user_connections 1; grant all on workflow.* to few@127.0.0.1").await;
    let url = format!("mysql://few:f@127.0.0.1:{}/workflow", server.port());
    let held = MySqlConnection::connect(&url).await.unwrap();
    let found = report(&url).await;
    finds(&found, &[FindingId::ConnectionsExhausted]);
    assert_eq!(found.verdict(), Verdict::CouldNotCheck);
    held.close().await.unwrap();
    run(
        &server,
        "alter user few@127.0.0.1 with max_user_connections 10; grant slave monitor on *.* to few@127.0.0.1",
    )
    .await;
    finds(&report_with(&url, usual()).await, &[FindingId::PoolTooLarge]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_a_server_starts_with_are_found() {
    let server = started(&["--innodb-doublewrite=OFF", "--innodb-flush-method=nosync"]).await;
    finds(&report(&server.url()).await, &[FindingId::PagesNotProtected, FindingId::CommitsNotFlushed]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_servers_are_told_by_their_version() {
    let cases = [("8.0.30", FindingId::ServerIsMysql), ("10.5.1-MariaDB", FindingId::ServerTooOld)];
    for (version, expected) in cases {
        let server = Spec::new(Kind::MariaDb).with(&[&format!("--version={version}")]).start();
        finds(&report(&server.url()).await, &[expected, FindingId::SchemaMissing]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_a_cluster_needs_a_single_writer() {
    let arguments = [
        "--wsrep-on=ON",
        "--wsrep-provider=/usr/lib/galera/libgalera_smm.so",
        "--wsrep-cluster-address=gcomm://",
        "--wsrep-new-cluster",
        "--wsrep-node-address=127.0.0.1",
        "--binlog-format=ROW",
        "--innodb-autoinc-lock-mode=2",
    ];
    let server = Spec::new(Kind::MariaDb).with(&arguments).start();
    drop(MySql::options().single_writer().connect(&server.url()).await.unwrap());
    finds(&report(&server.url()).await, &[FindingId::GaleraCluster]);
    is_healthy(&report_with(&server.url(), options().single_writer()).await);
}
