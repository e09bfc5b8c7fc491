//! What a step can make of its run.

use std::sync::Arc;

use workflow_core::{Next, Options, RunState, Step};

use super::{Case, Desk, Parcel, Place, Stage, close, declared, hand_over, holds_for, pack, parcels, send};

/// A step goes to the status that it names, with the object that it leaves.
pub async fn a_step_takes_its_run_to_a_declared_status(place: Place) {
    let desk = Desk::new();
    let flow = parcels()
        .step(Stage::Placed, pack, [Stage::Packed])
        .step(Stage::Packed, send, [Stage::Sent, Stage::Returned])
        .step(Stage::Sent, hand_over, [Stage::Received]);
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let done = kit.finish(&office, &run).await.unwrap();
    assert_eq!((done.status(), done.run_state()), (Stage::Received, RunState::Completed));
    assert_eq!(done.object().unwrap().labels, ["packed", "sent", "received"]);
    assert_eq!(desk.lines(), ["pack 1", "send", "hand over"]);
    let edges =
        [(Stage::Placed, Stage::Packed), (Stage::Packed, Stage::Sent), (Stage::Sent, Stage::Received)];
    let history = holds_for(&office, &run, &declared(&edges)).await;
    let states: Vec<RunState> = history.iter().map(|entry| entry.run_state).collect();
    use RunState::{Completed, Initiated, Running};
    assert_eq!(states, [Initiated, Running, Running, Completed]);
    place.outbox_is_empty(&kit).await;
}

async fn look_and_skip(run: &mut Case, desk: &Desk) -> Step<Next<Stage>> {
    desk.log("look");
    run.object.labels.push("looked at".into());
    Ok(Next::skip())
}

/// A skipped step leaves its run alone; neither time, nor the reconciler, nor a new process runs it again. A resume does.
pub async fn a_skipped_step_is_not_run_again_by_itself(place: Place) {
    let desk = Desk::new();
    let flow = || {
        let flow = parcels().step(Stage::Placed, look_and_skip, [Stage::Packed]);
        flow.state(desk.clone()).build().unwrap()
    };
    let kit = place.kit();
    let office = flow().run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    desk.counts("look", 1).await;
    place.outbox_is_empty(&kit).await;
    kit.clock().advance(std::time::Duration::from_secs(3600)).await;
    close(&kit, office).await;
    let kit = place.kit();
    let office = flow().run(&kit).await.unwrap();
    kit.clock().advance(std::time::Duration::from_secs(3600)).await;
    assert_eq!(desk.count("look"), 1);
    let stored = office.get(&run).await.unwrap();
    assert_eq!((stored.version().get(), stored.object().unwrap()), (1, Parcel::default()));
    office.pause(&run, "to look again").await.unwrap();
    office.resume(&run).await.unwrap();
    desk.counts("look", 2).await;
}

/// Nor does an event that comes twice.
pub async fn a_repeated_event_does_not_run_a_skipped_step_again(place: Place) {
    let desk = Desk::new();
    let kit = place.kit();
    kit.faults().repeat_events(u32::MAX);
    let flow = parcels().step(Stage::Placed, look_and_skip, [Stage::Packed]);
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    office.trigger("p-1", Parcel::default()).await.unwrap();
    place.outbox_is_empty(&kit).await;
    assert_eq!(desk.count("look"), 1);
}

async fn label_thrice(run: &mut Case, desk: &Desk) -> Step<Next<Stage>> {
    desk.log(run.idempotency_key());
    run.object.labels.push(format!("label {}", run.version()));
    if run.object.labels.len() < 3 { Ok(Next::repeat()) } else { Ok(Next::go_to(Stage::Received)) }
}

/// A repetition stores the object, stays in the status, and comes back with the next version and another key.
pub async fn a_repeating_step_stores_its_object_and_runs_again_at_the_next_version(place: Place) {
    let desk = Desk::new();
    let flow = parcels().step(Stage::Placed, label_thrice, [Stage::Received]);
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let done = kit.finish(&office, &run).await.unwrap();
    assert_eq!(done.object().unwrap().labels, ["label 1", "label 2", "label 3"]);
    assert_eq!(desk.lines(), [format!("{run}:1"), format!("{run}:2"), format!("{run}:3")]);
    holds_for(&office, &run, &declared(&[(Stage::Placed, Stage::Received)])).await;
}

async fn pause_it(run: &mut Case) -> Step<Next<Stage>> {
    run.object.labels.push("set aside".into());
    Ok(Next::pause("the address is missing"))
}

async fn cancel_it(run: &mut Case) -> Step<Next<Stage>> {
    run.object.labels.push("thrown away".into());
    Ok(Next::cancel("it is a brick"))
}

/// A step that pauses keeps its object, says why, and is not resumed by the engine.
pub async fn a_step_pauses_its_run_with_a_reason(place: Place) {
    let flow = parcels().step(Stage::Placed, pause_it, [Stage::Packed]);
    let kit = place.kit();
    let office = flow.state(Desk::new()).build().unwrap().run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let paused = kit.at_rest(&office, &run).await.unwrap();
    kit.clock().advance(std::time::Duration::from_secs(7200)).await;
    let later = office.get(&run).await.unwrap();
    assert_eq!((paused.run_state(), paused.reason()), (RunState::Paused, "the address is missing"));
    assert_eq!(
        (paused.version(), paused.object().unwrap()),
        (later.version(), Parcel::labelled("set aside"))
    );
}

/// A step that cancels keeps its object and frees the business key.
pub async fn a_step_cancels_its_run_with_a_reason(place: Place) {
    let flow = parcels().step(Stage::Placed, cancel_it, [Stage::Packed]);
    let kit = place.kit();
    let office = flow.state(Desk::new()).build().unwrap().run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let done = kit.finish(&office, &run).await.unwrap();
    assert_eq!((done.run_state(), done.reason()), (RunState::Cancelled, "it is a brick"));
    assert_eq!(done.object().unwrap(), Parcel::labelled("thrown away"));
    let next = office.trigger("p-1", Parcel::default()).await.unwrap();
    assert_ne!(next, run);
}

async fn lose_it(run: &mut Case) -> Stage {
    run.object.labels.push("lost".into());
    Stage::Returned
}

/// An undeclared destination never reaches the store: the run is paused, and the reason names both statuses.
pub async fn an_undeclared_destination_pauses_the_run_and_stores_nothing(place: Place) {
    let flow =
        parcels().step(Stage::Placed, lose_it, [Stage::Packed]).with(Options::new().in_place_retries(0));
    let kit = place.kit();
    let office = flow.state(Desk::new()).build().unwrap().run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let paused = kit.at_rest(&office, &run).await.unwrap();
    assert_eq!((paused.status(), paused.run_state()), (Stage::Placed, RunState::Paused));
    assert_eq!(paused.object().unwrap(), Parcel::default());
    let reason: Arc<str> = paused.reason().into();
    assert!(reason.contains("Placed") && reason.contains("Returned"), "{reason}");
}
