//! Starting and ending a workflow, and several of them on one store.

use std::time::Duration;

use workflow_core::adapter::ErrorKind;
use workflow_core::testing::Kit;
use workflow_core::{Error, Options, ProcessState, RunState, Shutdown, Step, Workflow};

use super::{Case, Desk, Parcel, Place, Stage, close, pack, parcels, parcels_called, skip_until};

/// Packs when the gate opens; says if it is told to stop.
async fn pack_later(run: &mut Case, desk: &Desk) -> Step<Stage> {
    desk.log("begin");
    tokio::select! {
        () = desk.pass() => pack(run, desk).await,
        () = run.cancelled() => {
            desk.log("told");
            std::future::pending().await
        }
    }
}

fn flow(name: &str, desk: &Desk) -> Workflow<Parcel, Stage> {
    parcels_called(name).step(Stage::Placed, pack_later, [Stage::Packed]).state(desk.clone()).build().unwrap()
}

/// A shutdown lets the functions that run end, stores what they made, and begins no others.
pub async fn a_clean_shutdown_stores_what_runs(place: Place) {
    let desk = Desk::new();
    let kit = place.kit();
    let office = flow("parcels", &desk).run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    desk.counts("begin", 1).await;
    let client = office.client();
    let ending = tokio::spawn(async move { office.shutdown(Duration::from_secs(60)).await });
    kit.clock().advance(Duration::ZERO).await;
    let late = client.trigger("p-2", Parcel::default()).await.unwrap();
    kit.clock().advance(Duration::from_secs(1)).await;
    desk.open(1);
    assert_eq!(ending.await.unwrap(), Shutdown::Clean);
    assert_eq!(client.get(&run).await.unwrap().run_state(), RunState::Completed);
    assert_eq!(client.get(&late).await.unwrap().run_state(), RunState::Initiated);
    assert_eq!(desk.lines(), ["begin", "pack 1"]);
    assert!(client.states().values().all(|state| *state == ProcessState::Shutdown), "{:?}", client.states());
    // The next process takes up what was left, and has nothing else to read.
    assert_eq!(place.outbox().await.len(), 1);
    let kit = place.kit();
    let office = flow("parcels", &desk).run(&kit).await.unwrap();
    desk.open(1);
    kit.finish(&office, &late).await.unwrap();
}

/// At its deadline a shutdown tells and drops what still runs; the next process runs it again.
pub async fn a_shutdown_past_its_deadline_drops_what_runs(place: Place) {
    let desk = Desk::new();
    let kit = place.kit();
    let office = flow("parcels", &desk).run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    desk.counts("begin", 1).await;
    let ending = tokio::spawn(async move { office.shutdown(Duration::from_secs(30)).await });
    kit.clock().advance(Duration::from_secs(60)).await;
    assert_eq!(ending.await.unwrap(), Shutdown::DeadlinePassed);
    let kit = place.kit();
    let office = flow("parcels", &desk).run(&kit).await.unwrap();
    desk.counts("begin", 2).await;
    desk.open(1);
    assert_eq!(kit.finish(&office, &run).await.unwrap().version().get(), 2);
}

/// What waits for its lag does not hold up a shutdown, and is not lost.
pub async fn a_shutdown_does_not_wait_for_a_lag(place: Place) {
    let desk = Desk::new();
    desk.open(1);
    let flow = || {
        let options = Options::new().consume_lag(Duration::from_secs(3600));
        let flow = parcels().step(Stage::Placed, pack_later, [Stage::Packed]).with(options);
        flow.state(desk.clone()).build().unwrap()
    };
    let kit = place.kit();
    let office = flow().run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    kit.clock().quiet().await;
    assert_eq!(office.shutdown(Duration::from_secs(30)).await, Shutdown::Clean);
    let kit = place.kit();
    let office = flow().run(&kit).await.unwrap();
    kit.finish(&office, &run).await.unwrap();
    assert_eq!(desk.count("begin"), 1);
}

/// A workflow that is dropped stops, and can be run again.
pub async fn a_workflow_that_is_dropped_stops(place: Place) {
    let desk = Desk::new();
    let kit = place.kit();
    let office = flow("parcels", &desk).run(&kit).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    desk.counts("begin", 1).await;
    let client = office.client();
    drop(office);
    desk.open(2);
    kit.clock().advance(Duration::from_secs(60)).await;
    assert_eq!(client.get(&run).await.unwrap().run_state(), RunState::Initiated);
    let office = flow("parcels", &desk).run(&kit).await.unwrap();
    kit.finish(&office, &run).await.unwrap();
    assert_eq!(desk.lines(), ["begin", "begin", "pack 1"]);
}

/// Two workflows on one backend run side by side; each can end and come back by itself.
pub async fn two_workflows_run_on_one_backend(place: Place) {
    let desk = Desk::new();
    desk.open(99);
    let kit = place.kit();
    let parcels = flow("parcels", &desk).run(&kit).await.unwrap();
    let letters = flow("letters", &desk).run(&kit).await.unwrap();
    let run = parcels.trigger("x-1", Parcel::default()).await.unwrap();
    let letter = letters.trigger("x-1", Parcel::default()).await.unwrap();
    kit.finish(&parcels, &run).await.unwrap();
    kit.finish(&letters, &letter).await.unwrap();
    close(&kit, letters).await;
    let run = parcels.trigger("x-2", Parcel::default()).await.unwrap();
    kit.finish(&parcels, &run).await.unwrap();
    // Where nobody runs it, a workflow can be triggered all the same.
    let client = flow("letters", &desk).connect(&kit).await.unwrap();
    let letter = client.trigger("x-2", Parcel::default()).await.unwrap();
    kit.clock().advance(Duration::from_secs(60)).await;
    assert_eq!(client.get(&letter).await.unwrap().run_state(), RunState::Initiated);
    let letters = flow("letters", &desk).run(&kit).await.unwrap();
    kit.finish(&letters, &letter).await.unwrap();
}

/// Two workflows whose names give the same topics and roles are refused, and so is a second process on a store.
pub async fn what_would_share_roles_is_refused(place: Place) {
    let desk = Desk::new();
    let kit = place.kit();
    let office = flow("My Parcels", &desk).run(&kit).await.unwrap();
    for name in ["My Parcels", "my_parcels", "MY PARCELS"] {
        let refused = flow(name, &desk).run(&kit).await.err().unwrap();
        assert!(matches!(&refused, Error::CannotRun { .. }), "{refused}");
    }
    let other = place.kit();
    let refused = flow("letters", &desk).run(&other).await.err().unwrap();
    let kind = match &refused {
        Error::Backend(error) => error.kind(),
        other => panic!("{other}"),
    };
    assert_eq!(kind, ErrorKind::AlreadyRunning, "{refused}");
    close(&kit, office).await;
    close(&other, flow("letters", &desk).run(&other).await.unwrap()).await;
}

/// More shards than partitions are refused with the number; the store is free for the next.
pub async fn more_shards_than_partitions_are_refused(place: Place) {
    let desk = Desk::new();
    desk.open(99);
    let sharded = |shards: u32| {
        let flow =
            parcels().step(Stage::Placed, pack_later, [Stage::Packed]).with(Options::new().shards(shards));
        flow.state(desk.clone()).build().unwrap()
    };
    let kit = place.kit();
    let refused = sharded(17).run(&kit).await.err().unwrap().to_string();
    assert!(refused.contains("17 shards") && refused.contains("16 partitions"), "{refused}");
    let office = sharded(16).run(&kit).await.unwrap();
    finish_many(&kit, &office).await;
}

async fn finish_many(kit: &Kit, office: &super::Office) {
    let starts = (0..64).map(|number| (format!("p-{number}"), Parcel::default()));
    for run in office.trigger_all(starts).await.unwrap() {
        kit.finish(office, &run.unwrap()).await.unwrap();
    }
    let names = office.states();
    skip_until(kit, "sixteen shards", async || names.len() >= 3).await;
}
