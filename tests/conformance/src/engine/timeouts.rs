//! Timers: when they fire, for which run, and what becomes of them.

use std::time::Duration;

use workflow_core::testing::Kit;
use workflow_core::{
    Due, Next, Options, Payload, Run, RunState, Step, StepError, after, at, retryable, terminal,
};

use super::{
    Case, Desk, Office, Parcel, Place, Stage, close, declared, hand_over, holds_for, parcels, pass, take_back,
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

async fn come_back(run: &mut Case, desk: &Desk) -> Step<Next<Stage>> {
    desk.log(format!("come back {}", run.attempt()));
    desk.work()?;
    match run.object.labels.first().map(String::as_str) {
        Some("patient") => Ok(Next::skip()),
        Some("cursed") => Err(terminal("it never comes back")),
        _ => Ok(Next::go_to(Stage::Returned)),
    }
}

async fn go_on(run: &mut Case, payload: Payload) -> Step<Next<Stage>> {
    run.object.labels.push("called".into());
    if payload.bytes().is_empty() { Ok(Next::go_to(Stage::Received)) } else { Ok(Next::repeat()) }
}

/// A parcel that waits for a callback, an hour at most.
async fn office(place: &Place, desk: &Desk, options: Options) -> (Kit, Office) {
    let flow = parcels()
        .timeout(Stage::Placed, after(HOUR), come_back, [Stage::Returned])
        .with(options)
        .callback(Stage::Placed, go_on, [Stage::Received]);
    let kit = place.kit();
    let office = flow.never_resume().state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    (kit, office)
}

/// A timer fires when it is due, also if the process was away when it was.
pub async fn a_timer_fires_when_it_is_due(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk, Options::new()).await;
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let done = kit.finish(&office, &run).await.unwrap();
    assert_eq!((done.status(), desk.count("come back")), (Stage::Returned, 1));
    assert_eq!(done.updated_at().since(done.created_at()), HOUR);
    let late = office.trigger("p-2", Parcel::default()).await.unwrap();
    close(&kit, office).await;
    pass(&kit, 3 * HOUR).await;
    let (kit, office) = self::office(&place, &desk, Options::new()).await;
    let done = kit.finish(&office, &late).await.unwrap();
    assert_eq!((done.status(), desk.count("come back")), (Stage::Returned, 2));
    holds_for(&office, &late, &declared(&[(Stage::Placed, Stage::Returned)])).await;
}

/// A timeout that skips has fired once and for all.
pub async fn a_timeout_that_skips_completes_its_timer(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk, Options::new()).await;
    let run = office.trigger("p-1", Parcel::labelled("patient")).await.unwrap();
    pass(&kit, 10 * HOUR).await;
    assert_eq!(desk.count("come back"), 1);
    office.pause(&run, "lunch").await.unwrap();
    office.resume(&run).await.unwrap();
    pass(&kit, 10 * HOUR).await;
    assert_eq!(desk.count("come back"), 1, "a resume does not set it again");
    assert_eq!(office.get(&run).await.unwrap().version().get(), 3);
}

/// While a run is paused its timer waits; the resume lets it fire.
pub async fn a_paused_run_holds_its_timer_until_the_resume(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk, Options::new()).await;
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    office.pause(&run, "lunch").await.unwrap();
    pass(&kit, 3 * HOUR).await;
    assert_eq!(desk.lines(), [""; 0]);
    office.resume(&run).await.unwrap();
    let done = kit.finish(&office, &run).await.unwrap();
    assert_eq!((done.status(), done.version().get()), (Stage::Returned, 4));
    assert_eq!(done.updated_at().since(done.created_at()), 3 * HOUR);
}

/// The timer of a run that has left the status does nothing, also to the next run of the same business key.
pub async fn a_timer_does_not_fire_on_the_next_run_of_the_same_foreign_id(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk, Options::new()).await;
    let first = office.trigger("p-1", Parcel::default()).await.unwrap();
    pass(&kit, HOUR / 2).await;
    assert!(office.callback(Stage::Placed, "p-1", "").await.unwrap().is_applied());
    let second = office.trigger("p-1", Parcel::default()).await.unwrap();
    pass(&kit, HOUR / 2 + MINUTE).await;
    assert_eq!(desk.lines(), [""; 0]);
    let done = kit.finish(&office, &second).await.unwrap();
    assert_eq!(done.updated_at().since(done.created_at()), HOUR);
    assert_eq!(office.get(&first).await.unwrap().status(), Stage::Received);
}

/// Of two timeouts of a status, an expiry runs the function of its own; the other is cancelled with the move.
pub async fn an_expiry_runs_the_function_of_its_own_timer_only(place: Place) {
    async fn remind(run: &mut Case, desk: &Desk) -> Step<Next<Stage>> {
        desk.log("remind");
        run.object.labels.push("reminded".into());
        Ok(Next::repeat())
    }
    async fn too_late(_: &mut Case, desk: &Desk) -> Stage {
        desk.log("too late");
        Stage::Returned
    }
    let desk = Desk::new();
    let flow = parcels()
        .timeout(Stage::Placed, after(HOUR), remind, [Stage::Returned])
        .named("reminder")
        .timeout(Stage::Placed, after(2 * HOUR), too_late, [Stage::Returned])
        .timeout(Stage::Placed, after(9 * HOUR), take_back, [Stage::Returned]);
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let done = kit.finish(&office, &run).await.unwrap();
    pass(&kit, 20 * HOUR).await;
    assert_eq!(desk.lines(), ["remind", "too late"]);
    assert_eq!(done.updated_at().since(done.created_at()), 2 * HOUR);
    assert_eq!(done.object().unwrap().labels, ["reminded"]);
}

/// Redelivered events, resumes and new processes set no timer twice.
pub async fn timers_are_not_set_twice(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk, Options::new()).await;
    kit.faults().repeat_events(u32::MAX);
    let run = office.trigger("p-1", Parcel::labelled("patient")).await.unwrap();
    for _ in 0..3 {
        office.pause(&run, "lunch").await.unwrap();
        office.resume(&run).await.unwrap();
        pass(&kit, MINUTE).await;
    }
    close(&kit, office).await;
    let (kit, _office) = self::office(&place, &desk, Options::new()).await;
    pass(&kit, 10 * HOUR).await;
    assert_eq!(desk.count("come back"), 1);
}

/// `at` names an instant, `after` a delay, and a function may give either, or none.
pub async fn a_timer_is_a_delay_an_instant_or_a_function_of_the_run(place: Place) {
    fn by_label(run: &Run<Parcel, Stage>) -> Result<Option<Due>, StepError> {
        let minutes = run.object.labels.first().and_then(|label| label.parse::<u64>().ok());
        Ok(minutes.map(|minutes| Due::In(MINUTE * minutes as u32)))
    }
    let desk = Desk::new();
    let noon = place.now() + 12 * HOUR;
    let flow = parcels().timeout(Stage::Placed, by_label, take_back, [Stage::Returned]).timeout(
        Stage::Placed,
        at(noon),
        hand_over,
        [Stage::Received],
    );
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    let timed = office.trigger("timed", Parcel::labelled("17")).await.unwrap();
    let untimed = office.trigger("untimed", Parcel::default()).await.unwrap();
    let done = kit.finish(&office, &timed).await.unwrap();
    assert_eq!(done.updated_at().since(done.created_at()), 17 * MINUTE);
    let done = kit.finish(&office, &untimed).await.unwrap();
    assert_eq!((done.status(), done.updated_at()), (Stage::Received, noon));
}

/// A timer that cannot be told does not undo the transition; it is asked again, and its step is left alone.
pub async fn a_timer_that_fails_is_asked_again(place: Place) {
    async fn look(_: &mut Case, desk: &Desk) -> Step<Next<Stage>> {
        desk.log("look");
        Ok(Next::skip())
    }
    let desk = Desk::new();
    let asked = desk.clone();
    let timer = move |_: &Run<Parcel, Stage>| {
        asked.log("ask");
        match asked.count("ask") {
            1 => Err(retryable("the calendar is closed")),
            2 => panic!("the calendar is on fire"),
            _ => Ok(Some(Due::In(HOUR))),
        }
    };
    let flow = parcels()
        .step(Stage::Placed, look, [Stage::Received])
        .timeout(Stage::Placed, timer, take_back, [Stage::Returned])
        .with(Options::new().in_place_retries(0));
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    kit.clock().quiet().await;
    // Not even the loss of the event costs the timer.
    kit.faults().lose_events(1);
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    let done = kit.finish(&office, &run).await.unwrap();
    assert_eq!(done.status(), Stage::Returned);
    assert!(desk.count("ask") >= 3);
    assert!(desk.count("look") <= 1, "the retries of the timer are none of the step's: {:?}", desk.lines());
}

/// A timeout that fails is tried again after a back-off, from one process to the next, and pauses its run in the end.
pub async fn a_timeout_that_fails_is_retried_and_pauses_its_run_in_the_end(place: Place) {
    let desk = Desk::new();
    let options = || Options::new().in_place_retries(0).pause_after(4);
    let (kit, office) = office(&place, &desk, options()).await;
    desk.fail(6);
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    kit.skipping(desk.counts("come back 2", 1)).await.unwrap();
    close(&kit, office).await;
    pass(&kit, HOUR).await;
    let (kit, office) = self::office(&place, &desk, options()).await;
    let paused = kit.at_rest(&office, &run).await.unwrap();
    assert_eq!((paused.run_state(), paused.reason()), (RunState::Paused, "the desk is on fire"));
    assert_eq!(desk.lines(), ["come back 1", "come back 2", "come back 3", "come back 4"]);
    office.resume(&run).await.unwrap();
    assert_eq!(kit.finish(&office, &run).await.unwrap().status(), Stage::Returned);
    assert_eq!(desk.count("come back 3"), 2);
}

/// Two timeouts of a status that fail are both tried again, each by its own count.
pub async fn timeouts_of_one_status_are_retried_each_by_itself(place: Place) {
    async fn shrug(run: &mut Case, desk: &Desk) -> Step<Next<Stage>> {
        desk.log(format!("shrug {}", run.attempt()));
        if run.attempt() < 3 { Err(retryable("not yet")) } else { Ok(Next::skip()) }
    }
    async fn nod(run: &mut Case, desk: &Desk) -> Step<Next<Stage>> {
        desk.log(format!("nod {}", run.attempt()));
        // Not before the other one has got through.
        if desk.count("shrug 3") == 0 { Err(retryable("not yet")) } else { Ok(Next::go_to(Stage::Returned)) }
    }
    let desk = Desk::new();
    let flow = parcels().timeout(Stage::Placed, after(HOUR), shrug, [Stage::Returned]).timeout(
        Stage::Placed,
        after(HOUR),
        nod,
        [Stage::Returned],
    );
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    assert_eq!(kit.finish(&office, &run).await.unwrap().status(), Stage::Returned);
    assert!(desk.count("shrug 1") == 1 && desk.count("nod 1") == 1, "{:?}", desk.lines());
}

/// A run that is stored again while its timeout waits for its next attempt does not lose the timer.
pub async fn a_repetition_does_not_lose_a_timer_that_is_to_be_retried(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk, Options::new().in_place_retries(0)).await;
    desk.fail(1);
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    kit.skipping(desk.counts("come back 1", 1)).await.unwrap();
    assert!(office.callback(Stage::Placed, "p-1", "again").await.unwrap().is_applied());
    assert_eq!(kit.finish(&office, &run).await.unwrap().status(), Stage::Returned);
}

/// A terminal error of a timeout pauses at once.
pub async fn a_terminal_error_of_a_timeout_pauses_at_once(place: Place) {
    let desk = Desk::new();
    let (kit, office) = office(&place, &desk, Options::new()).await;
    let run = office.trigger("p-1", Parcel::labelled("cursed")).await.unwrap();
    let paused = kit.at_rest(&office, &run).await.unwrap();
    assert_eq!((paused.run_state(), paused.reason()), (RunState::Paused, "it never comes back"));
    assert_eq!(desk.count("come back"), 1);
}
