//! Events that are lost, repeated, foreign, early or about nothing.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;
use workflow_core::adapter::{Change, Expect, OutboxRow};
use workflow_core::testing::Kit;
use workflow_core::{Event, EventId, Record, RunId, RunState, Status, Topic, Version, WorkflowName};

use super::{
    Desk, Office, Parcel, Place, Stage, close, declared, hand_over, holds_for, pack, parcels, send,
    skip_until,
};

const EDGES: [(Stage, Stage); 3] =
    [(Stage::Placed, Stage::Packed), (Stage::Packed, Stage::Sent), (Stage::Sent, Stage::Received)];

async fn office(place: &Place, desk: &Desk) -> (Kit, Office) {
    let flow = parcels()
        .step(Stage::Placed, pack, [Stage::Packed])
        .step(Stage::Packed, send, [Stage::Sent])
        .step(Stage::Sent, hand_over, [Stage::Received]);
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    // The relay has read the table once; from here on each event is sent once.
    kit.clock().quiet().await;
    (kit, office)
}

/// Writes an event into the outbox, as another program would.
async fn emit(place: &Place, event: Event) {
    let mut change = Change::new(event.run_id, Expect::Nothing);
    change.outbox = Some(OutboxRow { id: EventId::after(None), event: Arc::new(event) });
    place.store(change).await;
}

fn placed(record: &Record) -> Event {
    let topic = Topic::of_status(&record.workflow_name, Stage::Placed.code());
    Event { event_id: None, ..Event::of_record(record, topic) }
}

/// A run that was triggered, but whose event was lost, and the process ended.
async fn stranded(place: &Place, desk: &Desk) -> (RunId, Arc<Record>) {
    let (kit, office) = office(place, desk).await;
    kit.faults().lose_events(1);
    let run = office.trigger("stranded", Parcel::default()).await.unwrap();
    place.outbox_is_empty(&kit).await;
    let record = Arc::clone(office.get(&run).await.unwrap().record());
    close(&kit, office).await;
    (run, record)
}

/// The reconciler sends the event of a run again that nothing drives, at whichever step it was lost.
pub async fn a_lost_event_is_sent_again_by_the_reconciler(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk).await;
    for at in 0..3 {
        kit.faults().lose_events(0);
        let (skip, foreign_id) = (at, format!("p-{at}"));
        kit.faults().lose_events_after(skip, 1);
        let run = office.trigger(foreign_id, Parcel::default()).await.unwrap();
        let done = kit.finish(&office, &run).await.unwrap();
        let taken = done.updated_at().since(done.created_at());
        assert!(taken >= Duration::from_secs(60), "event {at} was not lost: {taken:?}");
        assert!(taken <= Duration::from_secs(130), "event {at} took {taken:?}");
        holds_for(&office, &run, &declared(&EDGES)).await;
    }
    place.outbox_is_empty(&kit).await;
}

/// Also that of an attempt which was to be made again.
pub async fn the_lost_event_of_a_retry_is_sent_again(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk).await;
    desk.fail(4);
    kit.faults().lose_events_after(1, 1);
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let done = kit.finish(&office, &run).await.unwrap();
    assert_eq!(desk.lines()[..4], ["pack 1", "pack 1", "pack 1", "pack 2"]);
    let taken = done.updated_at().since(done.created_at());
    assert!(taken >= Duration::from_secs(60), "the retry's event was not lost: {taken:?}");
    holds_for(&office, &run, &declared(&EDGES)).await;
}

/// Events that come twice change nothing twice.
pub async fn a_repeated_event_changes_nothing(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk).await;
    kit.faults().repeat_events(u32::MAX);
    for number in 0..10 {
        let run = office.trigger(format!("p-{number}"), Parcel::default()).await.unwrap();
        let done = kit.finish(&office, &run).await.unwrap();
        assert_eq!(done.object().unwrap().labels, ["packed", "sent", "received"]);
        assert_eq!(holds_for(&office, &run, &declared(&EDGES)).await.len(), 4);
    }
}

/// An event without a version is processed if its status matches, and skipped if it does not.
pub async fn an_event_without_a_version_is_processed_if_the_status_matches(place: Place) {
    let desk = Desk::new();
    let (run, record) = stranded(&place, &desk).await;
    let topic = Topic::of_status(&record.workflow_name, Stage::Packed.code());
    let wrong = Event { version: None, status: Stage::Packed.code(), topic, ..placed(&record) };
    emit(&place, wrong).await;
    // It is dealt with before the other one is there: once the run is packed, it would match.
    let (kit, office) = self::office(&place, &desk).await;
    place.outbox_is_empty(&kit).await;
    close(&kit, office).await;
    assert_eq!(desk.lines(), [""; 0]);
    emit(&place, Event { version: None, ..placed(&record) }).await;
    let (kit, office) = self::office(&place, &desk).await;
    // Less than the reconciler would need.
    let kit = kit.patience(Duration::from_secs(10));
    kit.finish(&office, &run).await.unwrap();
    holds_for(&office, &run, &declared(&EDGES)).await;
    assert_eq!(desk.lines(), ["pack 1", "send", "hand over"]);
}

/// An event ahead of its record, of a run that is not there, or of another workflow's run is parked with the reason,
/// and holds up nothing.
pub async fn events_that_cannot_be_processed_are_parked_with_the_reason(place: Place) {
    let desk = Desk::new();
    let (run, record) = stranded(&place, &desk).await;
    emit(&place, Event { version: Version::new(99), ..placed(&record) }).await;
    let nobody = RunId::from_uuid(Uuid::from_u128(7));
    emit(&place, Event { run_id: nobody, ..placed(&record) }).await;
    let (kit, office) = office(&place, &desk).await;
    let fine = office.trigger("fine", Parcel::default()).await.unwrap();
    kit.finish(&office, &fine).await.unwrap();
    let stranger = stranger(&kit).await;
    emit(&place, Event { run_id: stranger, event_id: None, ..placed(&record) }).await;
    close(&kit, office).await;
    let (kit, office) = self::office(&place, &desk).await;
    skip_until(&kit, "three dead letters", async || office.dead_letters(9).await.unwrap().len() == 3).await;
    let letters = office.dead_letters(9).await.unwrap();
    let about =
        |run: RunId| letters.iter().find(|letter| letter.run_id == Some(run)).unwrap().reason.to_string();
    assert_eq!(about(run), "the event is of version 99, the store has version 1");
    assert_eq!(about(nobody), "there is no such run");
    assert_eq!(about(stranger), "the run is of workflow letters, not parcels");
    assert_eq!(kit.finish(&office, &run).await.unwrap().run_state(), RunState::Completed);
}

/// A run of another workflow on the same store.
async fn stranger(kit: &Kit) -> RunId {
    let flow = super::parcels_called("letters").step(Stage::Placed, pack, [Stage::Packed]);
    let letters = flow.state(Desk::new()).build().unwrap().connect(kit).await.unwrap();
    assert_eq!(WorkflowName::new("letters").unwrap().as_str(), "letters");
    letters.trigger("l-1", Parcel::default()).await.unwrap()
}

/// An object that is none of the workflow's pauses its run, with the reason; others go on.
pub async fn an_object_that_cannot_be_read_pauses_its_run_alone(place: Place) {
    let desk = Desk::new();
    let (_, record) = stranded(&place, &desk).await;
    let mut broken = Record { object: "[1, 2".into(), run_id: RunId::generate(), ..(*record).clone() };
    broken.foreign_id = workflow_core::ForeignId::new("broken").unwrap();
    broken.last_event_id = Some(EventId::after(None));
    let mut change = Change::new(broken.run_id, Expect::Absent);
    change.outbox = Some(OutboxRow {
        id: EventId::after(None),
        event: Arc::new(Event { event_id: broken.last_event_id, ..placed(&broken) }),
    });
    let run = broken.run_id;
    change.record = Some(broken);
    place.store(change).await;
    let (kit, office) = office(&place, &desk).await;
    let fine = office.trigger("fine", Parcel::default()).await.unwrap();
    kit.finish(&office, &fine).await.unwrap();
    let paused = kit.at_rest(&office, &run).await.unwrap();
    assert_eq!(paused.run_state(), RunState::Paused);
    assert!(paused.reason().contains("cannot be read as this workflow's type"), "{}", paused.reason());
    assert!(paused.object().is_err());
}
