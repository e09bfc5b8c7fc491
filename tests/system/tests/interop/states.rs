//! Run states that one sets and the other obeys.

use workflow::prelude::*;
use workflow_system_tests::ground::{Ground, Kind};
use workflow_system_tests::patience::{PATIENCE, patiently, until};

use crate::counted::{Counted, SELDOM, Stage, go_step, go_trigger, middle};
use crate::go::{Go, GoMove, GoRecord};

const OBJECT: &str = r#"{"count":1,"note":"go"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_it_pauses_stays_until_it_resumes_it() {
    let ground = Ground::fresh(Kind::MariaDb).await;
    let database = ground.database().await;
    let client = middle(SELDOM).connect(&database).await.unwrap();
    let go = Go::on(&ground);
    let triggered: GoRecord = go.one("trigger", go_trigger("order-1")).await;
    let run_id = triggered.run_id.parse().unwrap();
    let step = go_step(run_id, Stage::One, Stage::Two, OBJECT);
    let moved: GoMove = go.one("advance", step).await;
    assert_eq!(moved.record.unwrap().meta.version, 2);
    let paused = go.turn("pause", run_id, "closed on Sunday").await;
    assert_eq!((paused.run_state, paused.meta.version), (3, 3));
    let ours = client.get(&run_id).await.unwrap();
    assert_eq!((ours.run_state(), ours.version().get()), (RunState::Paused, 3));
    // Our step has the event of version 2 before it, and that of a run that is not paused behind it.
    let running = middle(SELDOM).run(&database).await.unwrap();
    let other: GoRecord = go.one("trigger", go_trigger("order-2")).await;
    let other_id = other.run_id.parse().unwrap();
    let _: GoMove = go.one("advance", go_step(other_id, Stage::One, Stage::Two, OBJECT)).await;
    patiently("the other run", running.wait_for(&other_id).status(Stage::Three)).await.unwrap();
    assert_eq!(go.record(run_id).await, paused);
    let resumed = go.turn("resume", run_id, "").await;
    assert_eq!((resumed.run_state, resumed.meta.version), (2, 4));
    patiently("our step", running.wait_for(&run_id).status(Stage::Three)).await.unwrap();
    assert_eq!(go.record(run_id).await.meta.version, 5);
    running.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ours_stops_is_passed_over_by_it() {
    let ground = Ground::fresh(Kind::MariaDb).await;
    let client = middle(SELDOM).connect(&ground.database().await).await.unwrap();
    let go = Go::on(&ground);
    let run_id = client.trigger("order-1", Counted::new()).await.unwrap();
    client.pause(&run_id, "by hand").await.unwrap();
    let step = || go_step(run_id, Stage::One, Stage::Two, OBJECT);
    let moved: GoMove = go.one("advance", step()).await;
    assert_eq!((&*moved.skipped, moved.record), ("the run is stopped", None));
    client.cancel(&run_id, "gone").await.unwrap();
    let cancelled = go.record(run_id).await;
    assert_eq!((cancelled.run_state, &*cancelled.meta.run_state_reason), (4, "gone"));
    let moved: GoMove = go.one("advance", step()).await;
    assert_eq!(moved.skipped, "the run is stopped");
    let refused = serde_json::json!({"run_id": run_id.to_string()});
    let refused = go.tried::<GoRecord>("resume", &[refused]).await.unwrap_err();
    assert!(refused.contains("cannot go from run state 4 to 2"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_deletes_what_the_other_was_asked_to_delete() {
    let ground = Ground::fresh(Kind::MariaDb).await;
    let database = ground.database().await;
    let client = middle(SELDOM).connect(&database).await.unwrap();
    let go = Go::on(&ground);
    let mut runs = Vec::new();
    for foreign_id in ["of-ours", "of-its"] {
        let run_id = client.trigger(foreign_id, Counted::new()).await.unwrap();
        client.pause(&run_id, "").await.unwrap();
        client.cancel(&run_id, "").await.unwrap();
        runs.push(run_id);
    }
    client.delete_data(&runs[0], "the law").await.unwrap();
    let scrubbed = go.turn("scrub", runs[0], "").await;
    assert_eq!((scrubbed.run_state, &*scrubbed.object), (6, r#"{"result":"deleted"}"#));
    let ours = client.get(&runs[0]).await.unwrap();
    assert_eq!((ours.run_state(), ours.version().get()), (RunState::DataDeleted, 5));
    let asked = go.turn("delete", runs[1], "gdpr").await;
    assert_eq!((asked.run_state, asked.meta.version), (7, 4));
    let running = middle(SELDOM).run(&database).await.unwrap();
    let deleted = async || running.get(&runs[1]).await.unwrap().run_state() == RunState::DataDeleted;
    until("the deletion", deleted).await;
    let seen = go.record(runs[1]).await;
    assert_eq!((seen.run_state, seen.meta.version), (6, 5));
    assert_eq!((&*seen.object, &*seen.meta.run_state_reason), (r#"{"result":"deleted"}"#, "gdpr"));
    running.shutdown(PATIENCE).await;
}
