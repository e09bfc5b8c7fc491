//! `runs trigger|pause|resume|cancel|delete-data|retry`: what operators do to runs.

use std::time::Duration;

use serde_json::Value;
use workflow_conformance::samples::{
    ack_all, completed, far_future, orders, outbox_rows, retry_key, retry_row, start, store_over, take_effect,
};
use workflow_core::Due;
use workflow_core::adapter::{Effect, Store};

use crate::place::Place;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// The topics of the events that wait.
async fn topics(place: &Place) -> Vec<String> {
    let rows = outbox_rows(place.store(), 100).await;
    rows.iter().map(|row| row.event.as_ref().unwrap().1.topic.to_string()).collect()
}

#[tokio::test]
async fn a_run_is_started_moved_and_ended_by_its_key() {
    let place = Place::fresh().await;
    let key = ["--workflow", "orders", "--foreign-id", "order-1"];
    let run = |command: &str, more: &[&str], code: i32| {
        place.run(&[&["runs", command, "--json"], &key[..], more].concat()).ended(code)
    };
    let object = ["--status", "1", "--object", r#"{"cents": 7}"#, "--start-key", "mail 1"];
    let started = run("trigger", &object, 0).json();
    let id = text(&started, "run_id").to_owned();
    assert_eq!(run("trigger", &object, 0).json(), serde_json::json!({"run_id": id, "new": false}));
    assert!(
        run("trigger", &["--status", "1"], 1)
            .error
            .contains(&format!("has an unfinished run of \"order-1\": {id}"))
    );
    let paused = run("pause", &["--reason", "asked by phone"], 0).json();
    assert_eq!((text(&paused, "state"), text(&paused, "reason")), ("Paused", "asked by phone"));
    assert_eq!(text(&paused, "paused_by"), "operator");
    assert!(run("pause", &[], 1).error.contains("a run that is Paused cannot become Paused"));
    assert_eq!(text(&run("resume", &[], 0).json(), "state"), "Running");
    assert!(run("delete-data", &[], 1).error.contains("a run that is Running cannot become"));
    assert_eq!(text(&run("cancel", &[], 0).json(), "state"), "Cancelled");
    assert_eq!(text(&run("delete-data", &[], 0).json(), "state"), "RequestedDataDeleted");
    let wanted =
        ["orders-1", "orders-run-state-change", "orders-1", "orders-run-state-change", "orders-delete"];
    assert_eq!(topics(&place).await, wanted);
    let history = place.run(&["runs", "history", &id, "--json"]).ended(0).json();
    let told: Vec<(&str, &str)> = history["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (text(entry, "state"), text(entry, "actor")))
        .collect();
    let states = ["Initiated", "Paused", "Running", "Cancelled", "RequestedDataDeleted"];
    assert_eq!(told, states.map(|state| (state, "operator")));
    let shown = place.run(&["runs", "show", &id, "--object", "--json"]).ended(0).json();
    assert_eq!(
        (shown["object"]["cents"].as_u64(), text(&shown, "trace_origin")),
        (Some(7), "workflowctl runs trigger")
    );
}

#[tokio::test]
async fn an_object_comes_from_a_file_and_must_be_json() {
    let place = Place::fresh().await;
    let trigger = |object: &str, code: i32| {
        let args = [
            "runs",
            "trigger",
            "--workflow",
            "orders",
            "--foreign-id",
            "of a file",
            "--status",
            "1",
            "--object",
        ];
        place.run(&[&args[..], &[object]].concat()).ended(code)
    };
    assert!(trigger("{\"cents\": ", 2).error.contains("--object: it is not JSON"));
    assert!(trigger("@none.json", 2).error.contains("--object: none.json cannot be read"));
    assert!(trigger("@", 2).error.contains("name of a file"));
    std::fs::write(place.folder().join("order.json"), "[1, 2]").unwrap();
    assert!(trigger("@order.json", 0).out.ends_with(" started\n"));
}

#[tokio::test]
async fn a_retry_is_due_now_and_counts_on() {
    let place = Place::fresh().await;
    let run = start(place.store(), "order-1").await;
    let row = retry_row(&run, "orders-1-consumer", Some(Due::At(far_future())));
    let attempt = row.attempt;
    take_effect(place.store(), &run, vec![Effect::PutRetry(row)]).await;
    let again = place.run(&["runs", "retry", &run.run_id.to_string(), "--json"]).ended(0).json();
    assert_eq!(
        (text(&again, "retried"), &again["processes"]),
        ("due-now", &serde_json::json!(["orders-1-consumer"]))
    );
    let stored = place.store().retry(&retry_key(&run, "orders-1-consumer")).await.unwrap().unwrap();
    assert_eq!(stored.attempt, attempt);
    place.pass(Duration::from_secs(3600)).await;
    // The tool stamps by its own clock, which is ahead of the one that stands still.
    assert!(stored.due.unwrap() < far_future());
    assert!(place.store().due(&[orders()], 10).await.is_ok());
}

#[tokio::test]
async fn a_run_that_nothing_waits_for_gets_its_event_again() {
    let place = Place::fresh().await;
    let run = start(place.store(), "order-1").await;
    ack_all(place.store()).await;
    let id = run.run_id.to_string();
    let human = place.run(&["runs", "retry", &id]).ended(0).out;
    assert_eq!(human, format!("run {id}: the event of its present version is sent again\n"));
    let rows = outbox_rows(place.store(), 10).await;
    let (_, event) = rows[0].event.as_ref().unwrap();
    assert_eq!((event.run_id, event.version, rows.len()), (run.run_id, Some(run.version), 1));
    store_over(place.store(), &run, &completed(&run)).await;
    assert!(place.run(&["runs", "retry", &id]).ended(1).error.contains("is Completed: nothing waits"));
}

#[tokio::test]
async fn runs_that_are_not_there_are_told() {
    let place = Place::fresh().await;
    let none = "0198b6b4-7d0a-7000-8000-000000000000";
    for command in ["pause", "resume", "cancel", "delete-data", "retry"] {
        let by_id = place.run(&["runs", command, none]).ended(1);
        assert_eq!((by_id.error, by_id.out), (format!("there is no run {none}\n"), String::new()));
        let by_key = place.run(&["runs", command, "--workflow", "orders", "--foreign-id", "x"]).ended(1);
        assert!(by_key.error.contains("workflow orders has no run of x"), "{}", by_key.error);
        place.run(&["runs", command]).ended(2);
        place.run(&["runs", command, "--foreign-id", "x"]).ended(2);
    }
}

#[tokio::test]
async fn two_at_once_are_made_one_after_the_other() {
    let place = Place::fresh().await;
    let id = start(place.store(), "order-1").await.run_id.to_string();
    let spawn = |args: &[&str]| {
        let mut command = place.command(args);
        command.stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let both: Vec<_> = (0..2).map(|_| spawn(&["runs", "cancel", &id])).collect();
    let mut codes: Vec<_> = both.into_iter().map(|mut child| child.wait().unwrap().code()).collect();
    codes.sort();
    assert_eq!(codes, [Some(0), Some(1)]);
    let shown = place.run(&["runs", "show", &id, "--json"]).ended(0).json();
    assert_eq!((text(&shown, "state"), &shown["version"]), ("Cancelled", &2.into()));
}
