//! What the parts of a definition turn into when it runs: its processes, by name, and its options.

use std::time::Duration;

use workflow_core::memory::Memory;
use workflow_core::{Builder, Error, Options, Schedule, after};

use super::shop::{Green, Light, Off, Red, call, empty, hook, sound, step};

async fn processes(builder: Builder<(), Light, ()>) -> Vec<String> {
    let running = builder.build().unwrap().run(Memory::new()).await.unwrap();
    running.states().into_keys().collect()
}

#[tokio::test]
async fn every_part_has_its_process() {
    let built = sound()
        .buffered()
        .timeout(Green, after(Duration::from_secs(3_600)), step, [Off])
        .on_pause(hook)
        .on_cancel(hook)
        .on_complete(hook)
        .schedule(Schedule::new("Nightly", "@daily", || ()));
    let expected = [
        "lights-1-consumer-1-of-1",
        "lights-2-callback-inbox-consumer",
        "lights-2-timeout-auto-inserter-consumer",
        "lights-2-timeout-consumer",
        "lights-cancelled-run-state-change-hook-consumer",
        "lights-completed-run-state-change-hook-consumer",
        "lights-delete-consumer",
        "lights-nightly-scheduler-@daily",
        "lights-outbox-consumer",
        "lights-paused-run-state-change-hook-consumer",
        "lights-reconciler",
    ];
    assert_eq!(processes(built).await, expected);
}

#[tokio::test]
async fn a_callback_without_a_buffer_has_no_process() {
    let expected =
        ["lights-1-consumer-1-of-1", "lights-delete-consumer", "lights-outbox-consumer", "lights-reconciler"];
    assert_eq!(processes(sound()).await, expected);
}

#[tokio::test]
async fn each_shard_of_a_step_is_a_process() {
    let built = empty().step(Red, step, [Green, Off]).with(Options::new().shards(3));
    let steps =
        processes(built).await.into_iter().filter(|name| name.starts_with("lights-1-")).collect::<Vec<_>>();
    assert_eq!(steps, ["lights-1-consumer-1-of-3", "lights-1-consumer-2-of-3", "lights-1-consumer-3-of-3"]);
}

/// Runs it, and says why it cannot be run.
async fn refused(builder: Builder<(), Light, ()>) -> String {
    match builder.build().unwrap().run(Memory::new()).await {
        Err(Error::CannotRun { reason, .. }) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => String::new(),
    }
}

#[tokio::test]
async fn a_second_with_does_not_forget_the_first() {
    let built = || empty().step(Red, step, [Green, Off]);
    let too_many =
        "lights-1-consumer has 17 shards, but topic lights-1 has 16 partitions: use at most so many shards";
    let options = |shards| Options::new().shards(shards);
    assert_eq!(refused(built().with(options(17)).with(Options::new().pause_after(5))).await, too_many);
    assert_eq!(refused(built().with(options(17)).with(options(16))).await, "", "the later one goes before");
}

#[tokio::test]
async fn a_part_goes_before_the_workflow_and_the_workflow_before_the_default() {
    let built = || empty().step(Red, step, [Green, Off]);
    let options = |shards| Options::new().shards(shards);
    assert!(refused(built().options(options(17))).await.contains("17 shards"));
    assert_eq!(refused(built().options(options(17)).with(options(2))).await, "");
    assert!(refused(built().options(options(2)).with(options(17))).await.contains("17 shards"));
    let twice = built().options(options(17)).options(Options::new().in_flight(1));
    assert!(refused(twice).await.contains("17 shards"), "nor does a second .options(..) forget");
}

#[tokio::test]
async fn a_timeout_has_one_process_whatever_the_workflow_says() {
    let built = empty()
        .options(Options::new().shards(16))
        .step(Red, step, [Green])
        .callback(Green, call, [Off])
        .timeout(Green, after(Duration::from_secs(3_600)), step, [Off]);
    assert_eq!(refused(built).await, "");
}
