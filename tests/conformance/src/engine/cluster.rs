//! Several processes on one store, whose roles move from one to the other.

use std::time::Duration;

use workflow_core::adapter::ErrorKind;
use workflow_core::testing::{Cluster, Kit};
use workflow_core::{Error, Options, RunId, RunState, Step, Workflow, after};

use super::{
    Case, Desk, Office, Parcel, Patience, Place, Stage, close, declared, hand_over, holds_for, pack, parcels,
    send, skip_until,
};

pub(super) const EDGES: [(Stage, Stage); 4] = [
    (Stage::Placed, Stage::Packed),
    (Stage::Packed, Stage::Sent),
    (Stage::Sent, Stage::Received),
    (Stage::Sent, Stage::Returned),
];

/// How many runs are under way together.
pub(super) const RUNS: usize = 12;

/// Packs when the gate opens; says who, and if it is told to stop.
pub(super) async fn pack_later(run: &mut Case, desk: &Desk) -> Step<Stage> {
    desk.log(format!("begin {}", run.idempotency_key()));
    tokio::select! {
        () = desk.pass() => pack(run, desk).await,
        () = run.cancelled() => {
            desk.log("told");
            std::future::pending().await
        }
    }
}

async fn note_end(run: &mut Case, desk: &Desk) -> Step<()> {
    desk.log(format!("end {}", run.id()));
    Ok(())
}

pub(super) fn three_steps(desk: &Desk) -> Workflow<Parcel, Stage> {
    let flow = parcels()
        .step(Stage::Placed, pack, [Stage::Packed])
        .with(Options::new().shards(2).in_place_retries(0))
        .step(Stage::Packed, send, [Stage::Sent])
        .step(Stage::Sent, hand_over, [Stage::Received])
        .on_complete(note_end);
    flow.state(desk.clone()).build().unwrap()
}

fn one_step(desk: &Desk) -> Workflow<Parcel, Stage> {
    parcels().step(Stage::Placed, pack_later, [Stage::Packed]).state(desk.clone()).build().unwrap()
}

pub(super) async fn trigger_many(office: &Office, runs: usize) -> Vec<RunId> {
    let starts = (0..runs).map(|number| (format!("p-{number}"), Parcel::default()));
    office.trigger_all(starts).await.unwrap().into_iter().map(Result::unwrap).collect()
}

/// Every run has ended, each version of it once.
pub(super) async fn all_end(kit: &Kit, office: &Office, runs: &[RunId]) {
    for run in runs {
        let ended = kit.finish(office, run).await.unwrap();
        assert_eq!(ended.run_state(), RunState::Completed, "{ended:?}");
        holds_for(office, run, &declared(&EDGES)).await;
    }
}

fn owned_by(cluster: &Cluster, process: u32) -> usize {
    cluster.roles().owners().values().filter(|owner| **owner == process).count()
}

/// Lets time pass, by a little, until so many steps have begun: a store may wait before it tries again what two processes did at
/// the same moment.
async fn begun(kit: &Kit, desk: &Desk, steps: usize) {
    passing(kit, "the steps begin", || desk.count("begin") >= steps).await;
}

/// Lets time pass, by a little, until something holds.
pub(super) async fn passing(kit: &Kit, what: &str, holds: impl Fn() -> bool) {
    let patience = Patience::begin();
    while !holds() {
        assert!(!patience.is_over(), "it never comes that {what}: {kit:?}");
        kit.clock().advance(Duration::from_millis(20)).await;
    }
}

/// Engines of a cluster run side by side on a store; one that wants it for itself is refused, and the other way round.
pub async fn a_cluster_shares_a_store_and_excludes_a_single_process(place: Place) {
    let (desk, cluster) = (Desk::new(), place.cluster());
    let (first, second, single) = (cluster.kit(), cluster.kit(), place.kit());
    let offices =
        [three_steps(&desk).run(&first).await.unwrap(), three_steps(&desk).run(&second).await.unwrap()];
    let refused = three_steps(&desk).run(&single).await.err().unwrap();
    assert!(
        matches!(&refused, Error::Backend(error) if error.kind() == ErrorKind::AlreadyRunning),
        "{refused}"
    );
    for (office, kit) in offices.into_iter().zip([&first, &second]) {
        close(kit, office).await;
    }
    let office = three_steps(&desk).run(&single).await.unwrap();
    let refused = three_steps(&desk).run(&first).await.err().unwrap();
    assert!(
        matches!(&refused, Error::Backend(error) if error.kind() == ErrorKind::AlreadyRunning),
        "{refused}"
    );
    close(&single, office).await;
}

/// Runs that one process starts are worked on by whichever owns the roles, and what each stores is known to all.
pub async fn processes_of_a_cluster_finish_each_others_runs(place: Place) {
    let (desk, cluster) = (Desk::new(), place.cluster());
    let (first, second) = (cluster.kit(), cluster.kit());
    let office = three_steps(&desk).run(&first).await.unwrap();
    first.clock().quiet().await;
    let other = three_steps(&desk).run(&second).await.unwrap();
    let runs = trigger_many(&other, RUNS).await;
    all_end(&second, &other, &runs).await;
    assert!(owned_by(&cluster, 1) > 0 && owned_by(&cluster, 2) == 0, "{:?}", cluster.roles().owners());
    skip_until(&second, "every hook", async || desk.count("end") == RUNS).await;
    close(&first, office).await;
    let more = other.trigger("p-more", Parcel::default()).await.unwrap();
    all_end(&second, &other, &[more]).await;
    assert_eq!(other.dead_letters(9).await.unwrap(), []);
}

/// Roles that are asked for back under load are given up when what is in flight has ended: nothing is lost or run twice.
pub async fn a_handed_over_role_loses_nothing_and_repeats_nothing(place: Place) {
    let (desk, cluster) = (Desk::new(), place.cluster());
    let (first, second) = (cluster.kit(), cluster.kit());
    let offices = [one_step(&desk).run(&first).await.unwrap(), one_step(&desk).run(&second).await.unwrap()];
    let runs = trigger_many(&offices[0], RUNS).await;
    desk.counts("begin", RUNS).await;
    cluster.roles().hand_over(1);
    first.clock().advance(Duration::from_secs(1)).await;
    let owner = |cluster: &Cluster| cluster.roles().owners().get("parcels-1-consumer-1-of-1").copied();
    assert_eq!(owner(&cluster), Some(1), "what is in flight has not ended");
    desk.open(RUNS);
    all_end(&second, &offices[1], &runs).await;
    skip_until(&second, "the role is elsewhere", async || owner(&cluster) == Some(2)).await;
    assert_eq!(desk.count("begin"), RUNS, "{:?}", desk.lines());
    // And back again.
    cluster.roles().hand_over(2);
    desk.open(1);
    let more = offices[1].trigger("p-more", Parcel::default()).await.unwrap();
    all_end(&second, &offices[1], &[more]).await;
    let [first_office, second_office] = offices;
    close(&first, first_office).await;
    close(&second, second_office).await;
}

/// Roles that expire go on elsewhere at once, with what was in flight; what their former owner makes of it is not stored.
pub async fn a_role_that_expires_is_taken_over(place: Place) {
    let (desk, cluster) = (Desk::new(), place.cluster());
    let (first, second) = (cluster.kit(), cluster.kit());
    let offices = [one_step(&desk).run(&first).await.unwrap(), one_step(&desk).run(&second).await.unwrap()];
    let runs = trigger_many(&offices[0], RUNS).await;
    desk.counts("begin", RUNS).await;
    cluster.roles().expire(1);
    begun(&first, &desk, 2 * RUNS).await;
    desk.open(2 * RUNS);
    all_end(&second, &offices[1], &runs).await;
    for office in offices {
        close(&second, office).await;
    }
}

/// A process that was stopped past its lease and goes on as if nothing had happened stores nothing under its old roles, and gets
/// itself new ones.
pub async fn a_process_that_does_not_know_of_its_loss_stores_nothing(place: Place) {
    let (desk, cluster) = (Desk::new(), place.cluster());
    let (first, second) = (cluster.kit(), cluster.kit());
    let office = one_step(&desk).run(&first).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    desk.counts("begin", 1).await;
    let other = one_step(&desk).run(&second).await.unwrap();
    cluster.roles().pass_over(1);
    begun(&first, &desk, 2).await;
    // The first at the gate is the one that has lost its role.
    desk.open(1);
    desk.counts("pack", 1).await;
    first.clock().advance(Duration::from_millis(10)).await;
    assert_eq!(other.get(&run).await.unwrap().run_state(), RunState::Initiated, "a deposed owner has stored");
    desk.open(1);
    all_end(&second, &other, &[run]).await;
    close(&second, other).await;
    desk.open(1);
    let more = office.trigger("p-2", Parcel::default()).await.unwrap();
    all_end(&first, &office, &[more]).await;
    assert!(owned_by(&cluster, 1) > 0);
}

/// A process that sees by the clock that its roles are no longer its own begins nothing, told or not.
pub async fn a_process_begins_nothing_after_its_deadline(place: Place) {
    let (desk, cluster) = (Desk::new(), place.cluster());
    let kit = cluster.kit();
    let office = one_step(&desk).run(&kit).await.unwrap();
    let in_hand = office.trigger("p-1", Parcel::default()).await.unwrap();
    desk.counts("begin", 1).await;
    cluster.roles().lapse(1);
    let next = office.trigger("p-2", Parcel::default()).await.unwrap();
    kit.clock().advance(Duration::from_millis(10)).await;
    assert_eq!(desk.count("begin"), 1, "a step was begun without the role: {:?}", desk.lines());
    // It gets itself the roles again, for both.
    desk.open(3);
    all_end(&kit, &office, &[in_hand, next]).await;
    close(&kit, office).await;
}

/// A step that goes on for longer than a hand-over may take is told, and dropped; whoever is next runs it again.
pub async fn a_step_that_outlives_its_role_is_told_and_dropped(place: Place) {
    let (desk, cluster) = (Desk::new(), place.cluster());
    let (first, second) = (cluster.kit(), cluster.kit());
    let office = one_step(&desk).run(&first).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    desk.counts("begin", 1).await;
    let other = one_step(&desk).run(&second).await.unwrap();
    cluster.roles().hand_over(1);
    first.clock().advance(Duration::from_secs(12)).await;
    begun(&first, &desk, 2).await;
    assert_eq!(desk.count("told"), 1, "{:?}", desk.lines());
    desk.open(1);
    all_end(&second, &other, &[run]).await;
    close(&second, other).await;
    close(&first, office).await;
}

/// Whichever commit is a process's last, another one brings its runs to their end.
pub async fn a_crash_after_any_commit_is_taken_over(place: Place) {
    let (desk, cluster) = (Desk::new(), place.cluster());
    for commits in 1..14 {
        let (first, second) = (cluster.kit(), cluster.kit());
        let flow = parcels_of(commits, &desk);
        let office = flow.run(&first).await.unwrap();
        first.clock().quiet().await;
        let other = flow.run(&second).await.unwrap();
        first.faults().crash_after(commits);
        let runs = trigger_many(&other, 3).await;
        skip_until(&second, "a crash, or all is done", async || {
            first.faults().has_crashed() || all_done(&other, &runs).await
        })
        .await;
        first.faults().crash_after(1);
        drop(office);
        all_end(&second, &other, &runs).await;
        close(&second, other).await;
    }
}

async fn all_done(office: &Office, runs: &[RunId]) -> bool {
    for run in runs {
        if !office.get(run).await.is_ok_and(|run| run.run_state().is_finished()) {
            return false;
        }
    }
    true
}

fn parcels_of(number: u64, desk: &Desk) -> Workflow<Parcel, Stage> {
    super::parcels_called(&format!("parcels {number}"))
        .step(Stage::Placed, pack, [Stage::Packed])
        .step(Stage::Packed, send, [Stage::Sent])
        .timeout(Stage::Sent, after(Duration::from_secs(60)), come_back, [Stage::Returned])
        .on_complete(note_end)
        .state(desk.clone())
        .build()
        .unwrap()
}

async fn come_back(_: &mut Case, desk: &Desk) -> Stage {
    desk.log("come back");
    Stage::Returned
}

/// A process that runs no engine triggers runs, and waits for them, where others work.
pub async fn a_client_without_engines_triggers_and_waits(place: Place) {
    let (desk, cluster) = (Desk::new(), place.cluster());
    let (worker, shop) = (cluster.kit(), cluster.kit());
    let client = three_steps(&desk).connect(&shop).await.unwrap();
    let early = client.trigger("p-early", Parcel::default()).await.unwrap();
    let office = three_steps(&desk).run(&worker).await.unwrap();
    let late = client.trigger("p-late", Parcel::default()).await.unwrap();
    for run in [early, late] {
        assert_eq!(shop.finish(&client, &run).await.unwrap().status(), Stage::Received);
        assert!(shop.run_to(&client, &run, Stage::Packed).await.is_ok(), "it was there, by its history");
    }
    close(&worker, office).await;
}

/// Timers and retries are dealt with by the one process that owns them, however many there are.
pub async fn what_is_due_is_dealt_with_once(place: Place) {
    let (desk, cluster) = (Desk::new(), place.cluster());
    let kits = [cluster.kit(), cluster.kit(), cluster.kit()];
    let mut offices = Vec::new();
    for kit in &kits {
        offices.push(parcels_of(0, &desk).run(kit).await.unwrap());
    }
    desk.fail(RUNS);
    let runs = trigger_many(&offices[1], RUNS).await;
    all_end(&kits[2], &offices[2], &runs).await;
    assert_eq!(desk.count("come back"), RUNS, "each timer fires once");
    let packed = desk.count("pack");
    assert!(packed <= 2 * RUNS, "each of the {RUNS} failures costs one attempt: {packed}");
    assert_eq!(desk.count("pack 3"), 0, "{:?}", desk.lines());
    cluster.roles().hand_over(1);
    let more = offices[1].trigger("p-more", Parcel::default()).await.unwrap();
    all_end(&kits[2], &offices[2], &[more]).await;
    assert_eq!(desk.count("come back"), RUNS + 1);
}

/// Two processes with different parts of one workflow, as in a deployment that is under way, share its runs.
pub async fn workflows_that_differ_share_their_runs(place: Place) {
    let (desk, cluster) = (Desk::new(), place.cluster());
    let (first, second) = (cluster.kit(), cluster.kit());
    let begins =
        parcels().step(Stage::Placed, pack, [Stage::Packed]).step(Stage::Packed, send, [Stage::Sent]);
    let begins = begins.callback(Stage::Sent, leave, [Stage::Received]).state(desk.clone()).build().unwrap();
    let ends =
        parcels().callback(Stage::Placed, leave, [Stage::Packed]).step(Stage::Packed, send, [Stage::Sent]);
    let ends = ends.step(Stage::Sent, hand_over, [Stage::Received]).state(desk.clone()).build().unwrap();
    let (begin, end) = (begins.run(&first).await.unwrap(), ends.run(&second).await.unwrap());
    let runs = trigger_many(&end, RUNS).await;
    all_end(&first, &begin, &runs).await;
    close(&first, begin).await;
    close(&second, end).await;
}

async fn leave(_: &mut Case, _: workflow_core::Payload) -> Step<workflow_core::Next<Stage>> {
    Ok(workflow_core::Next::skip())
}
