//! Files that cannot be used, or go away: each gives an error that names the file and says what to do.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use store_sql::Sqlite;
use tempfile::TempDir;
use workflow::adapter::{BackendError, ErrorKind, ListQuery};
use workflow::prelude::*;
use workflow::{Error, Running};
use workflow_system_tests::audit::Audit;
use workflow_system_tests::child::{Worker, text};
use workflow_system_tests::fixture;
use workflow_system_tests::ground::Ground;
use workflow_system_tests::parcels::{At, Depot, Parcel, parcels};
use workflow_system_tests::patience::{PATIENCE, patiently};
use workflow_system_tests::raw::Raw;

const WORKER: &str = env!("CARGO_BIN_EXE_worker");

/// The user `nobody`, for whom permissions hold even if the tests are run by root.
const NOBODY: u32 = 65534;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parcels.db");
    (folder, file)
}

async fn refused(file: &Path) -> BackendError {
    let error = Sqlite::open(file).await.expect_err("the file cannot be used");
    assert!(error.to_string().contains(text(file)), "{error} does not name {}", file.display());
    error
}

async fn run(file: &Path) -> Result<Running<Parcel, At>, Error> {
    parcels(Depot::mended()).unwrap().run(Sqlite::open(file).await?).await
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let (_folder, file) = folder();
    let letter = "Dear reader, this is a letter and no database. ".repeat(100);
    std::fs::write(&file, &letter).unwrap();
    let error = refused(&file).await;
    assert_eq!(error.kind(), ErrorKind::Permanent);
    assert!(error.to_string().contains("is not a database"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), letter);
}

#[tokio::test]
async fn a_folder_and_a_name_that_is_none_are_refused() {
    let (folder, _) = folder();
    assert!(refused(folder.path()).await.to_string().contains("is a folder"));
    let nowhere = folder.path().join("nowhere").join("parcels.db");
    let error = refused(&nowhere).await;
    assert_eq!(error.kind(), ErrorKind::Permanent);
    assert!(error.to_string().contains("check that its folder exists"), "{error}");
    assert!(!nowhere.parent().unwrap().exists());
    let absent = folder.path().join("absent.db");
    let error = Sqlite::options().existing().open(&absent).await.expect_err("it is not there");
    assert!(error.to_string().contains(text(&absent)), "{error}");
    assert!(!absent.exists(), "a file that must be there was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_becomes_a_database() {
    let (_folder, file) = folder();
    std::fs::write(&file, "").unwrap();
    run(&file).await.unwrap().shutdown(PATIENCE).await;
}

#[tokio::test]
async fn a_file_without_the_right_to_write_is_refused() {
    let (_folder, file) = folder();
    fixture_file(&file).await;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).unwrap();
    let error = refused(&file).await;
    assert_eq!(error.kind(), ErrorKind::Permanent);
    assert!(error.to_string().contains("read-only: make it and its folder writable"), "{error}");
}

async fn fixture_file(file: &Path) {
    drop(Sqlite::open(file).await.unwrap());
    Raw::open(file)
        .await
        .unwrap()
        .run("pragma wal_checkpoint(truncate); pragma journal_mode = delete")
        .await
        .unwrap();
}

/// What the program says when it is run on a file by somebody who has no special rights.
fn run_by_nobody(folder: &Path, file: &Path) -> String {
    // The program as it was built may lie where nobody can reach it.
    let program = folder.join("program");
    std::fs::create_dir(&program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::copy(WORKER, program.join("worker")).unwrap();
    std::fs::set_permissions(program.join("worker"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(program.join("worker"));
    command.args(["run", text(file)]).stdin(std::process::Stdio::null());
    if is_root() {
        std::os::unix::process::CommandExt::uid(&mut command, NOBODY);
    }
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

#[tokio::test]
async fn a_file_of_somebody_else_and_a_folder_that_is_read_only_are_refused() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::set_permissions(outside.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let shut = outside.path().join("shut");
    std::fs::create_dir(&shut).unwrap();
    let file = shut.join("parcels.db");
    fixture_file(&file).await;
    std::fs::remove_file(shut.join("parcels.db.lock")).ok();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    std::fs::set_permissions(&shut, std::fs::Permissions::from_mode(0o555)).unwrap();
    let said = run_by_nobody(outside.path(), &file);
    assert!(said.starts_with("error: ") && said.contains(text(&file)), "{said}");
    assert!(said.contains("folder"), "{said}");
    std::fs::set_permissions(&shut, std::fs::Permissions::from_mode(0o755)).unwrap();
    run(&file).await.unwrap().shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_database_is_named_as_damaged() {
    let (_folder, file) = folder();
    fixture::make(&file).await;
    let whole = std::fs::metadata(&file).unwrap().len();
    for left in [whole / 2, whole / 4, 4096, 1000, 100] {
        std::fs::remove_file(file.with_extension("db-wal")).ok();
        let handle = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
        handle.set_len(left).unwrap();
        let error = match Sqlite::open(&file).await {
            Err(error) => error,
            Ok(database) => {
                let client = parcels(Depot::mended()).unwrap().connect(database).await.unwrap();
                match client.list(ListQuery { limit: 1000, ..ListQuery::default() }).await {
                    Err(Error::Backend(error)) => error,
                    other => panic!("{left} of {whole} bytes were read: {other:?}"),
                }
            }
        };
        assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Permanent), "{left}: {error:?}");
        assert!(error.to_string().contains(text(&file)), "{left}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_garbage_in_its_pages_never_ends_the_process() {
    let (_folder, original) = folder();
    fixture::make(&original).await;
    let pages = std::fs::metadata(&original).unwrap().len() / 4096;
    let mut told = 0;
    for page in 1..pages {
        let (_folder, file) = folder();
        std::fs::copy(&original, &file).unwrap();
        let mut handle = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
        handle.seek(SeekFrom::Start(page * 4096)).unwrap();
        handle.write_all(&[0xa5; 4096]).unwrap();
        drop(handle);
        let Ok(database) = Sqlite::open(&file).await else { continue };
        let client = parcels(Depot::mended()).unwrap().connect(database).await.unwrap();
        for calls in 0..2 {
            let id = format!("fresh-{calls}");
            let answers = [
                client.trigger(&*id, Parcel::default()).await.err(),
                client.list(ListQuery { limit: 1000, ..ListQuery::default() }).await.err(),
                client.latest("victim-timer").await.err(),
                client.dead_letters(10).await.err(),
            ];
            for error in answers.into_iter().flatten() {
                let Error::Backend(error) = error else { continue };
                assert!(error.to_string().contains(text(&file)), "page {page}: {error}");
                told += usize::from(error.kind() == ErrorKind::Corrupt);
            }
        }
    }
    assert!(told >= 4, "only {told} errors said that the database is damaged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_program_is_used_if_it_says_so_and_else_refused_by_version() {
    let (_folder, file) = folder();
    fixture::make(&file).await;
    let mut raw = Raw::open(&file).await.unwrap();
    raw.run("update workflow_schema set version = 9; alter table workflow_records add column later text")
        .await
        .unwrap();
    let running = run(&file).await.unwrap();
    fixture::healthy_go_on(&running).await.unwrap();
    running.shutdown(PATIENCE).await;
    assert_eq!(raw.number("select version from workflow_schema").await.unwrap(), 9, "it was taken back");
    raw.run("update workflow_schema set oldest_program = 7").await.unwrap();
    let error = refused(&file).await;
    assert_eq!(error.kind(), ErrorKind::Permanent);
    let told = error.to_string();
    assert!(
        told.contains("version 9") && told.contains("version 7") && told.contains("newer program"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_lost_its_log_is_as_it_was_at_its_last_checkpoint_and_goes_on() {
    let (_folder, file) = folder();
    fixture::make(&file).await;
    let mut worker = Worker::start(WORKER, ["run", text(&file)]);
    assert_eq!(worker.line().await, "running");
    let said = workflow_system_tests::child::ask(WORKER, ["trigger", text(&file), "late"]).await;
    assert!(said.parse::<RunId>().is_ok(), "{said}");
    worker.kill().await;
    for end in ["db-wal", "db-shm"] {
        std::fs::remove_file(file.with_extension(end)).unwrap();
    }
    Audit::new(&Ground::at_file(&file)).always("without its log").await;
    let running = run(&file).await.unwrap();
    fixture::healthy_go_on(&running).await.unwrap();
    running.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_moved_away_takes_nothing_and_goes_on_when_it_is_back() {
    let (folder, file) = folder();
    let running = run(&file).await.unwrap();
    running.trigger("before", Parcel::default()).await.unwrap();
    let away = folder.path().join("away.db");
    std::fs::rename(&file, &away).unwrap();
    for id in ["gone", "gone still"] {
        let Err(Error::Backend(error)) = running.trigger(id, Parcel::default()).await else {
            panic!("a run was acknowledged that nobody finds again");
        };
        assert!(
            error.to_string().contains(text(&file)) && error.to_string().contains("was deleted"),
            "{error}"
        );
    }
    assert!(!file.exists(), "a file that was deleted was made again");
    std::fs::rename(&away, &file).unwrap();
    let after = running.trigger("after", Parcel::default()).await.unwrap();
    assert!(patiently("it", running.wait_for(&after).status(At::Packed)).await.unwrap().is_reached());
    assert!(running.latest("before").await.unwrap().is_some());
    assert!(running.latest("gone").await.unwrap().is_none());
    running.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_takes_nothing() {
    let (folder, file) = folder();
    let running = run(&file).await.unwrap();
    let other = folder.path().join("other.db");
    fixture_file(&other).await;
    std::fs::rename(&other, &file).unwrap();
    let Err(Error::Backend(error)) = running.trigger("a parcel", Parcel::default()).await else {
        panic!("a run was acknowledged that nobody finds again");
    };
    assert!(error.to_string().contains("replaced while it was open"), "{error}");
    running.shutdown(PATIENCE).await;
}
