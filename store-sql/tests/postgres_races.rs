//! Many writers at once, on handles as several processes would have them, in commits of many changes each.
#![allow(missing_docs, clippy::unwrap_used)]

mod schemas;

use std::collections::HashMap;
use std::sync::Arc;

use store_sql::postgres::PostgresStore;
use tokio::task::JoinSet;
use workflow_conformance::samples::{creation, found, new_run, outbox_rows, start, stepped, update, version};
use workflow_core::adapter::{HistoryQuery, Outcome, Store};
use workflow_core::{Record, RunId};

use schemas::Schema;

const HANDLES: usize = 3;

async fn handles(schema: &Schema) -> Vec<Arc<PostgresStore>> {
    let mut handles = Vec::new();
    for _ in 0..HANDLES {
        handles.push(schema.store().await);
    }
    handles
}

/// Each handle triggers the same foreign ids in one commit, in an order of its own, so that they wait for each other in
/// circles; of each foreign id there is one run in the end, and the others are told which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_trigger_the_same_keys_make_one_run_of_each() {
    const KEYS: usize = 40;
    let schema = Schema::fresh().await;
    for round in 0..5 {
        let mut commits = JoinSet::new();
        for (number, store) in handles(&schema).await.into_iter().enumerate() {
            commits.spawn(async move {
                let keys = (0..KEYS).map(|at| (at * 7 + number * 13) % KEYS);
                let records: Vec<Record> = keys.map(|key| new_run(&format!("order-{round}-{key}"))).collect();
                let changes = records.iter().map(creation).collect();
                let outcomes = store.commit(changes, Vec::new()).await.unwrap();
                records.into_iter().zip(outcomes).collect::<Vec<_>>()
            });
        }
        let answers: Vec<_> = commits.join_all().await.into_iter().flatten().collect();
        let mut stored: HashMap<String, RunId> = HashMap::new();
        for (record, outcome) in &answers {
            if let Outcome::Stored(_) = outcome {
                let before = stored.insert(record.foreign_id.to_string(), record.run_id);
                assert_eq!(before, None, "two runs of {}", record.foreign_id);
            }
        }
        assert_eq!(stored.len(), KEYS);
        for (record, outcome) in answers {
            let run_id = stored[record.foreign_id.as_str()];
            if run_id != record.run_id {
                assert_eq!(outcome, Outcome::DuplicateActiveRun { run_id });
            }
        }
    }
}

/// Writers that move many runs in one commit have them skipped that others are moving: each version of each run is stored
/// once all the same, with one event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_move_the_same_runs_store_each_version_once() {
    const RUNS: usize = 12;
    const LAST: u64 = 8;
    let schema = Schema::fresh().await;
    let handles = handles(&schema).await;
    let mut runs = Vec::new();
    for number in 0..RUNS {
        runs.push(start(&*handles[0], &format!("order-{number}")).await.run_id);
    }
    let mut writers = JoinSet::new();
    for (number, store) in handles.iter().cloned().enumerate() {
        let runs = runs.clone();
        writers.spawn(async move { move_all(&store, &runs, number as i32 + 2, LAST).await });
    }
    let won: u64 = writers.join_all().await.into_iter().sum();
    assert_eq!(won, RUNS as u64 * (LAST - 1), "each version has one winner");
    for run_id in runs {
        let query = HistoryQuery { run_id, after: None, limit: 100 };
        let entries = handles[0].history(&query).await.unwrap();
        let versions: Vec<u64> = entries.iter().map(|entry| entry.version.get()).collect();
        assert_eq!(versions, (1..=LAST).collect::<Vec<_>>());
        assert_eq!(found(&*handles[0], run_id).await.unwrap().version, version(LAST));
    }
    assert_eq!(outbox_rows(&*handles[0], 1000).await.len() as u64, RUNS as u64 * LAST);
}

/// Moves runs until all are at a version; tells how many moves were stored.
async fn move_all(store: &PostgresStore, runs: &[RunId], status: i32, last: u64) -> u64 {
    let mut won = 0;
    loop {
        let present = store.lookup(runs).await.unwrap();
        let present: Vec<Arc<Record>> = present.into_iter().filter_map(Result::unwrap).collect();
        let behind = present.iter().filter(|run| run.version.get() < last);
        let changes: Vec<_> = behind.map(|run| update(run, &stepped(run, status))).collect();
        if changes.is_empty() {
            return won;
        }
        for outcome in store.commit(changes, Vec::new()).await.unwrap() {
            match outcome {
                Outcome::Stored(Some(_)) => won += 1,
                Outcome::VersionConflict { .. } | Outcome::Busy => {}
                other => panic!("neither stored nor lost: {other:?}"),
            }
        }
    }
}
