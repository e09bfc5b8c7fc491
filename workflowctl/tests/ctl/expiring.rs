//! `archive` and `prune-history`.

use std::process::Stdio;
use std::time::Duration;

use workflow_conformance::samples::{ack_all, start};

use crate::place::{Answer, Place, done};

#[tokio::test]
async fn a_dry_run_counts_what_would_go() {
    let place = Place::fresh().await;
    place.ended_runs(5).await;
    start(place.store(), "goes on").await;
    done(place.store(), "unsent").await;
    let archive = ["archive", "--older-than", "30d", "--state", "completed", "--batch", "2"];
    let dry = place.run(&[&archive[..], &["--dry-run", "--json"]].concat()).ended(0).json();
    assert_eq!((&dry["rows"], &dry["kept"], &dry["dry_run"]), (&5.into(), &1.into(), &true.into()));
    assert_eq!(place.foreign_ids().len(), 7);
    let human = place.run(&[&archive[..], &["--dry-run"]].concat()).ended(0).out;
    assert!(human.starts_with("5 runs would be deleted") && human.contains("1 run is kept"), "{human}");
    let done = place.run(&[&archive[..], &["--json"]].concat()).ended(0).json();
    assert_eq!((&done["rows"], &done["batches"], &done["what"]), (&5.into(), &3.into(), &"delete".into()));
    assert_eq!(done["workflows"]["orders"]["kept"], 1);
    assert_eq!(place.foreign_ids(), ["goes on", "unsent"]);
}

#[tokio::test]
async fn what_is_young_or_of_another_workflow_stays() {
    let place = Place::fresh().await;
    place.ended_runs(1).await;
    let none = |args: &[&str]| {
        let answer = place.run(&[&["archive", "--json", "--older-than"], args].concat()).ended(0).json();
        assert_eq!(answer["rows"], 0, "{answer}");
    };
    none(&["5000w"]);
    none(&["1d", "--workflow", "refunds"]);
    none(&["1d", "--state", "cancelled"]);
    assert_eq!(place.foreign_ids().len(), 1);
}

#[tokio::test]
async fn runs_are_moved_into_a_table() {
    let place = Place::fresh().await;
    place.ended_runs(3).await;
    let moved = place.run(&["archive", "--older-than", "1d", "--into", "orders_archive"]).ended(0).out;
    assert!(moved.starts_with("3 runs moved into orders_archive"), "{moved}");
    assert!(place.foreign_ids().is_empty());
    use sqlx::Connection;
    let mut connection = sqlx::SqliteConnection::connect(place.url()).await.unwrap();
    let text =
        "select (select count(*) from orders_archive) * 100 + (select count(*) from orders_archive_history)";
    let kept: i64 = sqlx::query_scalar(text).fetch_one(&mut connection).await.unwrap();
    assert_eq!(kept, 306);
}

#[tokio::test]
async fn histories_go_and_their_runs_stay() {
    let place = Place::fresh().await;
    place.ended_runs(4).await;
    let prune = ["prune-history", "--older-than", "1d", "--batch", "3"];
    let dry = place.run(&[&prune[..], &["--dry-run"]].concat()).ended(0).out;
    assert!(dry.starts_with("8 rows of histories would be deleted"), "{dry}");
    let pruned = place.run(&[&prune[..], &["--json"]].concat()).ended(0).json();
    assert_eq!((&pruned["rows"], &pruned["what"]), (&8.into(), &"delete-history".into()));
    assert_eq!(place.foreign_ids().len(), 4);
}

/// Goal: an interrupt ends the work after a whole batch, and the summary is true. Method: so slow a rate that without
/// the interrupt it would take an hour.
#[cfg(unix)]
#[tokio::test]
async fn an_interrupt_ends_it_after_a_batch_with_a_true_summary() {
    let place = Place::fresh().await;
    place.ended_runs(40).await;
    let slow = ["archive", "--older-than", "1d", "--batch", "2", "--rate", "1", "--json"];
    let child = place.command(&slow).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while place.foreign_ids().len() == 40 {
        tokio::task::yield_now().await;
    }
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let answer = Answer::of(&child.wait_with_output().unwrap()).ended(1);
    let summary = answer.json();
    assert_eq!(summary["interrupted"], true);
    let gone = summary["rows"].as_u64().unwrap();
    assert!((2..40).contains(&gone) && gone.is_multiple_of(2), "{summary}");
    assert_eq!(place.foreign_ids().len() as u64, 40 - gone);
    assert!(answer.error.contains("stopping after this batch"), "{}", answer.error);
}

#[tokio::test]
async fn a_rate_is_kept() {
    let place = Place::fresh().await;
    place.ended_runs(6).await;
    let archive = ["archive", "--older-than", "1d", "--batch", "2", "--rate", "20", "--json"];
    let summary = place.run(&archive).ended(0).json();
    // Two batches must have had their time before the third began.
    assert!(summary["seconds"].as_f64().unwrap() >= 0.2, "{summary}");
}

#[tokio::test]
async fn a_failure_in_the_middle_tells_what_was_done() {
    let place = Place::fresh().await;
    place.ended_runs(2).await;
    place.pass(Duration::from_secs(60)).await;
    done(place.store(), "in the archive already").await;
    ack_all(place.store()).await;
    let archive = ["archive", "--older-than", "1d", "--batch", "2", "--into", "kept", "--json"];
    // The table is there, with the run that comes last.
    place.run(&["archive", "--older-than", "1d", "--workflow", "none", "--into", "kept"]).ended(0);
    use sqlx::Connection;
    let mut connection = sqlx::SqliteConnection::connect(place.url()).await.unwrap();
    let text = "insert into kept select workflow_name, foreign_id, run_id, run_state, status, object, created_at, updated_at, \
                meta, version, last_event_id, paused_by, start_key from workflow_records where foreign_id like 'in the%'";
    sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
    let answer = place.run(&archive).ended(2);
    assert_eq!(answer.json()["rows"], 2, "{answer:?}");
    assert!(answer.error.contains("expire runs"), "{}", answer.error);
    assert_eq!(place.foreign_ids(), ["in the archive already"]);
}
