//! What a running function learns of what happens to its run, and when it is begun at all.

use std::time::Duration;

use workflow_core::testing::Kit;
use workflow_core::{Next, Options, Payload, RunState, Step};

use super::{Case, Desk, Office, Parcel, Place, Stage, parcels};

const MINUTE: Duration = Duration::from_secs(60);

/// Waits at the gate, and says if it is told to stop; it goes on all the same.
async fn listen(run: &mut Case, desk: &Desk) -> Step<Stage> {
    desk.log(format!("begin {}", run.version()));
    run.object.labels.push("begun".into());
    tokio::select! {
        () = desk.pass() => {}
        () = run.cancelled() => desk.log(format!("told {}", run.version())),
    }
    Ok(Stage::Received)
}

/// Says when it is dropped.
struct Dropped(Desk);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.log("dropped");
    }
}

async fn be_deaf(run: &mut Case, desk: &Desk) -> Step<Stage> {
    let _dropped = Dropped(desk.clone());
    desk.log(format!("begin {}", run.version()));
    if run.attempt() == 1 && run.version().get() == 1 {
        std::future::pending::<()>().await;
    }
    Ok(Stage::Received)
}

async fn listening(place: &Place, desk: &Desk) -> (Kit, Office) {
    let flow = parcels().step(Stage::Placed, listen, [Stage::Received]);
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    (kit, office)
}

/// A running step hears of the cancellation; what it makes of its run after that is not stored.
pub async fn a_step_whose_run_is_cancelled_is_told_and_not_stored(place: Place) {
    let desk = Desk::new();
    let (kit, office) = listening(&place, &desk).await;
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    desk.counts("begin 1", 1).await;
    office.cancel(&run, "not wanted any more").await.unwrap();
    desk.counts("told 1", 1).await;
    kit.clock().quiet().await;
    let ended = office.get(&run).await.unwrap();
    assert_eq!((ended.run_state(), ended.version().get()), (RunState::Cancelled, 2));
    assert_eq!((ended.reason(), ended.object().unwrap()), ("not wanted any more", Parcel::default()));
    assert_eq!(desk.lines(), ["begin 1", "told 1"]);
}

/// The same for a pause; the resume begins the step again, which then has heard nothing.
pub async fn a_step_whose_run_is_paused_is_told_and_begun_again_after_the_resume(place: Place) {
    let desk = Desk::new();
    let (kit, office) = listening(&place, &desk).await;
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    desk.counts("begin 1", 1).await;
    office.pause(&run, "lunch").await.unwrap();
    desk.counts("told 1", 1).await;
    office.resume(&run).await.unwrap();
    desk.counts("begin 3", 1).await;
    kit.clock().advance(MINUTE).await;
    desk.open(1);
    assert_eq!(kit.finish(&office, &run).await.unwrap().version().get(), 4);
    assert_eq!(desk.lines(), ["begin 1", "told 1", "begin 3"]);
}

/// A step that a callback led to is not told of that callback, as the step before it is.
pub async fn a_step_is_not_told_of_the_callback_that_led_to_it(place: Place) {
    async fn skip_ahead(_: &mut Case, _: Payload) -> Step<Next<Stage>> {
        Ok(Next::go_to(Stage::Sent))
    }
    let desk = Desk::new();
    let flow = parcels()
        .step(Stage::Placed, listen, [Stage::Received])
        .callback(Stage::Placed, skip_ahead, [Stage::Sent])
        .step(Stage::Sent, listen, [Stage::Received]);
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    desk.counts("begin 1", 1).await;
    assert!(office.callback(Stage::Placed, "p-1", "").await.unwrap().is_applied());
    desk.counts("told 1", 1).await;
    desk.counts("begin 2", 1).await;
    kit.clock().advance(MINUTE).await;
    desk.open(1);
    assert_eq!(kit.finish(&office, &run).await.unwrap().version().get(), 3);
    let mut lines = desk.lines();
    lines.sort();
    assert_eq!(lines, ["begin 1", "begin 2", "told 1"]);
}

/// A function that does not listen is dropped when its grace is over.
pub async fn a_step_that_does_not_listen_is_dropped_after_the_grace(place: Place) {
    let desk = Desk::new();
    let grace = Duration::from_secs(7);
    let flow =
        parcels().step(Stage::Placed, be_deaf, [Stage::Received]).with(Options::new().cancel_grace(grace));
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    desk.counts("begin", 1).await;
    office.cancel(&run, "enough").await.unwrap();
    kit.clock().advance(grace - Duration::from_millis(1)).await;
    assert_eq!(desk.count("dropped"), 0);
    kit.clock().advance(Duration::from_millis(1)).await;
    assert_eq!(desk.lines(), ["begin 1", "dropped"]);
    assert_eq!(office.get(&run).await.unwrap().version().get(), 2);
}

/// An attempt that takes too long is dropped, and is a failed attempt as any other.
pub async fn an_attempt_that_takes_too_long_is_dropped_and_counted(place: Place) {
    let desk = Desk::new();
    let limit = Duration::from_secs(10);
    let options = Options::new().attempt_timeout(limit).in_place_retries(0);
    let flow = parcels().step(Stage::Placed, be_deaf, [Stage::Received]).with(options);
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    desk.counts("begin", 1).await;
    kit.clock().advance(limit).await;
    kit.finish(&office, &run).await.unwrap();
    assert_eq!(desk.lines(), ["begin 1", "dropped", "begin 1", "dropped"]);
    assert_eq!(office.history(&run).await.unwrap()[1].attempt, 2);
}

/// A step takes an event only once it is as old as the lag, and not at all if its run was stopped meanwhile.
pub async fn an_event_is_taken_once_it_is_as_old_as_the_lag(place: Place) {
    let desk = Desk::new();
    desk.open(9);
    let flow = parcels()
        .step(Stage::Placed, listen, [Stage::Received])
        .with(Options::new().consume_lag(10 * MINUTE));
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    let kept = office.trigger("kept", Parcel::default()).await.unwrap();
    let regretted = office.trigger("regretted", Parcel::default()).await.unwrap();
    kit.clock().advance(5 * MINUTE).await;
    assert_eq!(desk.lines(), [""; 0]);
    office.cancel(&regretted, "changed my mind").await.unwrap();
    let done = kit.finish(&office, &kept).await.unwrap();
    assert_eq!(done.updated_at().since(done.created_at()), 10 * MINUTE);
    kit.clock().advance(10 * MINUTE).await;
    assert_eq!(desk.lines(), ["begin 1"]);
}

/// No more runs are worked on at once than may be in flight.
pub async fn no_more_runs_are_in_flight_than_allowed(place: Place) {
    let desk = Desk::new();
    let flow = parcels().step(Stage::Placed, listen, [Stage::Received]).with(Options::new().in_flight(3));
    let kit = place.kit();
    let office = flow.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    let starts = (0..8).map(|number| (format!("p-{number}"), Parcel::default()));
    let runs: Vec<_> = office.trigger_all(starts).await.unwrap().into_iter().map(Result::unwrap).collect();
    desk.counts("begin", 3).await;
    kit.clock().advance(MINUTE).await;
    assert_eq!(desk.count("begin"), 3);
    desk.open(1);
    desk.counts("begin", 4).await;
    kit.clock().advance(MINUTE).await;
    assert_eq!(desk.count("begin"), 4);
    desk.open(7);
    for run in &runs {
        kit.finish(&office, run).await.unwrap();
    }
    assert_eq!(desk.count("begin"), 8);
}
