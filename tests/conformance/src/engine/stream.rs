//! What a stream of several processes asks of the engine: more partitions, events that wait or are lost, and positions that are
//! forgotten.

use std::time::Duration;

use workflow_core::adapter::Backend;
use workflow_core::memory::{InProcessScheduler, InProcessStreamer};
use workflow_core::{Options, RunId, Status, Topic, WorkflowName};

use super::cluster::{EDGES, RUNS, all_end, pack_later, passing, three_steps, trigger_many};
use super::{Desk, Parcel, Place, Stage, close, declared, holds_for, parcels, skip_until};

fn placed() -> Topic {
    Topic::of_status(&WorkflowName::new("parcels").unwrap(), Stage::Placed.code())
}

/// Partitions that a topic gets while its consumers run are read, too.
pub async fn partitions_that_are_added_are_noticed(place: Place) {
    let (desk, cluster) = (Desk::new(), place.cluster());
    let kit = cluster.kit();
    let office = three_steps(&desk).run(&kit).await.unwrap();
    let runs = trigger_many(&office, RUNS).await;
    all_end(&kit, &office, &runs).await;
    cluster.stream().grow(&placed(), 64);
    let starts = (0..RUNS).map(|number| (format!("q-{number}"), Parcel::default()));
    let more: Vec<RunId> =
        office.trigger_all(starts).await.unwrap().into_iter().map(Result::unwrap).collect();
    all_end(&kit, &office, &more).await;
    close(&kit, office).await;
}

/// A run whose event waits in the stream behind others is not lost, however long that takes.
pub async fn an_event_that_waits_in_the_stream_is_not_sent_again(place: Place) {
    let (desk, cluster) = (Desk::new(), place.cluster());
    let kit = cluster.kit();
    let one_by_one =
        parcels().step(Stage::Placed, pack_later, [Stage::Packed]).with(Options::new().in_flight(1));
    let office = one_by_one.state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    let runs = trigger_many(&office, 4).await;
    desk.counts("begin", 1).await;
    passing(&kit, "all are published", || cluster.stream().events(&placed()).len() == 4).await;
    for _ in 0..20 {
        kit.clock().advance(Duration::from_secs(30)).await;
    }
    assert_eq!(cluster.stream().events(&placed()).len(), 4, "nothing was sent again");
    desk.open(4);
    all_end(&kit, &office, &runs).await;
    close(&kit, office).await;
}

/// An event that the broker has lost is sent again, once, and again only after a longer wait.
pub async fn a_lost_event_of_a_cluster_is_sent_again(place: Place) {
    let (desk, cluster) = (Desk::new(), place.cluster());
    let (kit, other) = (cluster.kit(), cluster.kit());
    let offices =
        [three_steps(&desk).run(&kit).await.unwrap(), three_steps(&desk).run(&other).await.unwrap()];
    kit.clock().quiet().await;
    cluster.stream().lose(2);
    let run = offices[1].trigger("p-1", Parcel::default()).await.unwrap();
    let done = kit.finish(&offices[0], &run).await.unwrap();
    let taken = done.updated_at().since(done.created_at());
    assert!(taken >= Duration::from_secs(120), "two events were lost: {taken:?}");
    assert!(taken <= Duration::from_secs(360), "it took {taken:?}");
    assert_eq!(cluster.stream().events(&placed()).len(), 1);
    holds_for(&offices[0], &run, &declared(&EDGES)).await;
}

/// A group that has lost its positions reads everything again: nothing runs twice, and runs that were deleted meanwhile are no
/// dead letters.
pub async fn a_group_that_begins_anew_repeats_nothing(place: Place) {
    let (desk, cluster) = (Desk::new(), place.cluster());
    let kit = cluster.kit();
    let office = three_steps(&desk).run(&kit).await.unwrap();
    let runs = trigger_many(&office, RUNS).await;
    all_end(&kit, &office, &runs).await;
    skip_until(&kit, "every hook", async || desk.count("end") == RUNS).await;
    kit.clock().advance(Duration::from_hours(48)).await;
    assert_eq!(office.purge(Duration::from_hours(24)).await.unwrap(), RUNS as u64);
    for topic in [placed(), Topic::of_run_state_changes(&WorkflowName::new("parcels").unwrap())] {
        cluster.stream().rewind(&topic);
    }
    let other = cluster.kit();
    let second = three_steps(&desk).run(&other).await.unwrap();
    close(&kit, office).await;
    let more = second.trigger("p-more", Parcel::default()).await.unwrap();
    all_end(&other, &second, &[more]).await;
    assert_eq!(desk.count("pack"), RUNS + 1);
    assert_eq!(second.dead_letters(9).await.unwrap(), []);
}

/// Roles of a cluster on a stream that no other process sees are refused, with what to do.
pub async fn roles_of_a_cluster_need_a_stream_of_a_cluster(place: Place) {
    let (desk, cluster) = (Desk::new(), place.cluster());
    let store = Backend::from(cluster.kit());
    let alone = workflow_core::memory::MemoryStore::new(store.store().clock());
    let roles = cluster.roles().of_process(9);
    let backend = Backend::new(alone.clone(), InProcessStreamer::new(), roles);
    let refused = three_steps(&desk).run(backend).await.err().unwrap().to_string();
    assert!(refused.contains("shared by a cluster") && refused.contains("use a streamer"), "{refused}");
    // A single process on such a stream publishes by itself.
    let backend = Backend::new(alone, cluster.stream().clone(), InProcessScheduler::new());
    let office = three_steps(&desk).run(backend).await.unwrap();
    let run = office.trigger("p-1", Parcel::default()).await.unwrap();
    all_end(&cluster.kit(), &office, &[run]).await;
}
