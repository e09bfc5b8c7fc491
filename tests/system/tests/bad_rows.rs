//! What cannot be read or must not be stored: each gives an error that says what and where, and nothing is lost.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::PathBuf;

use store_sql::Sqlite;
use workflow::adapter::{DeadLetter, ErrorKind, ListQuery};
use workflow::prelude::*;
use workflow::{Client, Error, Running};
use workflow_system_tests::fixture;
use workflow_system_tests::parcels::{At, Depot, Parcel, parcels};
use workflow_system_tests::patience::{PATIENCE, patiently, until};
use workflow_system_tests::raw::Raw;

/// A file with runs that wait, one of each kind a victim.
struct Place {
    _folder: tempfile::TempDir,
    file: PathBuf,
    raw: Raw,
}

async fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parcels.db");
    fixture::make(&file).await;
    Place { raw: Raw::open(&file).await.unwrap(), _folder: folder, file }
}

impl Place {
    async fn run(&self) -> Running<Parcel, At> {
        parcels(Depot::mended()).unwrap().run(Sqlite::open(&self.file).await.unwrap()).await.unwrap()
    }

    async fn victim(&mut self, kind: &str) -> RunId {
        let find = format!("select run_id from workflow_records where foreign_id = 'victim-{kind}'");
        self.raw.texts(&find).await.unwrap()[0].parse().unwrap()
    }

    /// Changes a victim's rows.
    async fn damage(&mut self, sql: &str) {
        assert!(self.raw.change(sql).await.unwrap() > 0, "{sql} changed nothing");
    }
}

/// Waits for the dead letter of a process.
async fn dead_letter(client: &Client<Parcel, At>, process: &str, run: Option<RunId>) -> DeadLetter {
    let mut found = None;
    until("a dead letter", async || {
        let letters = client.dead_letters(100).await.unwrap();
        found = letters.into_iter().find(|letter| &*letter.process == process && letter.run_id == run);
        found.is_some()
    })
    .await;
    found.unwrap()
}

const STEP: &str = "parcels-1-consumer";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_object_cannot_be_read_is_paused_with_the_reason_and_goes_on_when_it_is_mended() {
    let mut place = place().await;
    let victims = [place.victim("outbox").await, place.victim("timer").await, place.victim("retry").await];
    let broken = r#"cast('{"grams":"many"}' as blob) where foreign_id like 'victim%'"#;
    place.damage(&format!("update workflow_records set object = {broken}")).await;
    let running = place.run().await;
    fixture::healthy_go_on(&running).await.unwrap();
    for run in &victims {
        let rest = patiently("a pause", running.wait_for(run).at_rest()).await.unwrap();
        assert_eq!(rest.run_state(), RunState::Paused);
        let (id, reason) = (run.to_string(), rest.reason());
        assert!(
            reason.contains(&id) && reason.contains("cannot be read") && reason.contains("column 15"),
            "{reason}"
        );
        assert_eq!(rest.record().paused_by, Some(workflow::PausedBy::Engine));
        assert!(matches!(rest.object(), Err(Error::Decode { run_id, .. }) if run_id == *run));
    }
    let whole = r#"cast('{"grams":7}' as blob) where foreign_id like 'victim%'"#;
    place.damage(&format!("update workflow_records set object = {whole}")).await;
    for (run, end) in victims.iter().zip([At::Packed, At::Lost, At::Packed]) {
        running.resume(run).await.unwrap();
        let reached = patiently("a mended run", running.wait_for(run).status(end)).await.unwrap();
        assert!(reached.is_reached(), "{reached:?}");
        assert_eq!(reached.run().object().unwrap().grams, 7);
    }
    running.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_on_an_object_that_cannot_be_read_says_so_and_leaves_the_run() {
    let mut place = place().await;
    let run = place.victim("timer").await;
    place.damage("update workflow_timeouts set expire_at = 9999999999999 where state = 0").await;
    place.damage("update workflow_records set object = x'00' where foreign_id = 'victim-timer'").await;
    let client =
        parcels(Depot::mended()).unwrap().connect(Sqlite::open(&place.file).await.unwrap()).await.unwrap();
    let refused = client.callback(At::Packed, "victim-timer", "").await.unwrap_err();
    assert!(matches!(refused, Error::Decode { run_id, version: 2, .. } if run_id == run), "{refused}");
    assert_eq!(client.get(&run).await.unwrap().version().get(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_the_workflow_does_not_have_is_named_and_its_run_waits_for_a_program_that_knows_it() {
    let mut place = place().await;
    let run = place.victim("outbox").await;
    place.damage("update workflow_records set status = 99 where foreign_id = 'victim-outbox'").await;
    let running = place.run().await;
    fixture::healthy_go_on(&running).await.unwrap();
    let refused = running.get(&run).await.unwrap_err();
    assert!(
        matches!(&refused, Error::UnknownStatus { run_id, status, workflow } if *run_id == run
        && status.get() == 99 && workflow.as_str() == "parcels"),
        "{refused}"
    );
    let page = running.list(ListQuery { limit: 100, ..ListQuery::default() }).await.unwrap();
    assert_eq!((page.runs.len(), page.unreadable.len()), (9, 1));
    assert!(page.unreadable[0].to_string().contains(&run.to_string()));
    place.damage("update workflow_records set status = 1 where foreign_id = 'victim-outbox'").await;
    let reached =
        patiently("a run that is known again", running.wait_for(&run).status(At::Packed)).await.unwrap();
    assert!(reached.is_reached());
    running.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_is_named_by_column_and_its_event_set_aside() {
    for (column, garbage) in [
        ("run_state", "77"),
        ("run_state", "'on'"),
        ("status", "0"),
        ("version", "-1"),
        ("meta", "x'7b'"),
        ("foreign_id", "''"),
        ("last_event_id", "'event'"),
        ("object", "5"),
    ] {
        let mut place = place().await;
        let run = place.victim("outbox").await;
        place
            .damage(&format!(
                "update workflow_records set {column} = {garbage} where foreign_id = 'victim-outbox'"
            ))
            .await;
        let running = place.run().await;
        let letter = dead_letter(&running, STEP, Some(run)).await;
        let named = |text: &str| {
            let parts = ["workflow_records", column, &run.to_string()];
            assert!(parts.into_iter().all(|part| text.contains(part)), "{column} = {garbage}: {text}");
        };
        named(&letter.reason);
        let Err(Error::Backend(error)) = running.get(&run).await else {
            panic!("{column} = {garbage} was read")
        };
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        named(&error.to_string());
        running.shutdown(PATIENCE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_another_workflow_is_refused_by_name_and_its_event_set_aside() {
    let mut place = place().await;
    let run = place.victim("outbox").await;
    place
        .damage("update workflow_records set workflow_name = 'invoices' where foreign_id = 'victim-outbox'")
        .await;
    let running = place.run().await;
    let letter = dead_letter(&running, STEP, Some(run)).await;
    assert_eq!(&*letter.reason, "the run is of workflow invoices, not parcels");
    let refused = running.get(&run).await.unwrap_err();
    assert!(matches!(&refused, Error::WrongWorkflow { run_id, .. } if *run_id == run), "{refused}");
    assert_eq!(refused.to_string(), format!("run {run} is of workflow invoices, not parcels"));
    fixture::healthy_go_on(&running).await.unwrap();
    running.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_run_that_is_not_there_is_set_aside() {
    let mut place = place().await;
    let run = place.victim("outbox").await;
    place.damage("delete from workflow_records where foreign_id = 'victim-outbox'").await;
    let running = place.run().await;
    let letter = dead_letter(&running, STEP, Some(run)).await;
    assert_eq!(&*letter.reason, "there is no such run");
    assert!(matches!(running.get(&run).await, Err(Error::NotFound { .. })));
    fixture::healthy_go_on(&running).await.unwrap();
    let left = format!("select count(*) from workflow_outbox where run_id = '{run}'");
    until("the row to go", async || place.raw.number(&left).await.unwrap() == 0).await;
    running.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_row_that_cannot_be_read_is_set_aside_with_its_bytes_and_its_run_goes_on() {
    for (column, garbage, reason) in [
        ("data", "x'ffff'", "column data is not an outbox record"),
        ("data", "x''", "header"),
        ("data", "null", "column data is NULL"),
        ("id", "'outbox-id-x'", "outbox-id-x"),
        ("id", "x'00ff'", "BLOB"),
    ] {
        let mut place = place().await;
        let run = place.victim("outbox").await;
        place
            .damage(&format!("update workflow_outbox set {column} = {garbage} where run_id = '{run}'"))
            .await;
        let bytes = format!(
            "select count(*) from workflow_outbox where run_id = '{run}' and hex(coalesce(data, '')) = "
        );
        let running = place.run().await;
        let letter = dead_letter(&running, "outbox", None).await;
        assert!(letter.reason.contains(reason), "{column} = {garbage}: {}", letter.reason);
        let hex: String = letter.data.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(place.raw.number(&format!("{bytes}'{hex}'")).await.unwrap(), 0, "the row is still there");
        let reached = patiently("the run", running.wait_for(&run).status(At::Packed)).await.unwrap();
        assert!(reached.is_reached());
        fixture::healthy_go_on(&running).await.unwrap();
        running.shutdown(PATIENCE).await;
        let letters = "select count(*) from workflow_dead_letters where process = 'outbox'";
        assert_eq!(place.raw.number(letters).await.unwrap(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_due_row_that_cannot_be_read_is_set_aside_with_its_run_and_the_reason() {
    for (kind, table, column, garbage) in [
        ("retry", "retries", "event", "substr(event, 1, 9)"),
        ("retry", "retries", "event", "'text'"),
        ("retry", "retries", "process", "x'00'"),
        ("timer", "timeouts", "status", "-4"),
        ("timer", "timeouts", "expire_at", "'soon'"),
        ("timer", "timeouts", "name", "x'ff'"),
    ] {
        let mut place = place().await;
        let run = place.victim(kind).await;
        place
            .damage(&format!("update workflow_{table} set {column} = {garbage} where run_id = '{run}'"))
            .await;
        let running = place.run().await;
        let mut found = None;
        until("a dead letter", async || {
            let letters = running.dead_letters(100).await.unwrap();
            found = letters.into_iter().find(|letter| letter.run_id == Some(run));
            found.is_some()
        })
        .await;
        let reason = found.unwrap().reason;
        assert!(
            reason.contains(&format!("workflow_{table} cannot be read")),
            "{column} = {garbage}: {reason}"
        );
        fixture::healthy_go_on(&running).await.unwrap();
        let left = format!("select count(*) from workflow_{table} where run_id = '{run}'");
        assert_eq!(place.raw.number(&left).await.unwrap(), 0);
        assert!(running.get(&run).await.unwrap().run_state() != RunState::Paused);
        running.shutdown(PATIENCE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_whose_epoch_cannot_be_read_is_named_and_others_go_on() {
    let mut place = place().await;
    place.damage("update workflow_roles set epoch = 'late' where role = 'parcels-delete-consumer'").await;
    let running = place.run().await;
    fixture::healthy_go_on(&running).await.unwrap();
    let database = Sqlite::open(&place.file).await.unwrap();
    let role = workflow::RoleName::new("parcels-delete-consumer");
    let next = workflow::adapter::EpochClaim::Next;
    let refused = workflow::adapter::Store::register(database.store(), &role, next).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    running.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_may_have_as_many_bytes_as_the_limit_says_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let parcel = |padding: usize| Parcel { padding: "x".repeat(padding), ..Parcel::default() };
    let bytes = |padding: usize| serde_json::to_vec(&parcel(padding)).unwrap().len();
    let limit = bytes(100);
    let database = Sqlite::options().object_bytes_max(limit).open(folder.path().join("p.db")).await.unwrap();
    let running = parcels(Depot::mended()).unwrap().run(database).await.unwrap();
    let fits = running.trigger("fits", parcel(100)).await.unwrap();
    assert!(patiently("it", running.wait_for(&fits).status(At::Packed)).await.unwrap().is_reached());
    let refused = running.trigger("does not", parcel(101)).await.unwrap_err();
    assert!(
        matches!(&refused, Error::TooLarge { what, bytes, bytes_max } if what.contains("does not")
            && *bytes == limit + 1 && *bytes_max == limit),
        "{refused}"
    );
    assert!(running.latest("does not").await.unwrap().is_none());
    running.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_id_has_1_to_255_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let database = Sqlite::open(folder.path().join("p.db")).await.unwrap();
    let client = parcels(Depot::mended()).unwrap().connect(database).await.unwrap();
    for (id, taken) in [
        ("x".repeat(255), true),
        ("x".repeat(256), false),
        (String::new(), false),
        ("é".repeat(127), true),
        ("é".repeat(128), false),
    ] {
        match client.trigger(id.clone(), Parcel::default()).await {
            Ok(_) => assert!(taken, "{} bytes were taken", id.len()),
            Err(Error::Name(error)) => {
                assert!(!taken, "{} bytes: {error}", id.len());
                let named = if id.is_empty() { "empty".to_owned() } else { id.len().to_string() };
                assert!(error.to_string().contains(&named), "{error}");
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(client.list(ListQuery::default()).await.unwrap().runs.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cron_spec_that_cannot_be_read_is_refused_with_the_position() {
    let folder = tempfile::tempdir().unwrap();
    let database = Sqlite::open(folder.path().join("p.db")).await.unwrap();
    let running = parcels(Depot::mended()).unwrap().run(database).await.unwrap();
    for (spec, position) in [("61 * * * *", 1), ("0 25 * * *", 3), ("0 0 * * mun", 9), ("@every 5", 8)] {
        let schedule = Schedule::new("nightly", spec, Parcel::default);
        let Err(Error::Cron(error)) = running.schedule(schedule) else { panic!("{spec} was taken") };
        assert_eq!((error.spec.as_str(), error.position), (spec, position));
    }
    running.shutdown(PATIENCE).await;
}
