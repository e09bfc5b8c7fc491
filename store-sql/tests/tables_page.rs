//! Goal: the page of the tables and the tables of a fresh file say the same. Method: the page's lists are read as they are
//! shown, and compared with what SQLite says of a file that was just made.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};
use store_sql::Sqlite;

const PAGE: &str = include_str!("../../docs/tables.md");

/// A table: its columns in their order, and its indexes by name.
#[derive(Debug, Default, PartialEq)]
struct Table {
    /// Name and declaration, as `text not null`.
    columns: Vec<(String, String)>,
    primary_key: Vec<String>,
    /// What is indexed, and how: `unique`, `where ..`, both, or nothing.
    indexes: BTreeMap<String, (Vec<String>, String)>,
}

type Tables = BTreeMap<String, Table>;

/// The cells of a row of a list, without their code marks.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
    Some(inner.split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect())
}

fn names(list: &str) -> Vec<String> {
    list.split(", ").map(str::to_owned).collect()
}

fn on_the_page() -> Tables {
    let mut tables = Tables::new();
    let mut table = None;
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let name = heading.strip_prefix('`').and_then(|name| name.strip_suffix('`'));
            table = name.map(|name| tables.entry(name.to_owned()).or_default());
        }
        let (Some(table), Some(cells)) = (table.as_deref_mut(), cells(line)) else { continue };
        assert!(cells.iter().all(|cell| !cell.is_empty()), "an empty cell: {line}");
        match &cells[..] {
            [first, ..] if first == "column" || first == "index" || first == "---" => {}
            [name, sqlite, _, _, by, _] => {
                assert!(["both", "added", "ours"].contains(&by.as_str()), "written by {by}: {line}");
                if sqlite != "no" {
                    table.columns.push((name.clone(), sqlite.clone()));
                }
            }
            [name, on, sqlite, _, _] if name == "primary key" => {
                assert_eq!(sqlite, "yes", "{line}");
                table.primary_key = names(on);
            }
            [name, on, sqlite, _, _] if sqlite != "no" && sqlite != "guide's set" => {
                let how = if sqlite == "yes" { "" } else { sqlite };
                table.indexes.insert(name.clone(), (names(on), how.to_owned()));
            }
            [_, _, _, _, _] => {}
            other => panic!("a row with {} cells: {line}", other.len()),
        }
    }
    tables
}

async fn rows(connection: &mut SqliteConnection, text: String) -> Vec<sqlx::sqlite::SqliteRow> {
    sqlx::query(AssertSqlSafe(text)).fetch_all(connection).await.unwrap()
}

async fn columns_of(connection: &mut SqliteConnection, name: &str, table: &mut Table) {
    let mut key = BTreeMap::new();
    for row in rows(connection, format!("pragma table_info({name})")).await {
        let (column, mut declared): (String, String) = (row.get("name"), row.get("type"));
        declared = declared.to_lowercase();
        if row.get::<bool, _>("notnull") {
            declared += " not null";
        }
        if let Some(default) = row.get::<Option<String>, _>("dflt_value") {
            declared += &format!(" default {default}");
        }
        match row.get::<i64, _>("pk") {
            0 => {}
            place => drop(key.insert(place, column.clone())),
        }
        table.columns.push((column, declared));
    }
    table.primary_key = key.into_values().collect();
}

async fn indexes_of(connection: &mut SqliteConnection, name: &str, table: &mut Table) {
    for row in rows(connection, format!("pragma index_list({name})")).await {
        let index: String = row.get("name");
        if row.get::<String, _>("origin") != "c" {
            continue;
        }
        let on = rows(connection, format!("pragma index_info({index})")).await;
        let made = rows(connection, format!("select sql from sqlite_master where name = '{index}'")).await;
        let made: String = made[0].get("sql");
        let mut how = Vec::new();
        if row.get::<bool, _>("unique") {
            how.push("unique".to_owned());
        }
        if let Some((_, condition)) = made.split_once(" where ") {
            how.push(format!("where {condition}"));
        }
        let on = on.iter().map(|row| row.get("name")).collect();
        table.indexes.insert(index, (on, how.join(" ")));
    }
}

async fn in_a_fresh_file() -> Tables {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path().join("runs.db")).await.unwrap();
    let options = SqliteConnectOptions::new().filename(store.file()).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let mut tables = Tables::new();
    for row in rows(&mut connection, "select name from sqlite_master where type = 'table'".to_owned()).await {
        let (name, mut table): (String, _) = (row.get("name"), Table::default());
        columns_of(&mut connection, &name, &mut table).await;
        indexes_of(&mut connection, &name, &mut table).await;
        tables.insert(name, table);
    }
    connection.close().await.unwrap();
    tables
}

#[tokio::test]
async fn the_page_and_a_fresh_file_have_the_same_tables() {
    let (page, file) = (on_the_page(), in_a_fresh_file().await);
    assert_eq!(page.keys().collect::<Vec<_>>(), file.keys().collect::<Vec<_>>());
    for (name, in_file) in &file {
        let on_page = &page[name];
        for (column, _) in &in_file.columns {
            assert!(
                on_page.columns.iter().any(|(name, _)| name == column),
                "{name}.{column} is not on the page"
            );
        }
        assert_eq!(on_page.primary_key, in_file.primary_key, "the primary key of {name}");
        assert_eq!(on_page.indexes, in_file.indexes, "the indexes of {name}");
        let sorted = |table: &Table| {
            let mut columns = table.columns.clone();
            columns.sort();
            columns
        };
        assert_eq!(sorted(on_page), sorted(in_file), "the columns of {name}");
    }
}

#[test]
fn additions_to_shared_tables_may_be_left_out_of_an_insert() {
    let added: Vec<Vec<String>> =
        PAGE.lines().filter_map(cells).filter(|cells| cells.len() == 6 && cells[4] == "added").collect();
    assert_eq!(added.len(), 9);
    for cells in added {
        for declared in &cells[2..4] {
            let free = !declared.contains("not null") || declared.contains(" default ");
            assert!(free, "{} is {declared}: an insert that does not name it would fail", cells[0]);
        }
    }
}

#[test]
fn the_go_library_finds_its_columns() {
    let both: Vec<String> = PAGE
        .lines()
        .filter_map(cells)
        .filter(|cells| cells.len() == 6 && cells[4] == "both")
        .map(|cells| cells[0].clone())
        .collect();
    let records = [
        "workflow_name",
        "foreign_id",
        "run_id",
        "run_state",
        "status",
        "object",
        "created_at",
        "updated_at",
        "meta",
    ];
    let outbox = ["id", "workflow_name", "data", "created_at"];
    assert_eq!(both, [&records[..], &outbox[..]].concat());
}
