//! Goal: two databases with one namespace by mistake do not take each other's roles away. Method: a relay and a worker, each in a
//! process of its own, are pointed at a second database.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "this is test code: what cannot be had fails the test")]

use std::process::{Output, Stdio};

use scheduler_etcd::{EtcdConfig, EtcdObserver};
use tokio::process::Command;
use workflow::Namespace;
use workflow_system_tests::ground::{Ground, Kind};
use workflow_system_tests::patience::patiently;

fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("no server: `cargo xtask services up`, then set {variable} as `cargo xtask services env` prints it")
    })
}

/// Runs a program on a database until it ends.
async fn run(program: &str, args: &[&str], ground: &Ground, namespace: &Namespace) -> Output {
    let mut command = Command::new(program);
    command
        .args(args)
        .env("WORKFLOW_DATABASE_URL", ground.url())
        .env("WORKFLOW_KAFKA_BROKERS", server("WORKFLOW_KAFKA_BROKERS"))
        .env("WORKFLOW_ETCD_ENDPOINTS", server("WORKFLOW_ETCD_ENDPOINTS"))
        .env("WORKFLOW_NAMESPACE", namespace.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    patiently("the end of the program", command.output()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_of_another_database_is_refused() {
    let (relay, worker) = (env!("CARGO_BIN_EXE_cluster-relay"), env!("CARGO_BIN_EXE_cluster-orders"));
    let namespace = Namespace::new(format!("t{:016x}", fastrand::u64(..))).unwrap();
    let (first, second) = (Ground::fresh(Kind::Postgres).await, Ground::fresh(Kind::MariaDb).await);
    for _ in 0..2 {
        let own = run(relay, &["--once"], &first, &namespace).await;
        assert_eq!(own.status.code(), Some(0), "{}", String::from_utf8_lossy(&own.stderr));
    }
    let etcd = server("WORKFLOW_ETCD_ENDPOINTS");
    let etcd = EtcdConfig::new(etcd.split(',')).namespace(namespace.clone());
    let etcd = EtcdObserver::connect(etcd).await.unwrap();
    let id = first.database().await.id().await.unwrap();
    assert_eq!(etcd.namespace_database().await.unwrap(), Some(id));
    for (program, args) in [(relay, &["--once"][..]), (worker, &["worker"])] {
        let refused = run(program, args, &second, &namespace).await;
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        for part in [&id.to_string(), &namespace.to_string(), "give each database a namespace of its own"] {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
    }
    assert!(etcd.roles().await.unwrap().is_empty(), "nobody has claimed a role");
    assert_eq!(etcd.namespace_database().await.unwrap(), Some(id));
}
