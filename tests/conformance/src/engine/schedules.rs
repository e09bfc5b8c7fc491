//! Runs that start by themselves.

use std::time::Duration;

use workflow_core::adapter::ListQuery;
use workflow_core::testing::Kit;
use workflow_core::{Error, Next, Schedule, Step, Timestamp};

use super::{Desk, Office, Parcel, Place, Stage, close, pack, parcels, pass, skip_until};

const HOUR: Duration = Duration::from_secs(3600);

async fn office(place: &Place, schedule: Schedule<Parcel, Stage>) -> (Kit, Office) {
    let flow = parcels().step(Stage::Placed, pack, [Stage::Packed]).schedule(schedule);
    let kit = place.kit();
    let office = flow.state(Desk::new()).build().unwrap().run(&kit).await.unwrap();
    kit.clock().quiet().await;
    (kit, office)
}

fn hourly() -> Schedule<Parcel, Stage> {
    Schedule::new("daily", "@hourly", Parcel::default)
}

/// When the runs were started, in hours and minutes since the clock's beginning.
async fn starts(office: &Office, begun: Timestamp) -> Vec<(u64, u64)> {
    let listed = office.list(ListQuery::default()).await.unwrap();
    let since = |at: Timestamp| at.since(begun).as_secs() / 60;
    listed.runs.iter().map(|run| (since(run.created_at()) / 60, since(run.created_at()) % 60)).collect()
}

/// One run a slot, with an object of its own.
pub async fn a_schedule_starts_a_run_at_each_slot(place: Place) {
    let begun = place.now();
    let (kit, office) = office(&place, hourly()).await;
    pass(&kit, 3 * HOUR + HOUR / 2).await;
    assert_eq!(starts(&office, begun).await, [(1, 0), (2, 0), (3, 0)]);
    let runs = office.list(ListQuery::default()).await.unwrap().runs;
    assert!(runs.iter().all(|run| run.foreign_id().as_str() == "daily" && run.status() == Stage::Packed));
}

/// A slot whose run could not be stored is not lost, and not taken twice: not even the first one.
pub async fn a_schedule_loses_no_slot_when_the_trigger_fails(place: Place) {
    let begun = place.now();
    let (kit, office) = office(&place, hourly()).await;
    pass(&kit, HOUR - Duration::from_secs(1)).await;
    kit.faults().fail_commits(3);
    pass(&kit, HOUR / 2).await;
    pass(&kit, HOUR / 2 - Duration::from_secs(1)).await;
    kit.faults().lose_answers(1);
    pass(&kit, HOUR / 2).await;
    assert_eq!(starts(&office, begun).await, [(1, 0), (2, 0)]);
}

/// Of the slots that were missed while nothing ran, the latest is made up for: also if none was ever taken.
pub async fn of_missed_slots_the_latest_is_made_up_for(place: Place) {
    let begun = place.now();
    for away in [5 * HOUR + HOUR / 2, 3 * HOUR] {
        let (kit, office) = office(&place, hourly()).await;
        close(&kit, office).await;
        pass(&kit, away).await;
    }
    let (kit, office) = office(&place, hourly()).await;
    pass(&kit, HOUR).await;
    assert_eq!(starts(&office, begun).await, [(5, 30), (8, 30), (9, 0)]);
}

/// A slot that falls while the previous run is unfinished is skipped.
pub async fn a_slot_is_skipped_while_the_previous_run_is_unfinished(place: Place) {
    async fn leave_it(_: &mut super::Case) -> Step<Next<Stage>> {
        Ok(Next::skip())
    }
    let begun = place.now();
    let flow = parcels().step(Stage::Placed, leave_it, [Stage::Packed]).schedule(hourly());
    let kit = place.kit();
    let office = flow.state(Desk::new()).build().unwrap().run(&kit).await.unwrap();
    pass(&kit, 3 * HOUR + HOUR / 2).await;
    assert_eq!(starts(&office, begun).await, [(1, 0)]);
    let run = office.latest("daily").await.unwrap().unwrap().id();
    office.cancel(&run, "it takes too long").await.unwrap();
    pass(&kit, HOUR).await;
    assert_eq!(starts(&office, begun).await, [(1, 0), (4, 0)]);
}

/// A filter passes slots over; one that panics does not end the schedule, and its slot is asked for again.
pub async fn a_filter_passes_slots_over(place: Place) {
    let (begun, asked) = (place.now(), Desk::new());
    let at = asked.clone();
    let picky = hourly().only_if(move || {
        at.log("ask");
        assert_ne!(at.count("ask"), 3, "three is an unlucky number");
        at.count("ask").is_multiple_of(2)
    });
    let (kit, office) = office(&place, picky).await;
    pass(&kit, 5 * HOUR + HOUR / 2).await;
    assert_eq!(asked.count("ask"), 6);
    assert_eq!(starts(&office, begun).await, [(2, 0), (3, 0), (5, 0)]);
}

/// Slots are named in the schedule's own time zone.
pub async fn a_schedule_goes_by_its_own_time_zone(place: Place) {
    let begun = place.now();
    let at_noon = Schedule::new("noon", "0 12 * * *", Parcel::default).in_zone("Asia/Kolkata");
    let (kit, office) = office(&place, at_noon).await;
    pass(&kit, 24 * HOUR).await;
    assert_eq!(starts(&office, begun).await, [(6, 30)]);
}

/// A schedule can be added while the workflow runs; one that cannot be read is refused.
pub async fn a_schedule_can_be_added_while_running(place: Place) {
    let (kit, office) = office(&place, hourly()).await;
    let refused = office.schedule(Schedule::new("x", "61 * * * *", Parcel::default));
    assert!(matches!(refused, Err(Error::Cron(_))), "{refused:?}");
    office.schedule(Schedule::new("added", "@every 90s", Parcel::default)).unwrap();
    kit.clock().quiet().await;
    let begun = place.now();
    skip_until(&kit, "its run", async || office.latest("added").await.unwrap().is_some()).await;
    assert_eq!(office.latest("added").await.unwrap().unwrap().created_at().since(begun).as_secs(), 90);
}
