//! The order processor is killed with SIGKILL, from outside, again and again on one file, and started again each time.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fmt::Write as _;

use order_processor::generate;
use order_processor::order::Order;
use workflow_system_tests::audit::Audit;
use workflow_system_tests::child::{Worker, text};
use workflow_system_tests::finish::finish;
use workflow_system_tests::patience::until;
use workflow_system_tests::raw::Raw;

const WORKER: &str = env!("CARGO_BIN_EXE_worker");

/// How often it is killed.
const KILLS: usize = 30;

/// How many orders there are: enough for kills in the middle of all kinds of work.
const ORDERS: u64 = 3000;

/// The last transition at which it is killed; all orders together make more.
const TRANSITION_MAX: u64 = 13_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_again_and_again_loses_and_repeats_nothing() {
    let seed =
        std::env::var("WORKFLOW_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let (file, input) = (folder.path().join("orders.db"), folder.path().join("orders.jsonl"));
    let orders: Vec<Order> = generate::all(ORDERS, seed).collect();
    let mut lines = String::new();
    for order in &orders {
        writeln!(lines, "{}", serde_json::to_string(order).unwrap()).unwrap();
    }
    std::fs::write(&input, lines).unwrap();
    let mut moments: Vec<u64> = (0..KILLS).map(|_| random.u64(1..=TRANSITION_MAX)).collect();
    moments.sort_unstable();
    drop(store_sql::Sqlite::open(&file).await.unwrap());
    for (kill, moment) in moments.into_iter().enumerate() {
        let context = format!("WORKFLOW_SEED={seed}, kill {kill} at transition {moment}");
        let args = ["orders", "--input", text(&input), "--database", text(&file), "--json"];
        let mut worker = Worker::start(WORKER, args);
        let mut raw = Raw::open(&file).await.unwrap();
        let count = "select count(*) from workflow_history";
        let moment = i64::try_from(moment).unwrap();
        until(&context, async || raw.number(count).await.unwrap() >= moment).await;
        assert!(!worker.has_ended(), "{context}: it had ended before");
        assert!(!worker.kill().await.success(), "{context}: it ended by itself");
        Audit::new(&file).always(&context).await;
    }
    finish(&file, &orders).await;
    Audit::new(&file).ended(&orders, &format!("WORKFLOW_SEED={seed}, at the end")).await;
}
