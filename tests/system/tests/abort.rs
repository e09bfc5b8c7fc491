//! The order processor ends at a chosen commit, before it, in the middle of it, or after it; then it is run to the end.
//! Whatever the moment, every order has one run in one final status, and each transition is recorded once.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;

use futures_util::{StreamExt, stream};
use order_processor::generate;
use order_processor::order::{Courier, Order};
use workflow_system_tests::aborting::When;
use workflow_system_tests::audit::Audit;
use workflow_system_tests::child::{Worker, text};
use workflow_system_tests::finish::finish;
use workflow_system_tests::ground::{Ground, Kind};

const WORKER: &str = env!("CARGO_BIN_EXE_worker");

/// How often a process is ended.
const ROUNDS: u64 = 100;

/// How many of those must be before the end.
const BEFORE_THE_END_MIN: usize = 90;

/// How many orders each round has; nearly all make five transitions.
const ORDERS: u64 = 100;

/// The last commit that is aborted. That many orders take more commits than that even on a machine that does nothing
/// else, where many transitions share one.
const COMMIT_MAX: u64 = 40;

/// How many rounds go on side by side: most of a round is waiting for the disk.
const ROUNDS_AT_ONCE: usize = 4;

/// Set it to see a failure again.
fn seed() -> u64 {
    match std::env::var("WORKFLOW_SEED") {
        Ok(seed) => seed.parse().expect("WORKFLOW_SEED is a number"),
        Err(_) => fastrand::u64(..),
    }
}

/// One ended process.
struct Round {
    number: u64,
    seed: u64,
    at: u64,
    when: When,
}

impl Round {
    fn all(seed: u64) -> Vec<Round> {
        let mut random = fastrand::Rng::with_seed(seed);
        let round = |number| Round {
            number,
            seed,
            at: random.u64(1..=COMMIT_MAX),
            when: When::ALL[random.usize(..When::ALL.len())],
        };
        (0..ROUNDS).map(round).collect()
    }

    fn context(&self) -> String {
        format!("WORKFLOW_SEED={}, round {}, {} commit {}", self.seed, self.number, self.when.name(), self.at)
    }

    /// Orders of this round. Those that wait for their timer make a round long, so only some rounds have one.
    fn orders(&self) -> Vec<Order> {
        let mut orders: Vec<Order> = generate::all(ORDERS, self.seed.wrapping_add(self.number)).collect();
        for (at, order) in orders.iter_mut().enumerate() {
            let lost = at == 0 && self.number.is_multiple_of(10);
            order.courier = if lost { Courier::Lost } else { Courier::Prompt };
        }
        orders
    }

    /// Ends the process, goes on to the end, and looks; tells whether the process was ended before its end.
    async fn play(&self) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("orders.jsonl");
        let ground = Ground::fresh(Kind::Sqlite).await;
        let orders = self.orders();
        write_lines(&input, &orders);
        let at = self.at.to_string();
        let args = ["abort-orders", ground.url(), text(&input), &at, self.when.name()];
        let (status, said) = Worker::start(WORKER, args).end().await;
        assert!(said.is_empty() || status.success(), "{}: {said:?}", self.context());
        let aborted = !status.success();
        let unfinished = unfinished(&ground, orders.len()).await;
        Audit::new(&ground).always(&self.context()).await;
        finish(&ground, &orders).await;
        Audit::new(&ground).ended(&orders, &self.context()).await;
        aborted && unfinished
    }
}

fn write_lines(input: &Path, orders: &[Order]) {
    let mut lines = String::new();
    for order in orders {
        writeln!(lines, "{}", serde_json::to_string(order).unwrap()).unwrap();
    }
    std::fs::write(input, lines).unwrap();
}

/// Whether orders are left to do.
async fn unfinished(ground: &Ground, orders: usize) -> bool {
    let mut session = ground.session().await;
    let ended = "select count(*) from workflow_records where run_state in (4, 5)";
    session.number(ended).await.unwrap() < i64::try_from(orders).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_at_any_commit_loses_and_repeats_nothing() {
    let rounds = stream::iter(Round::all(seed())).map(|round| async move { round.play().await });
    let played: Vec<bool> = rounds.buffer_unordered(ROUNDS_AT_ONCE).collect().await;
    let before_the_end = played.iter().filter(|before| **before).count();
    println!("{before_the_end} of {ROUNDS} processes were ended before their end");
    assert!(before_the_end >= BEFORE_THE_END_MIN, "only {before_the_end} were ended before the end");
}
