//! `outbox`: what waits, and dead letters.

use bytes::Bytes;
use serde_json::Value;
use workflow_conformance::samples::{ack_all, dead_letter, event_of, outbox_rows, start, take_effect};
use workflow_core::adapter::{DeadLetter, Effect, Store};
use workflow_core::{Record, encode_outbox};

use crate::place::Place;

/// Sets the event of a run aside.
pub(crate) async fn set_aside(store: &impl Store, run: &Record, id: &str) {
    let data = Bytes::from(encode_outbox(&event_of(run)));
    let letter = DeadLetter { data, ..dead_letter(run, id) };
    take_effect(store, run, vec![Effect::PutDeadLetter(letter)]).await;
}

fn ids(page: &Value) -> Vec<&str> {
    page["dead_letters"].as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_waits_is_told_by_workflow() {
    let place = Place::fresh().await;
    assert_eq!(place.run(&["outbox", "status"]).ended(0).out, "no event waits; 0 dead letters\n");
    let run = start(place.store(), "order-1").await;
    set_aside(place.store(), &run, "x").await;
    let status = place.run(&["outbox", "status", "--json"]).ended(0).json();
    assert_eq!((&status["rows"], &status["dead_letters"]), (&1.into(), &1.into()));
    assert_eq!(status["workflows"][0]["workflow"], "orders");
    // The run was written by a clock that stands long ago.
    assert!(status["oldest_age_seconds"].as_f64().unwrap() > 3600.0, "{status}");
    let human = place.run(&["outbox", "status"]).ended(0).out;
    assert!(human.starts_with("WORKFLOW") && human.contains("1 event is waiting; 1 dead letter"), "{human}");
}

#[tokio::test]
async fn dead_letters_are_listed_in_pages() {
    let place = Place::fresh().await;
    assert_eq!(place.run(&["outbox", "dead-letters", "list"]).ended(0).out, "no dead letters\n");
    let run = start(place.store(), "order-1").await;
    for id in ["a", "b", "c"] {
        set_aside(place.store(), &run, id).await;
    }
    let list = ["outbox", "dead-letters", "list", "--limit", "2"];
    let first = place.run(&[&list[..], &["--json"]].concat()).ended(0).json();
    assert_eq!(ids(&first), ["a", "b"]);
    assert_eq!(first["dead_letters"][0]["is_event"], true);
    let token = first["next"].as_str().unwrap();
    let second = place.run(&[&list[..], &["--json", "--after", token]].concat()).ended(0).json();
    assert_eq!((ids(&second), &second["next"]), (vec!["c"], &Value::Null));
    let human = place.run(&list).ended(0).out;
    assert!(
        human.contains("it cannot be read") && human.contains(&format!("more: --after {token}")),
        "{human}"
    );
    let other = place.run(&[&list[..], &["--workflow", "refunds"]].concat()).ended(0);
    assert_eq!(other.out, "no dead letters\n");
}

#[tokio::test]
async fn what_users_wrote_cannot_steer_a_terminal() {
    let place = Place::fresh().await;
    let run = start(place.store(), "order-1").await;
    let letter = DeadLetter { reason: "red \u{1b}[31m\nline".into(), ..dead_letter(&run, "x\u{202e}") };
    take_effect(place.store(), &run, vec![Effect::PutDeadLetter(letter)]).await;
    let human = place.run(&["outbox", "dead-letters", "list"]).ended(0).out;
    assert!(human.contains(r"red \u{1b}[31m\nline") && human.contains(r"x\u{202e}"), "{human}");
    assert_eq!(human.lines().count(), 2);
}

#[tokio::test]
async fn dead_letters_go_back_once_and_what_is_no_event_stays() {
    let place = Place::fresh().await;
    let run = start(place.store(), "order-1").await;
    ack_all(place.store()).await;
    set_aside(place.store(), &run, "good").await;
    take_effect(place.store(), &run, vec![Effect::PutDeadLetter(dead_letter(&run, "garbage"))]).await;
    let requeue = ["outbox", "dead-letters", "requeue", "good", "garbage", "none", "--json"];
    let done = place.run(&requeue).ended(1).json();
    assert_eq!(done["done"], 1);
    let refused = done["refused"].as_array().unwrap();
    assert!(refused[0]["id"] == "garbage" && refused[0]["reason"].as_str().unwrap().contains("no event"));
    assert!(refused[1]["id"] == "none" && refused[1]["reason"].as_str().unwrap().contains("no such"));
    assert_eq!(outbox_rows(place.store(), 10).await.len(), 1);
    let again = place.run(&["outbox", "dead-letters", "requeue", "good"]).ended(1);
    assert_eq!(
        again.out,
        "0 dead letters were put back into the outbox\nnot good: there is no such dead letter\n"
    );
    assert_eq!(outbox_rows(place.store(), 10).await.len(), 1);
}

#[tokio::test]
async fn all_dead_letters_of_a_run_can_be_meant() {
    let place = Place::fresh().await;
    let run = start(place.store(), "order-1").await;
    let other = start(place.store(), "order-2").await;
    for number in 0..3 {
        set_aside(place.store(), &run, &format!("of the run {number}")).await;
    }
    set_aside(place.store(), &other, "of another").await;
    let run_id = run.run_id.to_string();
    let discard = ["outbox", "dead-letters", "discard", "--all", "--run", &run_id];
    assert_eq!(place.run(&discard).ended(0).out, "3 dead letters were thrown away\n");
    let left = place.run(&["outbox", "dead-letters", "list", "--json"]).ended(0).json();
    assert_eq!(ids(&left), ["of another"]);
    let all = place.run(&["outbox", "dead-letters", "requeue", "--all"]).ended(0);
    assert_eq!(all.out, "1 dead letter was put back into the outbox\n");
}
