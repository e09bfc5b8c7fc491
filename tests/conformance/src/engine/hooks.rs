//! Hooks, and the deletion of a run's data.

use std::time::Duration;

use bytes::Bytes;
use workflow_core::testing::Kit;
use workflow_core::{Client, Error, History, Next, Options, RunId, RunState, Step, StepError, Workflow};

use super::{Case, Desk, Office, Parcel, Place, Stage, close, pack, parcels, pass, skip_until};

async fn paused(run: &mut Case, desk: &Desk) -> Result<(), StepError> {
    desk.log(format!("paused {} {}", run.foreign_id(), run.attempt()));
    desk.work()
}

async fn cancelled(run: &mut Case, desk: &Desk) -> Result<(), StepError> {
    desk.log(format!("cancelled {} {}", run.foreign_id(), run.attempt()));
    desk.work()
}

async fn completed(run: &mut Case, desk: &Desk) -> Result<(), StepError> {
    desk.log(format!("completed {} {}", run.foreign_id(), run.object.labels.join(",")));
    desk.work()
}

async fn sort_out(run: &mut Case, desk: &Desk) -> Step<Next<Stage>> {
    match run.object.labels.first().map(String::as_str) {
        Some("pause") if run.version().get() == 1 => Ok(Next::pause("so labelled")),
        Some("cancel") => Ok(Next::cancel("so labelled")),
        _ => pack(run, desk).await.map(Next::go_to),
    }
}

fn flow(desk: &Desk) -> Workflow<Parcel, Stage> {
    let options = || Options::new().in_place_retries(0).pause_after(3);
    let flow = parcels()
        .step(Stage::Placed, sort_out, [Stage::Packed])
        .on_pause(paused)
        .with(options())
        .on_cancel(cancelled)
        .with(options())
        .on_complete(completed)
        .with(options());
    flow.history(History::WithObjects).state(desk.clone()).build().unwrap()
}

async fn office(place: &Place, desk: &Desk) -> (Kit, Office) {
    let kit = place.kit();
    let office = flow(desk).run(&kit).await.unwrap();
    kit.clock().quiet().await;
    (kit, office)
}

async fn hooked(kit: &Kit, desk: &Desk, line: &str) {
    skip_until(kit, line, async || desk.count(line) > 0).await;
}

/// Each hook is called for its own state, whoever made it so.
pub async fn each_hook_is_called_for_its_own_state(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk).await;
    for label in ["pause", "cancel", "go"] {
        office.trigger(label, Parcel::labelled(label)).await.unwrap();
    }
    hooked(&kit, &desk, "paused pause 1").await;
    hooked(&kit, &desk, "cancelled cancel 1").await;
    hooked(&kit, &desk, "completed go go,packed").await;
    let run = office.latest("pause").await.unwrap().unwrap().id();
    office.resume(&run).await.unwrap();
    hooked(&kit, &desk, "completed pause pause,packed").await;
    place.outbox_is_empty(&kit).await;
    pass(&kit, Duration::from_secs(600)).await;
    let calls = desk.lines().into_iter().filter(|line| !line.starts_with("pack")).count();
    assert_eq!(calls, 4, "{:?}", desk.lines());
}

/// A hook is owed: the loss of its event only delays it.
pub async fn a_hook_is_called_although_its_event_was_lost(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk).await;
    kit.faults().lose_events_after(1, 1);
    let run = office.trigger("go", Parcel::default()).await.unwrap();
    kit.finish(&office, &run).await.unwrap();
    assert_eq!(desk.count("completed"), 0);
    hooked(&kit, &desk, "completed go").await;
}

/// A failing hook is tried again, and set aside with the reason after its last attempt.
pub async fn a_failing_hook_is_retried_and_set_aside_in_the_end(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk).await;
    desk.fail(2);
    let kept = office.trigger("kept", Parcel::labelled("cancel")).await.unwrap();
    hooked(&kit, &desk, "cancelled kept 3").await;
    desk.fail(3);
    let lost = office.trigger("lost", Parcel::labelled("cancel")).await.unwrap();
    skip_until(&kit, "a dead letter", async || !office.dead_letters(9).await.unwrap().is_empty()).await;
    let letters = office.dead_letters(9).await.unwrap();
    assert_eq!((letters.len(), letters[0].run_id), (1, Some(lost)));
    assert_eq!((&*letters[0].reason, letters[0].version.unwrap().get()), ("the desk is on fire", 2));
    assert_eq!(office.get(&kept).await.unwrap().run_state(), RunState::Cancelled);
    pass(&kit, Duration::from_secs(3600)).await;
    assert_eq!((desk.count("cancelled kept"), desk.count("cancelled lost")), (3, 3));
}

/// A hook that is still to be tried again is not forgotten because its run goes on.
pub async fn a_failing_hook_outlives_the_next_move_of_its_run(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk).await;
    desk.fail(1);
    let run = office.trigger("p-1", Parcel::labelled("pause")).await.unwrap();
    hooked(&kit, &desk, "paused p-1 1").await;
    office.resume(&run).await.unwrap();
    hooked(&kit, &desk, "completed p-1").await;
    hooked(&kit, &desk, "paused p-1 2").await;
}

/// A hook that takes longer than its reminder is not called again for it.
pub async fn a_slow_hook_is_called_once(place: Place) {
    async fn wait(_: &mut Case, desk: &Desk) -> Result<(), StepError> {
        desk.log("begin");
        desk.pass().await;
        Ok(())
    }
    let desk = Desk::new();
    let flow = parcels().step(Stage::Placed, pack, [Stage::Packed]).on_complete(wait);
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    office.trigger("p-1", Parcel::default()).await.unwrap();
    desk.counts("begin", 1).await;
    for _ in 0..200 {
        kit.clock().advance(Duration::from_secs(1)).await;
    }
    // The event is in the outbox until the hook has ended: no reminder joins it there.
    let rows = place.outbox().await;
    assert_eq!(rows.len(), 1, "{rows:#?}");
    desk.open(20);
    place.outbox_is_empty(&kit).await;
    pass(&kit, Duration::from_secs(600)).await;
    assert_eq!(desk.count("begin"), 1);
}

async fn ended(kit: &Kit, office: &Office, foreign_id: &str) -> RunId {
    let run = office.trigger(foreign_id, Parcel::labelled("secret")).await.unwrap();
    kit.finish(office, &run).await.unwrap();
    run
}

async fn deleted(kit: &Kit, client: &Client<Parcel, Stage>, run: &RunId) {
    let gone = async || client.get(run).await.unwrap().run_state() == RunState::DataDeleted;
    skip_until(kit, "the deletion", gone).await;
}

async fn holds_no_secret(client: &Client<Parcel, Stage>, run: &RunId) {
    let secret = |object: &Bytes| String::from_utf8_lossy(object).contains("secret");
    assert!(!secret(&client.get(run).await.unwrap().record().object));
    let history = client.history(run).await.unwrap();
    assert!(history.iter().all(|entry| !entry.object.as_ref().is_some_and(secret)), "{history:?}");
}

/// Only the data of a run that has ended can be deleted; what is left is a mark, in the history too.
pub async fn deleted_data_is_gone_from_the_record_and_its_history(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk).await;
    let live = office.trigger("live", Parcel::labelled("pause")).await.unwrap();
    kit.at_rest(&office, &live).await.unwrap();
    let refused = office.delete_data(&live, "the law").await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    let run = ended(&kit, &office, "p-1").await;
    kit.faults().lose_events(1);
    office.delete_data(&run, "the law").await.unwrap();
    deleted(&kit, &office, &run).await;
    let stored = office.get(&run).await.unwrap();
    assert_eq!((&stored.record().object[..], stored.reason()), (&br#"{"result":"deleted"}"#[..], "the law"));
    holds_no_secret(&office, &run).await;
    assert_eq!(desk.count("completed p-1"), 1);
}

/// The user's own deletion decides what is left; an object that it cannot read goes as a whole.
pub async fn the_users_own_deletion_decides_what_is_left(place: Place) {
    let desk = Desk::new();
    let flow = parcels()
        .step(Stage::Placed, pack, [Stage::Packed])
        .delete_with(|parcel: &mut Parcel| parcel.labels.retain(|label| label != "secret"))
        .history(History::WithObjects);
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    let run = ended(&kit, &office, "p-1").await;
    office.delete_data(&run, "asked to").await.unwrap();
    deleted(&kit, &office, &run).await;
    assert_eq!(office.get(&run).await.unwrap().object().unwrap(), Parcel::labelled("packed"));
    holds_no_secret(&office, &run).await;
    let stored = office.get(&run).await.unwrap();
    office.delete_data(&run, "again").await.unwrap();
    skip_until(&kit, "a second deletion", async || {
        office.get(&run).await.unwrap().version().get() == stored.version().get() + 2
    })
    .await;
    close(&kit, office).await;
}
