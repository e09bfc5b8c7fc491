//! The order processor is killed with SIGKILL, from outside, again and again on one database, and started again each time.
//! At the end its table of outcomes is the one of a run that nobody killed, on every kind of database.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use order_processor::generate;
use order_processor::order::Order;
use workflow_system_tests::audit::Audit;
use workflow_system_tests::child::{Worker, text};
use workflow_system_tests::finish::finish;
use workflow_system_tests::ground::{Ground, Kind};
use workflow_system_tests::patience::until;

const WORKER: &str = env!("CARGO_BIN_EXE_worker");

/// How often it is killed, on how many orders: enough for kills in the middle of all kinds of work.
struct Ordeal {
    kind: Kind,
    kills: usize,
    orders: u64,
}

impl Ordeal {
    /// The last transition at which it is killed; all orders together make more.
    fn transition_max(&self) -> u64 {
        self.orders * 13 / 3
    }

    async fn play(self) {
        let seed =
            std::env::var("WORKFLOW_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
        let mut random = fastrand::Rng::with_seed(seed);
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("orders.jsonl");
        let orders: Vec<Order> = generate::all(self.orders, seed).collect();
        write_lines(&input, &orders);
        let ground = Ground::fresh(self.kind).await;
        drop(ground.database().await);
        let mut moments: Vec<u64> = (0..self.kills).map(|_| random.u64(1..=self.transition_max())).collect();
        moments.sort_unstable();
        for (kill, moment) in moments.into_iter().enumerate() {
            let context = format!("WORKFLOW_SEED={seed}, kill {kill} at transition {moment}");
            kill_at(&ground, &input, moment, &context).await;
            Audit::new(&ground).always(&context).await;
        }
        let context = format!("WORKFLOW_SEED={seed}, at the end");
        let killed = outcomes(&input, ground.url(), &context);
        // The program ends when all orders have; events that were dealt with in its last moment may still be stored.
        finish(&ground, &[]).await;
        Audit::new(&ground).ended(&orders, &context).await;
        let whole = Ground::fresh(Kind::Sqlite).await;
        assert_eq!(killed, outcomes(&input, whole.url(), "the run that nobody killed"), "{context}");
    }
}

/// Starts it, and kills it once so many transitions are stored.
async fn kill_at(ground: &Ground, input: &Path, moment: u64, context: &str) {
    let args = ["orders", "--input", text(input), "--database", ground.url(), "--json"];
    let mut worker = Worker::start(WORKER, args);
    let mut session = ground.session().await;
    let count = "select count(*) from workflow_history";
    let moment = i64::try_from(moment).unwrap();
    until(context, async || session.number(count).await.unwrap() >= moment).await;
    assert!(!worker.has_ended(), "{context}: it had ended before");
    assert!(!worker.kill().await.success(), "{context}: it ended by itself");
}

/// Runs it to its end and gives its table of outcomes.
fn outcomes(input: &Path, url: &str, context: &str) -> BTreeMap<String, u64> {
    let args = ["orders", "--input", text(input), "--database", url, "--json"];
    let output = Command::new(WORKER).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{context}: {said} {}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(report["unfinished"], 0, "{context}: {said}");
    serde_json::from_value(report["by_status"].clone()).unwrap()
}

fn write_lines(input: &Path, orders: &[Order]) {
    let mut lines = String::new();
    for order in orders {
        writeln!(lines, "{}", serde_json::to_string(order).unwrap()).unwrap();
    }
    std::fs::write(input, lines).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_again_and_again_loses_and_repeats_nothing() {
    Ordeal { kind: Kind::Sqlite, kills: 30, orders: 3000 }.play().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_on_mariadb_that_is_killed_again_and_again_loses_and_repeats_nothing() {
    Ordeal { kind: Kind::MariaDb, kills: 12, orders: 1000 }.play().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_on_postgresql_that_is_killed_again_and_again_loses_and_repeats_nothing() {
    Ordeal { kind: Kind::Postgres, kills: 12, orders: 1000 }.play().await;
}
