//! `runs`: listed and shown.

use std::time::Duration;

use serde_json::Value;
use workflow_conformance::samples::{
    completed, new_run_of, paused, start, start_as, stepped, store_over, workflow,
};

use crate::place::Place;

fn foreign_ids(page: &Value) -> Vec<&str> {
    page["runs"].as_array().unwrap().iter().map(|run| run["foreign_id"].as_str().unwrap()).collect()
}

/// A run in each of several states, an hour apart.
async fn some() -> Place {
    let place = Place::fresh().await;
    let hour = Duration::from_secs(3600);
    let done = start(place.store(), "done").await;
    store_over(place.store(), &done, &completed(&done)).await;
    place.pass(hour).await;
    let held = start(place.store(), "held").await;
    store_over(place.store(), &held, &paused(&held)).await;
    place.pass(hour).await;
    let running = start(place.store(), "running").await;
    store_over(place.store(), &running, &stepped(&running, 2)).await;
    place.pass(hour).await;
    start_as(place.store(), &new_run_of(workflow("refunds"), "of another")).await;
    place
}

#[tokio::test]
async fn every_filter_is_taken() {
    let place = some().await;
    let cases: [(&[&str], &[&str]); 11] = [
        (&[], &["done", "held", "running", "of another"]),
        (&["--newest-first"], &["of another", "running", "held", "done"]),
        (&["--workflow", "refunds"], &["of another"]),
        (&["--foreign-id", "held", "--foreign-id", "done"], &["done", "held"]),
        (&["--status", "2"], &["running"]),
        (&["--state", "paused", "--state", "5"], &["done", "held"]),
        (&["--state", "live"], &["held", "running", "of another"]),
        (
            &["--created-from", "2026-01-01T01:00:00Z", "--created-before", "2026-01-01T03:00:00Z"],
            &["held", "running"],
        ),
        (&["--created-before", "2026-01-01"], &[]),
        (&["--created-before", "1s"], &["done", "held", "running", "of another"]),
        (&["--offset", "3"], &["of another"]),
    ];
    for (filter, wanted) in cases {
        let page = place.run(&[&["runs", "list", "--json"], filter].concat()).ended(0).json();
        assert_eq!(foreign_ids(&page), wanted, "{filter:?}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_by_their_tokens() {
    let place = some().await;
    for order in [&[][..], &["--newest-first"]] {
        let (mut all, mut token) = (Vec::new(), None::<String>);
        loop {
            let after = token.as_deref().map_or(Vec::new(), |token| vec!["--after", token]);
            let args = [&["runs", "list", "--json", "--limit", "3"], order, &after].concat();
            let page = place.run(&args).ended(0).json();
            all.extend(foreign_ids(&page).into_iter().map(str::to_owned));
            match page["next"].as_str() {
                Some(next) => token = Some(next.to_owned()),
                None => break,
            }
        }
        let mut wanted = ["done", "held", "running", "of another"];
        if !order.is_empty() {
            wanted.reverse();
            let token = token.unwrap();
            let refused = place.run(&["runs", "list", "--after", &token]).ended(2);
            assert!(refused.error.contains("other order"), "{}", refused.error);
        }
        assert_eq!(all, wanted);
    }
    let human = place.run(&["runs", "list", "--limit", "1"]).ended(0).out;
    assert!(human.contains("9 Done") && human.contains("more: --after o"), "{human}");
}

#[tokio::test]
async fn a_run_is_shown_with_its_object_only_if_asked() {
    let place = Place::fresh().await;
    let run = start(place.store(), "order-1").await;
    let held = store_over(place.store(), &run, &paused(&run)).await;
    let run_id = run.run_id.to_string();
    let shown = place.run(&["runs", "show", &run_id, "--json"]).ended(0).json();
    assert_eq!(
        (&shown["state"], &shown["reason"], &shown["paused_by"]),
        (&"Paused".into(), &"wait".into(), &"operator".into())
    );
    assert_eq!((&shown["status"], &shown["status_name"]), (&1.into(), &"Placed".into()));
    assert_eq!((shown["version"].as_u64(), shown.get("object")), (Some(held.version.get()), None));
    let with_object = place.run(&["runs", "show", &run_id, "--json", "--object"]).ended(0).json();
    assert_eq!(with_object["object"]["of"], "order-1");
    let human = place.run(&["runs", "show", &run_id]).ended(0).out;
    assert!(human.contains("status          1 Placed") && !human.contains("\"of\""), "{human}");
    assert!(place.run(&["runs", "show", &run_id, "--object"]).ended(0).out.contains("\"of\": \"order-1\""));
    let none = place.run(&["runs", "show", "0198b6b4-7d0a-7000-8000-000000000000"]).ended(1);
    assert!(none.error.contains("there is no run 0198b6b4"), "{}", none.error);
}

#[tokio::test]
async fn a_history_is_told_version_by_version() {
    let place = Place::fresh().await;
    let mut run = start(place.store(), "order-1").await;
    for to in [2, 3] {
        run = store_over(place.store(), &run, &stepped(&run, to)).await;
    }
    let run_id = run.run_id.to_string();
    let history = ["runs", "history", &run_id, "--limit", "2"];
    let first = place.run(&[&history[..], &["--json"]].concat()).ended(0).json();
    let steps = |page: &Value| -> Vec<(Option<i64>, i64)> {
        let entries = page["entries"].as_array().unwrap().iter();
        entries.map(|entry| (entry["from_status"].as_i64(), entry["to_status"].as_i64().unwrap())).collect()
    };
    assert_eq!((steps(&first), &first["next"]), (vec![(None, 1), (Some(1), 2)], &2.into()));
    let rest = place.run(&[&history[..], &["--json", "--after", "2"]].concat()).ended(0).json();
    assert_eq!((steps(&rest), &rest["next"]), (vec![(Some(2), 3)], &Value::Null));
    assert_eq!(
        (&rest["entries"][0]["to_status_name"], &first["entries"][0]["to_status_name"]),
        (&"Status3".into(), &Value::Null)
    );
    let human = place.run(&history).ended(0).out;
    assert!(
        human.starts_with("VERSION") && human.contains("trigger") && human.contains("more: --after 2"),
        "{human}"
    );
    place.run(&["runs", "history", "0198b6b4-7d0a-7000-8000-000000000000"]).ended(1);
}

#[tokio::test]
async fn a_time_that_ends_before_it_begins_is_refused() {
    let place = Place::fresh().await;
    for (from, before) in [("2026-05-02", "2026-05-01"), ("1d", "7d"), ("2999-01-01", "0s")] {
        let range = ["runs", "list", "--created-from", from, "--created-before", before];
        let answer = place.run(&range).ended(2);
        assert!(answer.error.contains("--created-from: it is later"), "{answer:?}");
    }
    place.run(&["runs", "list", "--created-from", "7d", "--created-before", "1d"]).ended(0);
}
