//! Transfers between accounts of the user's own, whose process is ended at chosen commits and killed from outside: whatever
//! the moment, no money is made or lost, and each transfer happens once, on every kind of database.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;

use money_transfer::accounts::{Accounts, CENTS, NAMES};
use money_transfer::transfer::Transfer;
use workflow_system_tests::aborting::When;
use workflow_system_tests::child::Worker;
use workflow_system_tests::ground::{Ground, Kind};
use workflow_system_tests::patience::until;

const WORKER: &str = env!("CARGO_BIN_EXE_worker");

/// How many transfers there are.
const TRANSFERS: u32 = 150;

/// The last commit at which a process is ended; all transfers together take many more.
const COMMIT_MAX: u64 = 25;

/// How often a process is ended at least before all transfers are made.
const ENDS_MIN: usize = 8;

/// How often it is killed from outside.
const KILLS: i64 = 6;

/// Set it to see a failure again.
fn seed() -> u64 {
    std::env::var("WORKFLOW_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap())
}

async fn bank(kind: Kind) -> (Ground, Accounts) {
    let ground = Ground::fresh(kind).await;
    drop(ground.database().await);
    let accounts = Accounts::open(&ground.dsn()).await.unwrap();
    (ground, accounts)
}

/// Queries that find what must not be, at any moment. Each gives a text a row.
const WRONG: [(&str, &str); 3] = [
    (
        "a booking without its transition",
        "select run_id from bookings where run_id not in (select run_id from workflow_history where to_status = 2)",
    ),
    (
        "a transition without its booking",
        "select run_id from workflow_history where to_status = 2 and run_id not in (select run_id from bookings)",
    ),
    (
        "a version that was written twice, or not at all",
        "select run_id from workflow_history group by run_id having min(version) <> 1 or max(version) <> count(*)",
    ),
];

/// What holds whatever the process was doing.
async fn books_are_right(ground: &Ground, accounts: &mut Accounts, context: &str) {
    let sum: i64 = accounts.balances().await.unwrap().iter().map(|(_, cents)| cents).sum();
    assert_eq!(sum, CENTS * NAMES.len() as i64, "{context}: money was made or lost");
    let mut session = ground.session().await;
    for (what, query) in WRONG {
        let wrong = session.texts(query).await.unwrap();
        assert!(wrong.is_empty(), "{context}: {what}: {wrong:?}");
    }
}

/// What holds once all transfers are made: each account has what its transfers left in it.
async fn all_are_made(accounts: &mut Accounts, context: &str) {
    let mut wanted: BTreeMap<String, i64> = NAMES.map(|name| (name.to_owned(), CENTS)).into();
    for Transfer { from, to, cents } in (1..=TRANSFERS).map(Transfer::numbered) {
        *wanted.get_mut(&from).unwrap() -= cents;
        *wanted.get_mut(&to).unwrap() += cents;
    }
    let balances: BTreeMap<String, i64> = accounts.balances().await.unwrap().into_iter().collect();
    assert_eq!(balances, wanted, "{context}");
    assert_eq!(accounts.booked().await.unwrap(), i64::from(TRANSFERS), "{context}");
}

/// Ends the process at commit after commit, until one comes to the end of its work.
async fn ended_at_commits(kind: Kind) {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let (ground, mut accounts) = bank(kind).await;
    let mut ends = 0;
    loop {
        let (at, when) = (random.u64(1..=COMMIT_MAX), When::ALL[random.usize(..When::ALL.len())]);
        let context = format!("WORKFLOW_SEED={seed}, end {ends}, {} commit {at}", when.name());
        let count = TRANSFERS.to_string();
        let args = ["abort-money", ground.url(), &count, &at.to_string(), when.name()];
        let (status, said) = Worker::start(WORKER, args).end().await;
        assert!(said.is_empty() || status.success(), "{context}: {said:?}");
        books_are_right(&ground, &mut accounts, &context).await;
        if status.success() {
            break;
        }
        ends += 1;
    }
    assert!(ends >= ENDS_MIN, "WORKFLOW_SEED={seed}: only {ends} processes were ended before their end");
    all_are_made(&mut accounts, &format!("WORKFLOW_SEED={seed}")).await;
}

/// Kills the process from outside, each time after some more transfers were booked.
async fn killed_from_outside(kind: Kind) {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let (ground, mut accounts) = bank(kind).await;
    let count = TRANSFERS.to_string();
    let args = ["money", ground.url(), &count];
    let mut booked = 0;
    for kill in 0..KILLS {
        booked += random.i64(1..i64::from(TRANSFERS) / KILLS);
        let context = format!("WORKFLOW_SEED={seed}, kill {kill} at booking {booked}");
        let worker = Worker::start(WORKER, args);
        until(&context, async || accounts.booked().await.unwrap() >= booked).await;
        worker.kill().await;
        books_are_right(&ground, &mut accounts, &context).await;
        booked = accounts.booked().await.unwrap();
        if booked == i64::from(TRANSFERS) {
            break;
        }
    }
    let (status, said) = Worker::start(WORKER, args).end().await;
    assert!(status.success(), "WORKFLOW_SEED={seed}: {said:?}");
    books_are_right(&ground, &mut accounts, "at the end").await;
    all_are_made(&mut accounts, &format!("WORKFLOW_SEED={seed}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_moves_once_whatever_commit_the_process_ends_at() {
    ended_at_commits(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_moves_once_on_mariadb_whatever_commit_the_process_ends_at() {
    ended_at_commits(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_moves_once_on_postgresql_whatever_commit_the_process_ends_at() {
    ended_at_commits(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_moves_once_though_the_process_is_killed() {
    killed_from_outside(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_moves_once_on_mariadb_though_the_process_is_killed() {
    killed_from_outside(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_moves_once_on_postgresql_though_the_process_is_killed() {
    killed_from_outside(Kind::Postgres).await;
}
