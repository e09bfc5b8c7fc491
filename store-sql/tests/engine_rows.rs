//! Rows that no program of ours would write: each is set aside or named, and holds up nothing.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use store_sql::Sqlite;
use workflow_conformance::engine::{Desk, Office, Parcel, Stage, close, pack, parcels, skip_until};
use workflow_core::adapter::ListQuery;
use workflow_core::testing::{Kit, ManualClock};
use workflow_core::{Error, Schedule, StepError};

struct File {
    folder: tempfile::TempDir,
    sqlite: Sqlite,
    clock: ManualClock,
}

impl File {
    async fn new() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
        let options = Sqlite::options().relaxed().poll_every(Duration::from_secs(600));
        let sqlite =
            options.clock(Arc::new(clock.clone())).open(folder.path().join("parcels.db")).await.unwrap();
        Self { folder, sqlite, clock }
    }

    async fn office(&self, desk: &Desk) -> (Kit, Office) {
        async fn note_end(
            run: &mut workflow_conformance::engine::Case,
            desk: &Desk,
        ) -> Result<(), StepError> {
            desk.log(format!("end {}", run.foreign_id()));
            Ok(())
        }
        let flow = parcels().step(Stage::Placed, pack, [Stage::Packed]).on_complete(note_end);
        let kit = Kit::on(self.sqlite.store().clone(), self.clock.clone());
        let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
        (kit, office)
    }

    /// Writes past the program.
    async fn write(&self, statement: &'static str) {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("parcels.db"));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

#[tokio::test]
async fn an_outbox_row_that_cannot_be_read_is_set_aside_and_blocks_nothing() {
    let (file, desk) = (File::new().await, Desk::new());
    file.write(
        "insert into workflow_outbox (id, workflow_name, data, created_at) values \
         ('outbox-id-00000000-0000-0000-0000-000000000001', 'parcels', x'ffffff', 1), ('nonsense', 'parcels', x'00', 2)",
    )
    .await;
    let (kit, office) = file.office(&desk).await;
    let run = office.trigger("fine", Parcel::default()).await.unwrap();
    kit.finish(&office, &run).await.unwrap();
    skip_until(&kit, "two dead letters", async || office.dead_letters(9).await.unwrap().len() == 2).await;
    let letters = office.dead_letters(9).await.unwrap();
    assert!(
        letters.iter().all(|letter| &*letter.process == "outbox" && !letter.reason.is_empty()),
        "{letters:?}"
    );
    assert!(
        letters.iter().any(|letter| letter.data == [0xff; 3].as_slice()),
        "the bytes are kept: {letters:?}"
    );
}

#[tokio::test]
async fn a_status_that_the_workflow_does_not_have_is_named_and_its_hook_set_aside() {
    let (file, desk) = (File::new().await, Desk::new());
    let (kit, office) = file.office(&desk).await;
    let run = office.trigger("strange", Parcel::default()).await.unwrap();
    kit.finish(&office, &run).await.unwrap();
    skip_until(&kit, "its hook", async || desk.count("end strange") == 1).await;
    office.delete_data(&run, "the law").await.unwrap();
    file.write("update workflow_records set status = 99").await;
    let unknown = office.get(&run).await.unwrap_err();
    assert!(
        matches!(unknown, Error::UnknownStatus { .. }) && unknown.to_string().contains("99"),
        "{unknown}"
    );
    let listed = office.list(ListQuery::default()).await.unwrap();
    assert_eq!((listed.runs.len(), listed.unreadable.len()), (0, 1));
    let fine = office.trigger("fine", Parcel::default()).await.unwrap();
    kit.finish(&office, &fine).await.unwrap();
}

#[tokio::test]
async fn a_record_that_cannot_be_read_parks_its_event_and_blocks_no_other() {
    let (file, desk) = (File::new().await, Desk::new());
    let (kit, office) = file.office(&desk).await;
    let client = office.client();
    close(&kit, office).await;
    let run = client.trigger("broken", Parcel::default()).await.unwrap();
    file.write("update workflow_records set meta = x'7b'").await;
    assert!(client.get(&run).await.is_err());
    let (kit, office) = file.office(&desk).await;
    let fine = office.trigger("fine", Parcel::default()).await.unwrap();
    kit.finish(&office, &fine).await.unwrap();
    skip_until(&kit, "a dead letter", async || !office.dead_letters(9).await.unwrap().is_empty()).await;
    let letters = office.dead_letters(9).await.unwrap();
    assert_eq!((letters.len(), letters[0].run_id), (1, Some(run)));
    assert!(letters[0].reason.contains("meta"), "{}", letters[0].reason);
}

#[tokio::test]
async fn a_schedule_keeps_its_last_slot_alone() {
    let (file, desk) = (File::new().await, Desk::new());
    desk.open(99);
    let (kit, office) = file.office(&desk).await;
    office.schedule(Schedule::new("nightly", "@every 60s", Parcel::default)).unwrap();
    skip_until(&kit, "five runs", async || office.list(ListQuery::default()).await.unwrap().runs.len() == 5)
        .await;
    let options = SqliteConnectOptions::new().filename(file.folder.path().join("parcels.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let slots: i64 =
        sqlx::query_scalar("select count(*) from workflow_slots").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    assert_eq!(slots, 1);
    close(&kit, office).await;
}
