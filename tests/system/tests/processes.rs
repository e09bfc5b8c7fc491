//! Several processes on one file: one runs the workflow, any number call it and look.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use store_sql::Sqlite;
use workflow::adapter::{BackendError, ErrorKind};
use workflow::prelude::*;
use workflow::{Error, Running};
use workflow_system_tests::child::{Worker, ask, text};
use workflow_system_tests::parcels::{At, Depot, Parcel, parcels};
use workflow_system_tests::patience::{PATIENCE, patiently, until};
use workflow_system_tests::raw::Raw;

const WORKER: &str = env!("CARGO_BIN_EXE_worker");

/// How long a change of another process stays unseen at most.
const CEILING: Duration = Duration::from_millis(50);

struct Place {
    _folder: tempfile::TempDir,
    file: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parcels.db");
    Place { _folder: folder, file }
}

async fn open(file: &Path) -> Sqlite {
    Sqlite::options().poll_every(CEILING).open(file).await.unwrap()
}

async fn run(file: &Path) -> Result<Running<Parcel, At>, Error> {
    parcels(Depot::mended()).unwrap().run(open(file).await).await
}

fn assert_already_running(refused: Result<Running<Parcel, At>, Error>, file: &Path) {
    let Err(Error::Backend(error)) = refused else { panic!("a second engine was not refused") };
    assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
    assert!(error.to_string().contains(text(file)), "{error}");
}

async fn running_worker(file: &Path) -> Worker {
    let mut worker = Worker::start(WORKER, ["run", text(file)]);
    assert_eq!(worker.line().await, "running");
    worker
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_that_runs_is_refused_and_takes_over_at_once_when_the_first_is_killed() {
    let place = place();
    let worker = running_worker(&place.file).await;
    assert_already_running(run(&place.file).await, &place.file);
    let said = ask(WORKER, ["run", text(&place.file)]).await;
    assert!(said.starts_with("error: another engine runs on") && said.contains(text(&place.file)), "{said}");
    assert!(!worker.kill().await.success());
    let running = run(&place.file).await.expect("a lock dies with its process");
    running.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_engine_in_this_process_is_refused_until_the_first_has_ended() {
    let place = place();
    let database = open(&place.file).await;
    let workflow = parcels(Depot::mended()).unwrap();
    let running = workflow.run(database.clone()).await.unwrap();
    assert_already_running(run(&place.file).await, &place.file);
    // A clone shares the lock, and with it what runs.
    assert!(matches!(workflow.run(database.clone()).await, Err(Error::CannotRun { .. })));
    running.shutdown(PATIENCE).await;
    let again = run(&place.file).await.expect("a shutdown gives the lock back");
    drop(again);
    let given_back = async || match run(&place.file).await {
        Ok(running) => running.shutdown(PATIENCE).await == workflow::Shutdown::Clean,
        Err(Error::Backend(error)) if error.kind() == ErrorKind::AlreadyRunning => false,
        Err(error) => panic!("{error}"),
    };
    until("the lock of an engine that was dropped", given_back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_another_process_are_seen_by_the_engine_and_its_moves_by_them() {
    let place = place();
    let running = run(&place.file).await.unwrap();
    let call = async |args: &[&str]| {
        let args: Vec<&str> = [&args[..1], &[text(&place.file)], &args[1..]].concat();
        ask(WORKER, args).await
    };
    let run_of = |said: &str| said.parse::<RunId>().unwrap_or_else(|_| panic!("no run: {said}"));
    let first = run_of(&call(&["trigger", "first"]).await);
    let packed = patiently("a parcel", running.wait_for(&first).status(At::Packed)).await.unwrap();
    assert!(packed.is_reached());
    assert_eq!(call(&["wait", &first.to_string(), "Packed"]).await, "true Packed");
    // A wait that begins before the move sees it too.
    let waiting = Worker::start(WORKER, ["wait", text(&place.file), &first.to_string(), "Sent"]);
    assert_eq!(call(&["callback", "first"]).await, "Applied");
    let sent = patiently("a sent parcel", running.wait_for(&first).finished()).await.unwrap();
    assert_eq!(sent.status(), At::Sent);
    let (status, said) = waiting.end().await;
    assert!(status.success());
    assert_eq!(said, ["true Sent"]);
    let second = run_of(&call(&["trigger", "second"]).await);
    patiently("a parcel", running.wait_for(&second).status(At::Packed)).await.unwrap();
    assert_eq!(call(&["pause", &second.to_string()]).await, "paused");
    let rest = patiently("a pause", running.wait_for(&second).at_rest()).await.unwrap();
    assert_eq!((rest.run_state(), rest.reason()), (RunState::Paused, "by hand"));
    assert!(call(&["callback", "second"]).await.starts_with("Stopped"));
    assert_eq!(call(&["resume", &second.to_string()]).await, "resumed");
    assert_eq!(call(&["cancel", &second.to_string()]).await, "cancelled");
    let ended = patiently("an end", running.wait_for(&second).finished()).await.unwrap();
    assert_eq!(ended.run_state(), RunState::Cancelled);
    // A timer that another process stored fires here.
    let third = run_of(&call(&["trigger", "third", "1"]).await);
    let lost = patiently("a timer", running.wait_for(&third).finished()).await.unwrap();
    assert_eq!(lost.status(), At::Lost);
    assert_eq!(call(&["watch", "3"]).await, "3 ended, 0 unreadable");
    running.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_process_calls_is_seen_by_an_engine_in_another() {
    let place = place();
    let worker = running_worker(&place.file).await;
    let client = parcels(Depot::default()).unwrap().connect(open(&place.file).await).await.unwrap();
    let parcel = client.trigger("parcel", Parcel::default()).await.unwrap();
    let packed = patiently("a parcel", client.wait_for(&parcel).status(At::Packed)).await.unwrap();
    assert!(packed.is_reached());
    assert!(client.callback(At::Packed, "parcel", "").await.unwrap().is_applied());
    let sent = patiently("an end", client.wait_for(&parcel).finished()).await.unwrap();
    assert_eq!(sent.status(), At::Sent);
    let mut raw = Raw::open(&place.file).await.unwrap();
    let left = "select (select count(*) from workflow_outbox) + (select count(*) from workflow_retries)";
    until("the hook in the other process", async || raw.number(left).await.unwrap() == 0).await;
    let (status, said) = worker.end().await;
    assert!(status.success());
    assert_eq!(said, ["stopped Clean"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_that_trigger_one_foreign_id_one_wins() {
    let place = place();
    let database = open(&place.file).await;
    for round in 0..15 {
        let id = format!("parcel-{round}");
        let calls = (0..2).map(|_| Worker::start(WORKER, ["trigger", text(&place.file), &id]).end());
        let said: Vec<String> =
            futures_util::future::join_all(calls).await.into_iter().flat_map(|(_, said)| said).collect();
        let (refused, made): (Vec<_>, Vec<_>) = said.iter().partition(|line| line.starts_with("error: "));
        assert_eq!((refused.len(), made.len()), (1, 1), "{said:?}");
        assert!(refused[0].contains("has an unfinished run") && refused[0].contains(made[0]), "{said:?}");
    }
    let client = parcels(Depot::default()).unwrap().connect(database).await.unwrap();
    let page = client.list(workflow::adapter::ListQuery::default()).await.unwrap();
    assert_eq!(page.runs.len(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_make_one_fresh_file_together() {
    for round in 0..5 {
        let place = place();
        let opens = (0..8).map(|_| Worker::start(WORKER, ["open", text(&place.file)]).end());
        for (status, said) in futures_util::future::join_all(opens).await {
            assert!(status.success(), "round {round}: {said:?}");
        }
        let mut raw = Raw::open(&place.file).await.unwrap();
        let versions = "select version || '/' || oldest_program from workflow_schema";
        assert_eq!(raw.texts(versions).await.unwrap(), ["3/3"]);
        run(&place.file).await.unwrap().shutdown(PATIENCE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_openers_in_one_process_make_one_fresh_file_together() {
    let place = place();
    let opened: Vec<Result<Sqlite, BackendError>> =
        futures_util::future::join_all((0..16).map(|_| Sqlite::open(&place.file))).await;
    for each in opened {
        each.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_in_other_processes_watch_while_the_engine_writes() {
    const PARCELS: usize = 400;
    let place = place();
    let running = run(&place.file).await.unwrap();
    let watchers: Vec<Worker> =
        (0..3).map(|_| Worker::start(WORKER, ["watch", text(&place.file), &PARCELS.to_string()])).collect();
    let parcel = Parcel { patience_ms: Some(1), ..Parcel::default() };
    let starts = (0..PARCELS).map(|number| (format!("parcel-{number}"), parcel.clone()));
    for started in running.trigger_all(starts).await.unwrap() {
        patiently("an end", running.wait_for(&started.unwrap()).finished()).await.unwrap();
    }
    for watcher in watchers {
        let (status, said) = watcher.end().await;
        assert!(status.success());
        assert_eq!(said, [format!("{PARCELS} ended, 0 unreadable")]);
    }
    running.shutdown(PATIENCE).await;
}
