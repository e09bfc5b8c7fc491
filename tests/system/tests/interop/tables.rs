//! Rows of both on one MariaDB database: each reads, moves and ends what the other stored.

use serde_json::{Value, json};
use workflow_system_tests::ground::{Ground, Kind};
use workflow_system_tests::patience::{PATIENCE, patiently, until};

use crate::counted::{Counted, NAME, SELDOM, Stage, go_step, go_trigger, middle, whole};
use crate::go::{Go, GoEvent, GoMove, GoRecord};

/// An outbox row as the Go library reads it.
#[derive(serde::Deserialize)]
struct GoRow {
    event: GoEvent,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_runs_are_taken_to_their_end() {
    let ground = Ground::fresh(Kind::MariaDb).await;
    let running = whole().run(&ground.database().await).await.unwrap();
    let go = Go::on(&ground);
    let lines: Vec<Value> = (0..20).map(|number| go_trigger(&format!("order-{number}"))).collect();
    let triggered: Vec<GoRecord> = go.all("trigger", &lines).await;
    for before in triggered {
        let run_id = before.run_id.parse().unwrap();
        let done = patiently("the end", running.wait_for(&run_id).finished()).await.unwrap();
        assert_eq!((done.status(), done.version().get()), (Stage::Four, 4));
        let mut after = before.clone();
        (after.run_state, after.status) = (5, 4);
        after.object = r#"{"count":3,"note":"go"}"#.to_owned();
        (after.meta.status_description, after.meta.version) = ("Four".to_owned(), 4);
        assert_eq!(go.record(run_id).await, after);
    }
    let outbox = go.with("workflow", NAME);
    until("an empty outbox", async || outbox.all::<Value>("outbox", &[]).await.is_empty()).await;
    // A run that ours has ended is no longer in its way.
    let again: GoRecord = go.one("trigger", go_trigger("order-0")).await;
    assert_eq!((again.run_state, again.meta.version), (1, 1));
    running.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_runs_are_read_by_it() {
    let ground = Ground::fresh(Kind::MariaDb).await;
    let client = whole().connect(&ground.database().await).await.unwrap();
    let run_id = client.trigger("Bestellung 17: Öl", Counted::new()).await.unwrap();
    client.pause(&run_id, "a \"reason\"").await.unwrap();
    let go = Go::on(&ground);
    let newest = json!({"workflow_name": NAME, "foreign_id": "Bestellung 17: Öl"});
    let record: GoRecord = go.one("latest", newest).await;
    assert_eq!(record, go.record(run_id).await);
    assert_eq!((record.run_id, record.run_state, record.status), (run_id.to_string(), 3, 1));
    assert_eq!(record.object, r#"{"count":0,"note":"ours"}"#);
    assert_eq!((&*record.meta.run_state_reason, record.meta.version), ("a \"reason\"", 2));
    assert_eq!(record.meta.status_description, "One");
    let refused = go.tried::<GoRecord>("trigger", &[go_trigger("Bestellung 17: Öl")]).await.unwrap_err();
    assert!(refused.contains("is in progress"), "{refused}");
    let rows: Vec<GoRow> = go.with("workflow", NAME).all("outbox", &[]).await;
    let mut events: Vec<GoEvent> = rows.into_iter().map(|row| row.event).collect();
    events.sort_by_key(|event| event.headers["record_version"].clone());
    let wanted = [("1", "1", "wit1-1"), ("2", "3", "wit1-run-state-change")];
    assert_eq!(events.len(), wanted.len());
    for (event, (version, state, topic)) in events.iter().zip(wanted) {
        assert_eq!((&event.run_id, event.status), (&run_id.to_string(), 1));
        let headers = [
            ("workflow_name", NAME),
            ("foreign_id", "Bestellung 17: Öl"),
            ("topic", topic),
            ("run_id", &event.run_id),
            ("run_state", state),
            ("record_version", version),
        ];
        for (name, value) in headers {
            assert_eq!(event.headers.get(name).map(String::as_str), Some(value), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_of_both_follow_each_other() {
    let ground = Ground::fresh(Kind::MariaDb).await;
    let running = middle(SELDOM).run(&ground.database().await).await.unwrap();
    let go = Go::on(&ground);
    let mut runs = Vec::new();
    for number in 0..5 {
        runs.push(running.trigger(format!("order-{number}"), Counted::new()).await.unwrap());
    }
    let first = runs.iter().map(|run| go_step(run, Stage::One, Stage::Two, r#"{"count":7,"note":"go"}"#));
    let _: Vec<GoMove> = go.all("advance", &first.collect::<Vec<_>>()).await;
    for run_id in &runs {
        patiently("our step", running.wait_for(run_id).status(Stage::Three)).await.unwrap();
        let between = go.record(run_id).await;
        assert_eq!((between.run_state, between.meta.version), (2, 3));
        assert_eq!(between.object, r#"{"count":8,"note":"go"}"#);
        let last = go_step(run_id, Stage::Three, Stage::Four, r#"{"count":9,"note":"go"}"#);
        let moved: GoMove = go.one("advance", last).await;
        assert_eq!(moved.record.unwrap().run_state, 5);
        let done = patiently("its step", running.wait_for(run_id).finished()).await.unwrap();
        assert_eq!((done.status(), done.version().get()), (Stage::Four, 4));
        assert_eq!(done.object().unwrap(), Counted { count: 9, note: "go".to_owned() });
    }
    running.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_of_its_moves_our_run() {
    let ground = Ground::fresh(Kind::MariaDb).await;
    let running = middle(SELDOM).run(&ground.database().await).await.unwrap();
    let go = Go::on(&ground);
    let run_id = running.trigger("order-1", Counted::new()).await.unwrap();
    let callback = |from: Stage, to: Stage| {
        let mut line = go_step("", from, to, r#"{"count":1,"note":"called"}"#);
        (line["workflow_name"], line["foreign_id"]) = (NAME.into(), "order-1".into());
        line
    };
    let early: GoMove = go.one("callback", callback(Stage::Three, Stage::Four)).await;
    assert_eq!((&*early.skipped, early.record), ("the run is in another status", None));
    let called: GoMove = go.one("callback", callback(Stage::One, Stage::Two)).await;
    assert_eq!(called.record.unwrap().meta.version, 2);
    patiently("our step", running.wait_for(&run_id).status(Stage::Three)).await.unwrap();
    running.callback(Stage::Three, "order-1", "").await.unwrap();
    let done = patiently("the end", running.wait_for(&run_id).finished()).await.unwrap();
    assert_eq!(done.object().unwrap(), Counted { count: 2, note: "called".to_owned() });
    running.shutdown(PATIENCE).await;
}
