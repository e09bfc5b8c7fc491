//! `doctor`: exit codes, JSON, and what people see; the checks themselves are tested with the library.

use crate::mysql_support::Database;
use crate::place::{Answer, Place, ctl};
use crate::schemas::Schema;

/// Changes a database beside the tool.
async fn change(place: &Place, text: &'static str) {
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(place.folder().join("orders.db"));
    let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&file).await.unwrap();
    sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_healthy_database_ends_with_0() {
    let place = Place::fresh().await;
    let people = place.run(&["doctor"]).ended(0);
    let told = format!("healthy: errors 0, warnings 0, notes 0\ndatabase: {}?mode=rwc\n", place.url());
    assert_eq!((people.out, people.error.as_str()), (told, ""));
    let json = place.run(&["doctor", "--json"]).ended(0).json();
    assert_eq!(json, serde_json::json!({"ok": true, "findings": []}));
}

#[tokio::test]
async fn findings_end_with_1_and_say_what_to_change() {
    let place = Place::fresh().await;
    change(&place, "drop index workflow_records_live").await;
    let json = place.run(&["doctor", "--json"]).ended(1).json();
    assert_eq!(json["ok"], false);
    let finding = json["findings"][0].as_object().unwrap();
    assert_eq!(finding.keys().collect::<Vec<_>>(), ["fix", "id", "message", "severity"]);
    assert_eq!((&finding["id"], &finding["severity"]), (&"index-missing".into(), &"error".into()));
    let people = place.run(&["doctor"]).ended(1).out;
    assert!(
        people.starts_with("needs attention: errors 1, warnings 0, notes 0\nerror    index-missing"),
        "{people}"
    );
    assert!(people.contains("-> create unique index workflow_records_live on workflow_records"), "{people}");
}

#[tokio::test]
async fn a_note_leaves_it_healthy() {
    let place = Place::fresh().await;
    change(&place, "create index mine on workflow_records (run_state)").await;
    let json = place.run(&["doctor", "--json"]).ended(0).json();
    assert_eq!((&json["ok"], &json["findings"][0]["severity"]), (&true.into(), &"note".into()));
}

#[tokio::test]
async fn what_cannot_be_looked_at_ends_with_2_and_is_told_all_the_same() {
    let place = Place::fresh().await;
    let cases = [
        ("sqlite:none.db", "database-missing"),
        ("postgres://me:secret@127.0.0.1:1/orders", "server-unreachable"),
        ("mysql://me:secret@127.0.0.1:1/orders", "server-unreachable"),
    ];
    for (url, id) in cases {
        let answer = place.run(&["doctor", "--json", "--database", url]).ended(2);
        assert_eq!((&answer.json()["ok"], &answer.json()["findings"][0]["id"]), (&false.into(), &id.into()));
        let people = place.run(&["doctor", "--database", url]).ended(2);
        assert!(people.out.starts_with("could not be checked"), "{people:?}");
        assert!(!(answer.all() + &people.all()).contains("secret"), "the password is not told");
    }
    assert!(!place.folder().join("none.db").exists(), "no file is made");
}

#[tokio::test]
async fn times_are_measured_by_what_is_asked_for() {
    let place = Place::fresh().await;
    change(
        &place,
        "insert into workflow_outbox (id, workflow_name, data, created_at) values ('a', 'orders', '', (unixepoch() - 600) * 1000)",
    )
    .await;
    assert_eq!(place.run(&["doctor", "--json"]).ended(1).json()["findings"][0]["id"], "outbox-old");
    place.run(&["doctor", "--waiting-max", "1h"]).ended(0);
}

/// The doctor of a database with tables of another prefix, before and after they are made.
fn before_and_after(url: &str) {
    let here = std::path::Path::new(".");
    let run = |args: &[&str], code: i32| {
        let args = [args, &["--database", url, "--table-prefix", "shop_", "--json"]].concat();
        Answer::of(&ctl(here, &args).output().unwrap()).ended(code)
    };
    // The tests' server is used by others, too.
    let doctor = ["doctor", "--max-open", "2"];
    assert_eq!(run(&doctor, 1).json()["findings"][0]["id"], "schema-missing");
    run(&["migrate"], 0);
    let json = run(&doctor, 0).json();
    assert_eq!(json, serde_json::json!({"ok": true, "findings": []}));
    let greedy = run(&["doctor", "--max-open", "100", "--processes", "100"], 1).json();
    assert_eq!(greedy["findings"][0]["id"], "pool-too-large");
}

#[tokio::test]
async fn a_mariadb_is_looked_at() {
    let database = Database::fresh().await;
    before_and_after(&database.url());
}

#[tokio::test]
async fn a_postgresql_is_looked_at() {
    let schema = Schema::fresh().await;
    before_and_after(&schema.url());
}
