//! What must hold when both write the same tables. Each function is a test of every database.

use std::time::Duration;

use workflow_conformance::engine::Patience;
use workflow_conformance::samples::{commit_one, effects_at, found, stepped, update};
use workflow_core::adapter::{Effect, Outcome, Store};
use workflow_core::{ForeignId, RunId, RunState, Version, WorkflowName};

use super::flow::{Counted, Stage, end, middle, run, whole};
use super::wire::{GoEvent, GoMeta};
use super::{GoRecord, Shared, golden, lookup, store};

const WORKFLOW: &str = "wit1";

/// Waits until the Go library sees a run in a status.
async fn seen(database: &impl Shared, run_id: &str, status: i32) -> GoRecord {
    let patience = Patience::begin();
    loop {
        let is_last = patience.is_over();
        let record = lookup(database, run_id).await;
        if record.status == status {
            return record;
        }
        assert!(!is_last, "the run stays in {record:?}");
        tokio::task::yield_now().await;
    }
}

/// Waits until nothing is left to send.
async fn all_sent(database: &impl Shared) {
    let patience = Patience::begin();
    while !database.go_outbox(WORKFLOW).await.is_empty() {
        assert!(!patience.is_over(), "the outbox does not become empty");
        tokio::task::yield_now().await;
    }
}

fn id(record: &GoRecord) -> RunId {
    record.run_id.parse().unwrap()
}

/// The rows that the Go library wrote in fact, and some that come while the engine runs, are taken to their end, and then
/// look to it as its own do.
pub(crate) async fn its_rows_are_taken_to_their_end<D: Shared>() {
    let database = D::fresh().await;
    drop(database.backend().await);
    let (mut records, rows) = golden();
    assert_eq!((records.len(), rows.len()), (3, 3));
    for row in &rows {
        let of_run = GoEvent::decode(&row.data).run_id;
        let record = records.iter().find(|record| record.run_id == of_run).unwrap();
        database.go_store(record, row).await.unwrap();
    }
    let running = run(&whole(), database.backend().await).await;
    for number in 0..20 {
        let record = GoRecord::triggered(&format!("later-{number}"));
        store(&database, &record).await;
        records.push(record);
    }
    for before in &records {
        let done = running.wait_for(&id(before)).finished().await.unwrap();
        assert_eq!((done.status(), done.version().get()), (Stage::Four, 4));
        assert_eq!(done.object().unwrap(), Counted { count: 3, note: "go".to_owned() });
        let after = lookup(&database, &before.run_id).await;
        let meta = GoMeta { status_description: "Four".to_owned(), version: 4, ..before.meta.clone() };
        let object = br#"{"count":3,"note":"go"}"#.to_vec();
        assert_eq!(after, GoRecord { run_state: 5, status: 4, object, meta, ..before.clone() });
    }
    all_sent(&database).await;
    end(running).await;
}

/// What ours stores is found by the selects of the Go library, and decoded as it does it.
pub(crate) async fn our_rows_are_read_by_it<D: Shared>() {
    let database = D::fresh().await;
    let client = whole().connect(database.backend().await).await.unwrap();
    let first = client.trigger("Bestellung 17: Öl", Counted::new()).await.unwrap();
    let second = client.trigger("order-2", Counted::new()).await.unwrap();
    client.pause(&second, "a \"reason\"").await.unwrap();
    let one = lookup(&database, &first.to_string()).await;
    assert_eq!((&*one.workflow_name, &*one.foreign_id), (WORKFLOW, "Bestellung 17: Öl"));
    assert_eq!((one.run_state, one.status), (1, 1));
    assert_eq!(one.object, br#"{"count":0,"note":"ours"}"#);
    assert_eq!((&*one.meta.status_description, one.meta.version), ("One", 1));
    let two = database.go_latest(WORKFLOW, "order-2").await.unwrap();
    assert_eq!((&*two.run_id, two.run_state, two.meta.version), (&*second.to_string(), 3, 2));
    assert_eq!(two.meta.run_state_reason, "a \"reason\"");
    assert_eq!(database.go_records("workflow_name", WORKFLOW).await.len(), 2);
    let rows = database.go_outbox(WORKFLOW).await;
    let events: Vec<GoEvent> = rows.iter().map(|row| GoEvent::decode(&row.data)).collect();
    let initiated = GoRecord { run_state: 1, meta: GoMeta { version: 1, ..two.meta.clone() }, ..two.clone() };
    for wanted in [&one, &initiated, &two].map(GoEvent::of) {
        let same = |event: &&GoEvent| {
            event.headers["record_version"] == wanted.headers["record_version"]
                && event.run_id == wanted.run_id
        };
        let event = events.iter().find(same).expect("each version has an event");
        assert_eq!(event.kind, wanted.kind);
        assert!(
            wanted.headers.iter().all(|header| event.headers.get(header.0) == Some(header.1)),
            "{event:?}"
        );
    }
    assert_eq!(events.len(), 3);
    for row in rows {
        database.go_sent(&row.id).await;
    }
    assert!(database.go_outbox(WORKFLOW).await.is_empty());
}

/// Its updates follow ours and ours follow its: it does the first and the last step of each run, ours the one between.
pub(crate) async fn stores_of_both_follow_each_other<D: Shared>() {
    let database = D::fresh().await;
    let running = run(&middle(), database.backend().await).await;
    for number in 0..10 {
        let run_id = running.trigger(format!("order-{number}"), Counted::new()).await.unwrap();
        let triggered = lookup(&database, &run_id.to_string()).await;
        store(&database, &triggered.moved(2, 2)).await;
        let between = seen(&database, &run_id.to_string(), 3).await;
        assert_eq!((between.run_state, between.meta.version), (2, 3));
        assert_eq!(between.object, br#"{"count":1,"note":"ours"}"#);
        store(&database, &between.moved(5, 4)).await;
        let done = running.wait_for(&run_id).finished().await.unwrap();
        assert_eq!(
            (done.status(), done.run_state(), done.version().get()),
            (Stage::Four, RunState::Completed, 4)
        );
        running.delete_data(&run_id, "the law").await.unwrap();
        let patience = Patience::begin();
        while running.get(&run_id).await.unwrap().run_state() != RunState::DataDeleted {
            assert!(!patience.is_over(), "the data of {run_id} are not deleted");
            tokio::task::yield_now().await;
        }
        let gone = lookup(&database, &run_id.to_string()).await;
        assert_eq!((gone.run_state, gone.meta.version), (6, 6));
        assert_eq!(gone.object, br#"{"result":"deleted"}"#);
    }
    all_sent(&database).await;
    end(running).await;
}

/// A change that was made of a version which the Go library has moved since is refused, and what it stored stays.
pub(crate) async fn a_move_of_its_makes_ours_stale<D: Shared>() {
    let database = D::fresh().await;
    let ours = database.store().await;
    let client = whole().connect(database.backend().await).await.unwrap();
    let run_id = client.trigger("order-1", Counted::new()).await.unwrap();
    let first = found(&ours, run_id).await.unwrap();
    let moved = lookup(&database, &run_id.to_string()).await.moved(2, 2);
    store(&database, &moved).await;
    let conflict = Outcome::VersionConflict { actual: Version::new(2).unwrap() };
    assert_eq!(commit_one(&ours, update(&first, &stepped(&first, 3))).await, conflict);
    assert_eq!(commit_one(&ours, effects_at(&first, vec![Effect::DeleteRetries])).await, conflict);
    assert_eq!(lookup(&database, &run_id.to_string()).await, moved);
    let second = found(&ours, run_id).await.unwrap();
    assert_eq!((second.version.get(), second.status.get()), (2, 2));
    assert_eq!((second.last_event_id, second.paused_by), (None, None), "those are of the version before");
    let third = commit_one(&ours, update(&second, &stepped(&second, 3))).await;
    assert!(matches!(third, Outcome::Stored(Some(ref third)) if third.version.get() == 3), "{third:?}");
    assert_eq!(lookup(&database, &run_id.to_string()).await.meta.version, 3);
    assert_eq!(database.number("select version from workflow_records").await, 3);
}

/// It resumes a run that ours paused, and the other way round; its run keeps the foreign id to itself.
pub(crate) async fn pauses_and_foreign_ids_are_shared<D: Shared>() {
    let database = D::fresh().await;
    let running = run(&middle(), database.backend().await).await;
    let paused = running.trigger("order-1", Counted::new()).await.unwrap();
    running.pause(&paused, "by hand").await.unwrap();
    let seen_paused = lookup(&database, &paused.to_string()).await;
    assert_eq!((seen_paused.run_state, &*seen_paused.meta.run_state_reason), (3, "by hand"));
    store(&database, &seen_paused.moved(2, 1)).await;
    assert_eq!(running.get(&paused).await.unwrap().run_state(), RunState::Running);
    let its = GoRecord::triggered("order-2");
    store(&database, &its).await;
    let refused = running.trigger("order-2", Counted::new()).await;
    assert!(matches!(refused, Err(workflow_core::Error::AlreadyInProgress { .. })), "{refused:?}");
    store(&database, &its.moved(3, 1)).await;
    running.resume(&id(&its)).await.unwrap();
    assert_eq!(lookup(&database, &its.run_id).await.run_state, 2);
    // Its own second run of a foreign id is refused as well, until the first has ended; others by their bytes are not.
    let second = GoRecord::triggered("order-2");
    let row = |record: &GoRecord| super::GoOutboxRow {
        id: format!("outbox-id-{}", uuid::Uuid::new_v4()),
        data: GoEvent::of(record).encode(),
    };
    let refused = database.go_store(&second, &row(&second)).await.unwrap_err();
    assert!(refused.as_database_error().is_some_and(|error| error.is_unique_violation()), "{refused}");
    let other = GoRecord::triggered("Order-2");
    database.go_store(&other, &row(&other)).await.unwrap();
    running.cancel(&id(&its), "no more").await.unwrap();
    database.go_store(&second, &row(&second)).await.unwrap();
    let latest = running.latest("order-2").await.unwrap().unwrap();
    assert_eq!(latest.id(), id(&second));
    end(running).await;
}

/// While it has something to send of a workflow, no run of that is deleted for its age; and a run of its that nothing
/// drives is found.
pub(crate) async fn its_unsent_events_keep_runs<D: Shared>() {
    let database = D::fresh().await;
    let ours = database.store().await;
    let name = WorkflowName::new(WORKFLOW).unwrap();
    let ended = GoRecord::triggered("order-1").moved(5, 4);
    store(&database, &ended).await;
    let live = GoRecord::triggered("order-2");
    store(&database, &live).await;
    let later = async || {
        let patience = Patience::begin();
        let driverless = async || ours.driverless(&name, Duration::ZERO, None, 10).await.unwrap().records;
        loop {
            let found = driverless().await;
            if !found.is_empty() || patience.is_over() {
                return found;
            }
        }
    };
    let found = later().await;
    assert_eq!(found.iter().map(|record| record.run_id).collect::<Vec<_>>(), [id(&live)]);
    assert_eq!(ours.purge(&name, Duration::ZERO, 10).await.unwrap(), 0);
    for row in database.go_outbox(WORKFLOW).await {
        database.go_sent(&row.id).await;
    }
    assert_eq!(ours.purge(&name, Duration::ZERO, 10).await.unwrap(), 1);
    let foreign_id = ForeignId::new("order-1").unwrap();
    assert!(ours.latest(&name, &foreign_id).await.unwrap().is_none());
}

/// Makes a test of each function above, for a database.
macro_rules! go_library_suite {
    ($database:ty) => {
        go_library::suite::go_library_suite!($database; its_rows_are_taken_to_their_end, our_rows_are_read_by_it,
            stores_of_both_follow_each_other, a_move_of_its_makes_ours_stale, pauses_and_foreign_ids_are_shared,
            its_unsent_events_keep_runs);
    };
    ($database:ty; $($test:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                go_library::suite::$test::<$database>().await;
            }
        )*
    };
}
pub(crate) use go_library_suite;
