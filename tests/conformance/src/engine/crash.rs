//! The crash matrix: a process that dies after its n-th commit, for every n, and faults at every n.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use workflow_core::testing::{Faults, Kit};
use workflow_core::{
    CallbackOutcome, Next, Options, Payload, RunId, RunState, Schedule, Step, StepError, Workflow, after,
};

use super::{Case, Desk, Office, Parcel, Patience, Place, Stage, declared, holds_for, parcels, skip_until};

const EDGES: [(Stage, Stage); 4] = [
    (Stage::Placed, Stage::Packed),
    (Stage::Packed, Stage::Sent),
    (Stage::Sent, Stage::Received),
    (Stage::Sent, Stage::Returned),
];

/// After so many commits everything is done, crash or not.
const COMMITS: u64 = 40;

async fn pack(run: &mut Case, desk: &Desk) -> Step<Next<Stage>> {
    desk.log(format!("step {}", run.idempotency_key()));
    if run.object.labels.is_empty() {
        run.object.labels.push("begun".into());
        return Ok(Next::repeat());
    }
    Ok(Next::go_to(Stage::Packed))
}

async fn fetch(run: &mut Case, payload: Payload) -> Stage {
    run.object.labels.push(String::from_utf8_lossy(payload.bytes()).into_owned());
    Stage::Sent
}

async fn come_back(_: &mut Case) -> Stage {
    Stage::Returned
}

async fn note_end(run: &mut Case, desk: &Desk) -> Result<(), StepError> {
    desk.log(format!("end {}", run.id()));
    Ok(())
}

/// Steps, a buffered callback, a timer, a hook, a schedule and a deletion.
fn flow(desk: &Desk) -> Workflow<Parcel, Stage> {
    parcels()
        .step(Stage::Placed, pack, [Stage::Packed])
        .with(Options::new().in_place_retries(0))
        .callback(Stage::Packed, fetch, [Stage::Sent])
        .buffered()
        .timeout(Stage::Sent, after(Duration::from_secs(600)), come_back, [Stage::Returned])
        .step(Stage::Sent, wait_for_it, [Stage::Received])
        .on_complete(note_end)
        .schedule(Schedule::new("scheduled", "@every 2h", Parcel::default))
        .state(desk.clone())
        .build()
        .unwrap()
}

async fn wait_for_it(_: &mut Case) -> Step<Next<Stage>> {
    Ok(Next::skip())
}

/// Runs the workflow; as often as need be, as a supervisor would.
async fn run(flow: &Workflow<Parcel, Stage>, kit: &Kit) -> Office {
    let started = again(kit, "a start", async || flow.run(kit).await).await;
    started.expect("a dead process cannot start")
}

/// Does something until it succeeds; nothing if the process dies before.
async fn again<V, E: Debug>(kit: &Kit, what: &str, act: impl AsyncFn() -> Result<V, E>) -> Option<V> {
    let patience = Patience::begin();
    while !kit.faults().has_crashed() {
        let is_last = patience.is_over();
        match act().await {
            Ok(done) => return Some(done),
            Err(seen) => assert!(!is_last, "{what} does not come about: {seen:?}, {kit:?}"),
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Skips time until a look finds what it is for; nothing if the process dies before.
async fn skip_again<V: Debug>(kit: &Kit, what: &str, look: impl AsyncFn() -> Result<(), V>) -> Option<()> {
    let skip = async || {
        let seen = look().await;
        if seen.is_err() {
            kit.clock().skip(Duration::from_hours(1)).await;
        }
        seen
    };
    again(kit, what, skip).await
}

/// What a client does, and does again until it is told that it is done. Ends early if the process dies.
async fn play(kit: &Kit, office: &Office) -> Option<RunId> {
    let trigger = async || office.trigger("p-1", Parcel::default()).key("start").await;
    let run = again(kit, "a run", trigger).await?;
    let fetch = async || match office.callback(Stage::Packed, "p-1", "fetched").key("fetch").await {
        Ok(CallbackOutcome::WrongStatus { current }) => Err(format!("it is {current}")),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    again(kit, "the callback", fetch).await?;
    let ended = async || match office.get(&run).await {
        Ok(run) if run.run_state().is_finished() => Ok(()),
        seen => Err(seen),
    };
    skip_again(kit, "the end", ended).await?;
    let delete = async || match office.get(&run).await {
        Ok(run) if run.run_state() != RunState::Completed => Ok(()),
        // Refused if it was stored and only the answer was lost.
        seen => Err((seen, office.delete_data(&run, "the law").await)),
    };
    again(kit, "the request to delete", delete).await?;
    let rest = async || {
        let (gone, scheduled) = (office.get(&run).await, office.latest("scheduled").await);
        let deleted = gone.as_ref().is_ok_and(|run| run.run_state() == RunState::DataDeleted);
        let packed = matches!(&scheduled, Ok(Some(run)) if run.status() == Stage::Packed);
        if deleted && packed { Ok(()) } else { Err((gone, scheduled)) }
    };
    skip_again(kit, "the deletion and the scheduled run", rest).await?;
    Some(run)
}

/// Everything that must hold in the end.
async fn check(place: &Place, kit: &Kit, office: &Office, desk: &Desk, run: RunId) {
    let gone = async || office.get(&run).await.is_ok_and(|run| run.run_state() == RunState::DataDeleted);
    skip_until(kit, "the deletion", gone).await;
    let history = holds_for(office, &run, &declared(&EDGES)).await;
    let statuses: Vec<i32> = history.iter().map(|entry| entry.to_status.get()).collect();
    assert_eq!(statuses, [1, 1, 2, 3, 5, 5, 5], "one way to the end");
    assert!(desk.count(&format!("end {run}")) >= 1, "I20: the hook is called at least once");
    for version in [1, 2] {
        assert!(desk.count(&format!("step {run}:{version}")) >= 1, "I20: version {version} was stepped");
    }
    let scheduled = async || office.latest("scheduled").await.is_ok_and(|run| run.is_some());
    skip_until(kit, "a scheduled run", scheduled).await;
    let scheduled = office.latest("scheduled").await.unwrap().unwrap();
    kit.run_to(office, &scheduled.id(), Stage::Packed).await.unwrap();
    holds_for(office, &scheduled.id(), &declared(&EDGES)).await;
    let slots: Vec<_> = office.list(Default::default()).await.unwrap().runs;
    let runs: BTreeSet<RunId> = slots.iter().map(|run| run.id()).collect();
    assert_eq!(runs.len(), 2, "I14: one run for the start key, one for the schedule that is unfinished");
    assert_eq!(office.dead_letters(9).await.unwrap(), []);
    place.outbox_is_empty(kit).await;
}

/// Plays with this fault, then checks. Tells whether the fault has come to pass.
async fn survives(place: Place, fault: impl Fn(&Faults)) -> bool {
    let desk = Desk::new();
    let flow = flow(&desk);
    let kit = place.kit();
    fault(kit.faults());
    let mut process = (run(&flow, &kit).await, kit);
    let mut run_id = play(&process.1, &process.0).await;
    let crashed = process.1.faults().has_crashed();
    if crashed {
        drop(process);
        let kit = place.kit();
        process = (run(&flow, &kit).await, kit);
        run_id = play(&process.1, &process.0).await;
    }
    process.1.faults().crash_after(u64::MAX / 2);
    let (office, kit) = process;
    check(&place, &kit, &office, &desk, run_id.expect("a living process has started it")).await;
    crashed
}

/// Whichever commit is the last of a process, the next process brings everything to the same end.
pub async fn a_crash_after_any_commit_is_survived(place: impl AsyncFn() -> Place) {
    let mut last = 0;
    for commits in 1..=COMMITS {
        if survives(place().await, |faults| faults.crash_after(commits)).await {
            last = commits;
        }
    }
    assert!((7..COMMITS).contains(&last), "the matrix covers every commit: {last}");
}

/// The same for commits that fail, and for those whose answer is lost.
pub async fn a_failed_commit_or_a_lost_answer_is_survived(place: impl AsyncFn() -> Place) {
    for commits in [1, 2, 3, 5, 9] {
        survives(place().await, |faults| faults.fail_commits(commits)).await;
        survives(place().await, |faults| faults.lose_answers(commits)).await;
    }
}

/// The same for reads that fail, wherever they do.
pub async fn failing_reads_are_survived(place: impl AsyncFn() -> Place) {
    for good in 0..30 {
        survives(place().await, |faults| faults.fail_reads_after(good, 2)).await;
    }
}

/// The same for an event that is lost, wherever it is, and for events that are repeated.
pub async fn lost_and_repeated_events_are_survived(place: impl AsyncFn() -> Place) {
    for good in 0..10 {
        survives(place().await, |faults| faults.lose_events_after(good, 1)).await;
    }
    survives(place().await, |faults| faults.repeat_events(u32::MAX)).await;
}
