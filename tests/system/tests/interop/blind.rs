//! The Go library compares versions before it writes, and then writes without a condition.

use std::time::Duration;

use serde_json::json;
use workflow_system_tests::ground::{Ground, Kind};
use workflow_system_tests::patience::{PATIENCE, patiently, until};

use crate::counted::{Counted, Stage, go_step, middle};
use crate::go::{Go, GoMove};

/// Goal: a run that such a write sets back does not stay there. Method: it is held between its check and its write while
/// ours takes the run two versions further. The event of the write is older than what ours has seen, so that no step takes
/// it; the reconciler finds the run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_it_sets_back_is_found_and_taken_on() {
    let ground = Ground::fresh(Kind::MariaDb).await;
    let workflow = middle(Duration::from_secs(1));
    let running = workflow.run(&ground.database().await).await.unwrap();
    let run_id = running.trigger("order-1", Counted::new()).await.unwrap();
    let mut step = go_step(run_id, Stage::One, Stage::Two, r#"{"count":40,"note":"go"}"#);
    step["hold"] = true.into();
    let mut talk = Go::on(&ground).talk("advance");
    let held: GoMove = talk.ask(step).await;
    assert!(held.held);
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
