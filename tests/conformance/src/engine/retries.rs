//! What becomes of a run whose step fails.

use std::time::Duration;

use workflow_core::{Options, RunState, Step, terminal};

use super::{Case, Desk, Office, Parcel, Place, Stage, close, hand_over, pack, parcels};

const HOUR: Duration = Duration::from_secs(3600);

async fn office(place: &Place, desk: &Desk, options: Options) -> (workflow_core::testing::Kit, Office) {
    let flow = parcels().step(Stage::Placed, pack, [Stage::Packed]).with(options).never_resume();
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    (kit, office)
}

fn count(office: &Office, metric: &str) -> f64 {
    office.metrics().samples().iter().filter(|sample| sample.name == metric).map(|sample| sample.value).sum()
}

/// A failure that passes within milliseconds costs no retry row and no event.
pub async fn a_failed_attempt_is_repeated_in_place_first(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk, Options::new()).await;
    desk.fail(2);
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let done = kit.finish(&office, &run).await.unwrap();
    assert_eq!(desk.lines(), ["pack 1", "pack 1", "pack 1"]);
    assert_eq!((done.version().get(), count(&office, "workflow_retries_scheduled")), (2, 0.0));
    assert_eq!(done.object().unwrap().labels, ["packed"]);
}

/// Attempts are counted from one process to the next, each after a wait within the back-off.
pub async fn attempts_are_numbered_backed_off_and_outlive_the_process(place: Place) {
    let desk = Desk::new();
    let options = || Options::new().in_place_retries(0);
    let (kit, first) = office(&place, &desk, options()).await;
    desk.fail(3);
    let run = first.trigger("p-1", Parcel::default()).await.unwrap();
    kit.skipping(desk.counts("pack 2", 1)).await.unwrap();
    close(&kit, first).await;
    let (kit, second) = office(&place, &desk, options()).await;
    kit.finish(&second, &run).await.unwrap();
    assert_eq!(desk.lines(), ["pack 1", "pack 2", "pack 3", "pack 4"]);
    assert_eq!(second.history(&run).await.unwrap()[1].attempt, 4);
    let longest = Duration::from_secs(1 + 2 + 4 + 2);
    assert!(place.now().since(second.get(&run).await.unwrap().created_at()) <= longest);
}

/// After its last attempt a run is paused, with the error; a resume begins again with the first attempt.
pub async fn a_run_is_paused_after_its_last_attempt_and_a_resume_goes_on(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk, Options::new().in_place_retries(0).pause_after(3)).await;
    desk.fail(3);
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let paused = kit.at_rest(&office, &run).await.unwrap();
    assert_eq!((paused.run_state(), paused.status()), (RunState::Paused, Stage::Placed));
    assert!(paused.reason().contains("the desk is on fire"), "{}", paused.reason());
    kit.clock().advance(48 * HOUR).await;
    assert_eq!(office.get(&run).await.unwrap().version(), paused.version());
    office.resume(&run).await.unwrap();
    kit.finish(&office, &run).await.unwrap();
    assert_eq!(desk.lines(), ["pack 1", "pack 2", "pack 3", "pack 1"]);
}

/// A run that fails for ever is never paused if it must not be.
pub async fn a_run_that_must_not_be_paused_is_retried_for_ever(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk, Options::new().in_place_retries(0).never_pause()).await;
    desk.fail(40);
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    assert_eq!(kit.at_rest(&office, &run).await.unwrap().run_state(), RunState::Completed);
    assert_eq!(desk.count("pack"), 41);
}

/// The engine resumes what the engine paused, and counts it.
pub async fn a_run_that_the_engine_paused_is_resumed_after_a_while(place: Place) {
    let desk = Desk::new();
    let options = Options::new().in_place_retries(0).pause_after(1);
    let flow = parcels().step(Stage::Placed, pack, [Stage::Packed]).with(options).resume_after(HOUR);
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    desk.fail(1);
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    assert_eq!(kit.at_rest(&office, &run).await.unwrap().run_state(), RunState::Paused);
    // The store fails just when the pause is over: what is due is found, its run cannot be read.
    kit.faults().fail_reads_after(1, 1);
    let done = kit.finish(&office, &run).await.unwrap();
    assert!(done.updated_at().since(done.created_at()) >= HOUR);
    let resumed = office.metrics().samples().into_iter().filter(|sample| {
        let labels =
            [("previous_run_state", "Paused".to_owned()), ("current_run_state", "Running".to_owned())];
        sample.name == "workflow_run_state_changes" && sample.labels == labels
    });
    assert_eq!(resumed.map(|sample| sample.value).sum::<f64>(), 1.0);
}

/// What an operator paused stays paused, whatever the engine's own resume is set to.
pub async fn an_operators_pause_is_left_alone(place: Place) {
    let desk = Desk::new();
    let flow = parcels().step(Stage::Placed, pack, [Stage::Packed]).with(Options::new().in_place_retries(0));
    let kit = place.kit();
    let office = flow.resume_after(HOUR).state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    desk.fail(usize::MAX);
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    desk.counts("pack 1", 1).await;
    office.pause(&run, "the customer called").await.unwrap();
    let tried = desk.count("pack");
    kit.clock().advance(48 * HOUR).await;
    let paused = office.get(&run).await.unwrap();
    assert_eq!((paused.run_state(), paused.reason()), (RunState::Paused, "the customer called"));
    assert_eq!(desk.count("pack"), tried);
}

async fn refuse(_: &mut Case, desk: &Desk) -> Step<Stage> {
    desk.log("refuse");
    Err(terminal("there is no such street"))
}

/// A terminal error is not tried again.
pub async fn a_terminal_error_pauses_at_once(place: Place) {
    let desk = Desk::new();
    let flow = parcels().step(Stage::Placed, refuse, [Stage::Packed]);
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let paused = kit.at_rest(&office, &run).await.unwrap();
    assert_eq!((paused.run_state(), paused.reason()), (RunState::Paused, "there is no such street"));
    assert_eq!(desk.lines(), ["refuse"]);
}

async fn drop_it(run: &mut Case) -> Step<Stage> {
    assert!(run.object.labels.is_empty(), "a labelled parcel was dropped");
    Ok(Stage::Packed)
}

/// A panic, before or after the function has waited, is an error of its run alone.
pub async fn a_panic_is_an_error_of_its_run(place: Place) {
    let flow = parcels().step(Stage::Placed, drop_it, [Stage::Packed]).with(Options::new().pause_after(2));
    let kit = place.kit();
    let office = flow.never_resume().state(Desk::new()).build().unwrap().run(&kit).await.unwrap();
    let broken = office.trigger("broken", Parcel::labelled("fragile")).await.unwrap();
    let whole = office.trigger("whole", Parcel::default()).await.unwrap();
    let paused = kit.at_rest(&office, &broken).await.unwrap();
    assert_eq!(paused.run_state(), RunState::Paused);
    assert!(paused.reason().contains("a labelled parcel was dropped"), "{}", paused.reason());
    assert_eq!(kit.finish(&office, &whole).await.unwrap().status(), Stage::Packed);
}

async fn time_out(run: &mut Case, desk: &Desk) -> Step<Stage> {
    desk.log(format!("{} {}", run.foreign_id(), run.attempt()));
    if run.object.labels.is_empty() {
        return Ok(Stage::Packed);
    }
    Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "deadline has elapsed"))?
}

/// An error that looks like the engine's own end is an error of its run: the consumer goes on, and so do other runs,
/// even if only one may be in flight.
pub async fn a_time_out_error_ends_no_consumer_and_holds_up_no_other_run(place: Place) {
    let desk = Desk::new();
    let options = Options::new().in_place_retries(0).never_pause().in_flight(1);
    let flow = parcels().step(Stage::Placed, time_out, [Stage::Packed]).with(options);
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    office.trigger("slow", Parcel::labelled("late")).await.unwrap();
    for number in 0..5 {
        let run = office.trigger(format!("p-{number}"), Parcel::default()).await.unwrap();
        kit.finish(&office, &run).await.unwrap();
    }
    kit.skipping(desk.counts("slow 3", 1)).await.unwrap();
    assert!(office.states().values().all(|state| *state == workflow_core::ProcessState::Running));
}

/// An object that the store does not take pauses its run; one that it does not take at the start is refused.
pub async fn an_object_over_the_limit_is_refused(place: Place) {
    async fn swell(run: &mut Case) -> Stage {
        run.object.labels.push("x".repeat(17 << 20));
        Stage::Packed
    }
    let flow = parcels().step(Stage::Placed, swell, [Stage::Packed]);
    let kit = place.kit();
    let office = flow.state(Desk::new()).build().unwrap().run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let paused = kit.at_rest(&office, &run).await.unwrap();
    assert!(paused.reason().contains("are allowed"), "{}", paused.reason());
    assert_eq!(paused.object().unwrap(), Parcel::default());
    let refused = office.trigger("p-2", Parcel::labelled(&"x".repeat(17 << 20))).await;
    assert!(matches!(refused, Err(workflow_core::Error::TooLarge { .. })), "{refused:?}");
}

/// The process that owns a step tells its epoch to it; the next one has a higher one.
pub async fn the_epoch_rises_with_each_owner(place: Place) {
    async fn tell(run: &mut Case, desk: &Desk) -> Stage {
        desk.log(run.epoch().unwrap().get().to_string());
        Stage::Packed
    }
    let desk = Desk::new();
    for number in 0..3 {
        let flow = parcels().step(Stage::Placed, tell, [Stage::Packed]).step(
            Stage::Sent,
            hand_over,
            [Stage::Received],
        );
        let kit = place.kit();
        let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
        let run = office.trigger(format!("p-{number}"), Parcel::default()).await.unwrap();
        kit.finish(&office, &run).await.unwrap();
        close(&kit, office).await;
    }
    let epochs: Vec<u64> = desk.lines().iter().map(|line| line.parse().unwrap()).collect();
    assert!(epochs.is_sorted_by(|one, next| one < next), "{epochs:?}");
}
