//! The Go library compares versions before it writes, and then writes without a condition.

use std::time::Duration;

use serde_json::json;
use store_sql::Database;
use workflow::RunState;
use workflow_system_tests::ground::{Ground, Kind};
use workflow_system_tests::patience::{PATIENCE, patiently, until};

use crate::counted::{Counted, SELDOM, Stage, go_step, middle};
use crate::go::{Go, GoMove, Talk};

/// A step of the Go library that has checked the version of a run, and has not written yet.
async fn held(go: &Go, run_id: impl ToString) -> Talk {
    let mut step = go_step(run_id, Stage::One, Stage::Two, r#"{"count":40,"note":"go"}"#);
    step["hold"] = true.into();
    let mut talk = go.talk("advance");
    let held: GoMove = talk.ask(step).await;
    assert!(held.held);
    talk
}

/// Goal: a run that such a write sets back does not stay there. Method: it is held between its check and its write while
/// ours takes the run two versions further. The event of the write is older than what ours has seen, so that no step takes
/// it; the reconciler finds the run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_it_sets_back_is_found_and_taken_on() {
    let ground = Ground::fresh(Kind::MariaDb).await;
    let workflow = middle(Duration::from_secs(1));
    let running = workflow.run(&ground.database().await).await.unwrap();
    let run_id = running.trigger("order-1", Counted::new()).await.unwrap();
    let mut talk = held(&Go::on(&ground), run_id).await;
    running.callback(Stage::One, "order-1", "").await.unwrap();
    patiently("our step", running.wait_for(&run_id).status(Stage::Three)).await.unwrap();
    let written: GoMove = talk.ask(json!({})).await;
    assert_eq!(written.record.unwrap().meta.version, 2);
    let again = async || running.get(&run_id).await.unwrap().status() == Stage::Three;
    until("our step again", again).await;
    assert_eq!(running.get(&run_id).await.unwrap().version().get(), 4, "versions never go back");
    running.callback(Stage::Three, "order-1", "").await.unwrap();
    let done = patiently("the end", running.wait_for(&run_id).finished()).await.unwrap();
    assert_eq!((done.status(), done.version().get()), (Stage::Four, 5));
    assert_eq!(done.object().unwrap(), Counted { count: 41, note: "go".to_owned() });
    running.shutdown(PATIENCE).await;
}

/// Goal: with the guard such a write changes nothing. Method: the same, and the Go library tries again, as its consumers do
/// after an error: it finds the run where ours has taken it, and passes it over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guard_refuses_what_would_set_a_run_back() {
    let ground = Ground::fresh(Kind::MariaDb).await;
    Database::options().guard(true).migrate(ground.url()).await.unwrap();
    let running = middle(SELDOM).run(&ground.database().await).await.unwrap();
    let run_id = running.trigger("order-1", Counted::new()).await.unwrap();
    let go = Go::on(&ground);
    let talk = held(&go, run_id).await;
    running.callback(Stage::One, "order-1", "").await.unwrap();
    patiently("our step", running.wait_for(&run_id).status(Stage::Three)).await.unwrap();
    let before = go.record(run_id).await;
    assert_eq!((before.status, before.meta.version), (3, 3));
    let refused = talk.fails(json!({})).await;
    assert!(
        refused.contains("workflow guard: a record was written whose version is not the next one"),
        "{refused}"
    );
    assert_eq!(go.record(run_id).await, before, "neither the record has changed");
    let outbox = "select count(*) from workflow_outbox";
    let mut session = ground.session().await;
    until("no event of it", async || session.number(outbox).await.unwrap() == 0).await;
    let again = go_step(run_id, Stage::One, Stage::Two, r#"{"count":40,"note":"go"}"#);
    let again: GoMove = go.one("advance", again).await;
    assert_eq!(again.skipped, "the run is in another status");
    running.callback(Stage::Three, "order-1", "").await.unwrap();
    let done = patiently("the end", running.wait_for(&run_id).finished()).await.unwrap();
    assert_eq!((done.run_state(), done.version().get()), (RunState::Completed, 4));
    assert_eq!(done.object().unwrap(), Counted { count: 1, note: "ours".to_owned() });
    running.shutdown(PATIENCE).await;
}
