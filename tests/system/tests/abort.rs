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
use workflow_system_tests::raw::Raw;
use workflow_system_tests::transfers;

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
        let (file, input) = (folder.path().join("orders.db"), folder.path().join("orders.jsonl"));
        let orders = self.orders();
        write_lines(&input, &orders);
        let at = self.at.to_string();
        let args = ["abort-orders", text(&file), text(&input), &at, self.when.name()];
        let (status, said) = Worker::start(WORKER, args).end().await;
        assert!(said.is_empty() || status.success(), "{}: {said:?}", self.context());
        let aborted = !status.success();
        let unfinished = unfinished(&file, orders.len()).await;
        Audit::new(&file).always(&self.context()).await;
        finish(&file, &orders).await;
        Audit::new(&file).ended(&orders, &self.context()).await;
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
async fn unfinished(file: &Path, orders: usize) -> bool {
    let mut raw = Raw::open(file).await.unwrap();
    let ended = "select count(*) from workflow_records where run_state in (4, 5)";
    raw.number(ended).await.unwrap() < i64::try_from(orders).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_at_any_commit_loses_and_repeats_nothing() {
    let rounds = stream::iter(Round::all(seed())).map(|round| async move { round.play().await });
    let played: Vec<bool> = rounds.buffer_unordered(ROUNDS_AT_ONCE).collect().await;
    let before_the_end = played.iter().filter(|before| **before).count();
    println!("{before_the_end} of {ROUNDS} processes were ended before their end");
    assert!(before_the_end >= BEFORE_THE_END_MIN, "only {before_the_end} were ended before the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn attached_sql_moves_money_once_whatever_commit_the_process_ends_at() {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut ended_early = 0;
    for round in 0..20 {
        let (at, when) = (random.u64(1..=30), When::ALL[random.usize(..When::ALL.len())]);
        let context = format!("WORKFLOW_SEED={seed}, round {round}, {} commit {at}", when.name());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("transfers.db");
        drop(store_sql::Sqlite::open(&file).await.unwrap());
        transfers::accounts(&file).await;
        let args = ["abort-transfers", text(&file), &at.to_string(), when.name()];
        let (status, said) = Worker::start(WORKER, args).end().await;
        assert!(said.is_empty() || status.success(), "{context}: {said:?}");
        ended_early += usize::from(!status.success());
        books_are_right(&file, &context).await;
        transfers::all(store_sql::Sqlite::open(&file).await.unwrap()).await.unwrap();
        books_are_right(&file, &context).await;
        let mut raw = Raw::open(&file).await.unwrap();
        let (count, sum) = ("select count(*) from bookings", "select sum(cents) from bookings");
        let transfers = i64::try_from(transfers::TRANSFERS).unwrap();
        assert_eq!(raw.number(count).await.unwrap(), transfers, "{context}");
        assert_eq!(raw.number(sum).await.unwrap(), transfers * (transfers + 1) / 2, "{context}");
        Audit::new(&file).always(&context).await;
    }
    assert!(ended_early >= 18, "only {ended_early} processes were ended before their end");
}

/// The accounts hold what the transitions say, at any moment.
async fn books_are_right(file: &Path, context: &str) {
    let mut raw = Raw::open(file).await.unwrap();
    let wrong = raw
        .texts(&format!(
            "select 'sum' where (select sum(cents) from accounts) <> {cents}
             union all select 'yours' where (select cents from accounts where name = 'yours') <> (select \
             coalesce(sum(cents), 0) from bookings)
             union all select run_id from bookings group by run_id having count(*) > 1
             union all select b.run_id from bookings b where not exists (select 1 from workflow_history h where h.run_id \
             = b.run_id and h.to_status = 2)
             union all select h.run_id from workflow_history h where h.to_status = 2 and h.run_id not in (select run_id \
             from bookings)",
            cents = transfers::CENTS
        ))
        .await
        .unwrap();
    assert!(wrong.is_empty(), "{context}: {wrong:?}");
}
