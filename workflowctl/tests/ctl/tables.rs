//! `migrate`, `schema` and `sizes`.

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::mysql_support::Database;
use crate::place::{Answer, Place, ctl};
use crate::schemas::Schema;

#[test]
fn tables_are_made_once_and_a_dry_run_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let args = [args, &["--database", "sqlite:orders.db"]].concat();
        Answer::of(&ctl(folder.path(), &args).output().unwrap())
    };
    let dry = run(&["migrate", "--dry-run", "--json"]).ended(1).json();
    assert_eq!(
        (dry["before"].as_i64(), dry["after"].as_i64(), dry["dry_run"].as_bool()),
        (None, None, Some(true))
    );
    let planned: Vec<&str> =
        dry["steps"].as_array().unwrap().iter().map(|step| step.as_str().unwrap()).collect();
    assert!(planned.contains(&"table workflow_records: would be made"), "{planned:?}");
    assert!(planned.iter().all(|step| step.contains("would be")), "{planned:?}");
    assert!(!folder.path().join("orders.db").exists());
    assert!(run(&["sizes"]).ended(2).error.contains("orders.db"), "nothing is made by looking");
    assert!(!folder.path().join("orders.db").exists());
    assert!(run(&["migrate"]).ended(0).out.starts_with("there were no tables: now they have version"));
    let again = run(&["migrate", "--json"]).ended(0).json();
    assert!(again["before"].is_i64() && again["before"] == again["after"], "{again}");
    assert!(run(&["migrate", "--dry-run"]).ended(0).out.ends_with("nothing to do\n"));
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("orders.db"), "no database at all, but some text of a few words")
        .unwrap();
    for command in [&["migrate"][..], &["sizes"], &["migrate", "--dry-run"]] {
        let args = [command, &["--database", "sqlite:orders.db"]].concat();
        let answer = Answer::of(&ctl(folder.path(), &args).output().unwrap()).ended(2);
        assert!(answer.error.contains("orders.db"), "{command:?}: {}", answer.error);
    }
}

#[tokio::test]
async fn tables_of_a_newer_program_are_refused_by_version() {
    let place = Place::fresh().await;
    let mut connection = SqliteConnection::connect(place.url()).await.unwrap();
    let newer = "update workflow_schema set version = 99, oldest_program = 98";
    sqlx::raw_sql(newer).execute(&mut connection).await.unwrap();
    for command in [&["migrate"][..], &["sizes"]] {
        let answer = place.run(command).ended(2);
        assert!(answer.error.contains("version 98 and newer"), "{}", answer.error);
    }
}

/// The SQL that is printed makes what `migrate` would have made.
#[tokio::test]
async fn printed_tables_are_those_that_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let sql =
        Answer::of(&ctl(folder.path(), &["schema", "--dialect", "sqlite"]).output().unwrap()).ended(0).out;
    let url = format!("sqlite:{}?mode=rwc", folder.path().join("by-hand.db").display());
    let mut by_hand = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut by_hand).await.unwrap();
    let place = Place::fresh().await;
    let mut made = SqliteConnection::connect(place.url()).await.unwrap();
    let text = "select group_concat(sql, ';') from (select sql from sqlite_master order by type, name)";
    let tables = async |connection: &mut SqliteConnection| -> String {
        sqlx::query_scalar(text).fetch_one(connection).await.unwrap()
    };
    assert_eq!(tables(&mut by_hand).await, tables(&mut made).await);
    let args = ["migrate", "--dry-run", "--database", &url];
    Answer::of(&ctl(folder.path(), &args).output().unwrap()).ended(0);
    for dialect in ["mariadb", "postgres"] {
        let sql =
            Answer::of(&ctl(folder.path(), &["schema", "--dialect", dialect]).output().unwrap()).ended(0).out;
        assert!(sql.contains("workflow_records") && sql.contains("insert into workflow_schema"), "{sql}");
    }
}

#[test]
fn tables_have_the_indexes_and_names_that_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| Answer::of(&ctl(folder.path(), args).output().unwrap());
    let migrate = ["migrate", "--table-prefix", "shop_", "--database", "sqlite:orders.db"];
    let made = run(&[&migrate[..], &["--json"]].concat()).ended(0).json();
    let steps: Vec<&str> =
        made["steps"].as_array().unwrap().iter().map(|step| step.as_str().unwrap()).collect();
    assert!(steps.contains(&"table shop_records: made"), "{steps:?}");
    let planned = run(&[&migrate[..], &["--indexes", "guide", "--dry-run"]].concat()).ended(1).out;
    assert!(planned.contains("index shop_idx_run_state would be made"), "{planned}");
    assert!(!planned.contains(": made") && !planned.contains(" now"), "{planned}");
    run(&[&migrate[..], &["--indexes", "guide"]].concat()).ended(0);
    let dropped = run(&[&migrate[..], &["--indexes", "lean"]].concat()).ended(0).out;
    assert!(dropped.contains("dropped index shop_idx_run_state"), "{dropped}");
    assert!(
        dropped.contains("their indexes or guard have changed") && planned.contains("would change"),
        "{dropped}"
    );
    for dialect in ["mariadb", "mysql", "postgres", "sqlite"] {
        let args = ["schema", "--dialect", dialect, "--table-prefix", "shop_", "--indexes", "guide"];
        let sql = run(&args).ended(0).out;
        assert!(sql.contains("create table shop_records (") && sql.contains("_run_state"), "{sql}");
        assert!(!sql.contains("workflow_records"), "{sql}");
    }
    let refused = run(&["schema", "--dialect", "postgres", "--table-prefix", "Shop_"]).ended(2);
    assert!(refused.error.contains("capital letters"), "{}", refused.error);
}

#[test]
fn the_text_of_the_tables_has_the_names_of_the_configuration_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text| std::fs::write(folder.path().join("workflowctl.toml"), text).unwrap();
    let schema = || Answer::of(&ctl(folder.path(), &["schema", "--dialect", "postgres"]).output().unwrap());
    write("table_prefix = \"shop_\"");
    let sql = schema().ended(0).out;
    assert!(sql.contains("create table shop_records (") && !sql.contains("workflow_records"), "{sql}");
    let json = ctl(folder.path(), &["schema", "--dialect", "postgres", "--json"]).output().unwrap();
    assert_eq!(Answer::of(&json).ended(0).json()["sql"], sql);
    write("table_prefix = \"Shop_\"");
    let refused = schema().ended(2).error;
    assert!(refused.contains("workflowctl.toml: table_prefix") && refused.contains("capital"), "{refused}");
}

#[tokio::test]
async fn sizes_are_shown_largest_first() {
    let place = Place::fresh().await;
    place.ended_runs(50).await;
    let sizes = place.run(&["sizes", "--json"]).ended(0).json();
    let tables = sizes["tables"].as_array().unwrap();
    let totals: Vec<u64> = tables.iter().map(|size| size["total_bytes"].as_u64().unwrap()).collect();
    assert!(totals.is_sorted_by(|one, other| one >= other), "{totals:?}");
    assert_eq!(sizes["total_bytes"].as_u64(), Some(totals.iter().sum()));
    let records = tables.iter().find(|size| size["table"] == "workflow_records").unwrap();
    assert_eq!(records["rows_estimate"], 50);
    let human = place.run(&["sizes"]).ended(0).out;
    assert!(human.starts_with("TABLE") && human.contains("workflow_history"), "{human}");
}

/// A view in the place of a table, which is told by `migrate` and by the doctor.
fn tells_of_the_view(url: &str) {
    let here = std::path::Path::new(".");
    let run =
        |args: &[&str]| Answer::of(&ctl(here, &[args, &["--database", url]].concat()).output().unwrap());
    for command in [&["migrate"][..], &["migrate", "--dry-run"]] {
        let answer = run(command).ended(2);
        assert!(answer.error.contains("workflow_slots is a view"), "{answer:?}");
    }
    let answer = run(&["doctor", "--max-open", "2"]).ended(1);
    assert!(answer.out.contains("workflow_slots is a view"), "{answer:?}");
}

const VIEW: &str = "create view workflow_slots as select 1 as slot";

#[tokio::test]
async fn a_view_in_a_files_place_of_a_table_is_called_one() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("orders.db").display());
    let mut connection = SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
    sqlx::raw_sql(VIEW).execute(&mut connection).await.unwrap();
    tells_of_the_view(&url);
}

#[tokio::test]
async fn a_view_in_a_mariadbs_place_of_a_table_is_called_one() {
    let database = Database::fresh().await;
    database.run(VIEW).await;
    tells_of_the_view(&database.url());
}

#[tokio::test]
async fn a_view_in_a_postgresqls_place_of_a_table_is_called_one() {
    let schema = Schema::fresh().await;
    schema.run(VIEW).await;
    tells_of_the_view(&schema.url());
}

/// The driver would add a line of the server's own source.
#[tokio::test]
async fn what_a_postgresql_says_has_no_line_of_its_source() {
    let schema = Schema::fresh().await;
    let url = schema.url().replace("workflow?", "nowhere?");
    let answer =
        Answer::of(&ctl(std::path::Path::new("."), &["migrate", "--database", &url]).output().unwrap())
            .ended(2);
    assert!(answer.error.contains("does not exist") && !answer.error.contains("at line"), "{answer:?}");
}

#[test]
fn the_guard_is_made_told_of_and_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        Answer::of(
            &ctl(folder.path(), &[args, &["--database", "sqlite:orders.db"]].concat()).output().unwrap(),
        )
    };
    run(&["migrate"]).ended(0);
    let planned = run(&["migrate", "--guard", "--dry-run"]).ended(1).out;
    assert!(planned.contains("table workflow_records: the guard would be made"), "{planned}");
    let made = run(&["migrate", "--guard"]).ended(0).out;
    assert!(made.contains("table workflow_records: made the guard"), "{made}");
    assert!(run(&["migrate"]).ended(0).out.contains("nothing to do"));
    assert!(run(&["doctor"]).out.contains("guard-on"));
    assert!(run(&["migrate", "--no-guard"]).ended(0).out.contains("dropped the guard"));
    assert!(!run(&["doctor"]).out.contains("guard-on"));
    run(&["migrate", "--guard", "--no-guard"]).ended(2);
    for dialect in ["mariadb", "postgres", "sqlite"] {
        let schema = |guard: &[&str]| {
            let args = [&["schema", "--dialect", dialect][..], guard].concat();
            Answer::of(&ctl(folder.path(), &args).output().unwrap()).ended(0).out
        };
        assert!(schema(&["--guard"]).contains("create trigger workflow_records_guard before update"));
        assert!(!schema(&[]).contains("trigger"));
    }
}
