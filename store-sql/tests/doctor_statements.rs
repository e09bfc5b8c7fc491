//! Goal: the doctor explains every statement with which the store reads a table. Method: a store is used in every way,
//! and what it sends is compared with the doctor's lists.
#![cfg(all(feature = "mysql", feature = "postgres", feature = "sqlite"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod exercise;
mod mysql_support;
mod schemas;

use std::collections::BTreeSet;

use std::sync::Arc;

use exercise::{ARCHIVE, Statements, operate, use_it};
use schemas::Schema;
use store_sql::doctor::explained_statements;
use store_sql::maintenance::Maintenance;
use store_sql::{Database, Sqlite};
use workflow_core::testing::ManualClock;

/// What stands for values in the list for MariaDB and MySQL.
const VALUES: [&str; 8] =
    ["{keys}", "{run}", "{workflow}", "{foreign_id}", "{text}", "{since}", "{at}", "{n}"];

/// A statement in one form, for however many rows it is sent: with one mark for values, and each group of them once.
fn one_form(text: &str) -> String {
    let mut text = VALUES.iter().fold(text.to_owned(), |text, value| text.replace(value, "?"));
    loop {
        let shorter = without_repeat(&text.replace("?,?", "?").replace("?, ?", "?"));
        if shorter == text {
            return text;
        }
        text = shorter;
    }
}

/// Takes one of two equal groups in parentheses out that stand beside each other.
fn without_repeat(text: &str) -> String {
    for (start, _) in text.match_indices('(') {
        let Some(length) = text[start..].find(')') else { continue };
        let group = &text[start..=start + length];
        for separator in [",", " or "] {
            let twice = format!("{group}{separator}{group}");
            if text[start..].starts_with(&twice) {
                return text.replacen(&twice, group, 1);
            }
        }
    }
    text.to_owned()
}

/// Those that look for rows of a table.
fn that_read(sent: BTreeSet<String>) -> BTreeSet<String> {
    let reads = |text: &String| {
        let reads =
            ["from workflow_", "join workflow_", "update workflow_"].iter().any(|verb| text.contains(verb));
        // An insertion of values that updates on a duplicate finds its rows by the key that they have in common.
        let inserts = text.starts_with("insert")
            && !text.contains("from workflow_")
            && !text.contains("join workflow_");
        // MariaDB alone is asked for it, and MySQL could not even explain it.
        let is_range = text.starts_with("set statement");
        reads && !inserts && !is_range && !text.contains("workflow_schema")
    };
    sent.iter().filter(|text| reads(text)).map(|text| one_form(text)).collect()
}

fn compare(sent: BTreeSet<String>, dsn: &str, list: &str) {
    let listed: BTreeSet<String> =
        explained_statements(&dsn.parse().unwrap()).into_iter().map(one_form).collect();
    let sent = that_read(sent);
    assert!(sent.len() >= 40, "{}: {sent:#?}", sent.len());
    let missing: Vec<_> = sent.difference(&listed).collect();
    assert!(missing.is_empty(), "not in src/doctor/statements/{list}, with its indexes: {missing:#?}");
    let stale: Vec<_> = listed.difference(&sent).collect();
    assert!(stale.is_empty(), "in src/doctor/statements/{list}, and no store sends it: {stale:#?}");
}

/// What was sent up to now, and what operators' commands send.
async fn also_of_operators(statements: &Statements, url: &str) -> BTreeSet<String> {
    let mut sent = statements.take();
    let clock = ManualClock::new();
    let database = Database::options().clock(Arc::new(clock.clone())).connect(url).await.unwrap();
    let maintenance = Maintenance::of(&database);
    statements.take();
    database.id().await.unwrap();
    match &database {
        Database::MySql(mysql) => operate(mysql.store(), &maintenance, &clock).await,
        Database::Postgres(postgres) => operate(postgres.store(), &maintenance, &clock).await,
        Database::Sqlite(sqlite) => operate(sqlite.store(), &maintenance, &clock).await,
        other => panic!("no such database is known: {other:?}"),
    }
    // The doctor's tables know no archive, so that only the reading half of a copy is compared.
    let read = |text: String| match text.split_once(" select ") {
        Some((insert, rest)) if insert.contains(ARCHIVE) => format!("select {rest}"),
        _ => text,
    };
    sent.extend(statements.take().into_iter().map(read));
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_explains_what_the_store_sends() {
    let statements = Statements::watch();
    let database = mysql_support::Database::fresh().await;
    let mysql = database.open().await;
    statements.take();
    use_it(mysql.store()).await;
    let sent = also_of_operators(&statements, &database.url()).await;
    compare(sent, "mysql://db/orders", "mysql.sql");
    let schema = Schema::fresh().await;
    let postgres = schema.store().await;
    statements.take();
    use_it(&*postgres).await;
    let sent = also_of_operators(&statements, &schema.url()).await;
    compare(sent, "postgres://db/orders", "postgres.sql");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.db");
    let sqlite = Sqlite::open(&file).await.unwrap();
    statements.take();
    use_it(sqlite.store()).await;
    drop(sqlite);
    let sent = also_of_operators(&statements, &format!("sqlite:{}", file.display())).await;
    compare(sent, "sqlite:orders.db", "sqlite.sql");
}

#[test]
fn statements_for_many_rows_are_one() {
    let cases = [
        ("in (?,?,?)", "in (?)"),
        ("in (?, ?)", "in (?)"),
        ("values (?,?),(?,?)", "values (?)"),
        ("(a = ? and b = ?) or (a = ? and b = ?) or (a = ? and b = ?)", "(a = ? and b = ?)"),
        ("a = {run} limit {n}", "a = ? limit ?"),
    ];
    for (text, form) in cases {
        assert_eq!(one_form(text), form);
    }
}
