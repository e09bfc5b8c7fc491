//! Goal: the page of the tables and the migration for MariaDB and MySQL say the same. Method: both are read as they are shown.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;

const PAGE: &str = include_str!("../../docs/tables.md");
const MIGRATION: &str = include_str!("../migrations/mysql/tables.sql");

/// The columns of each table in their order, and its keys: what a line says.
type Tables = BTreeMap<String, (Vec<String>, Vec<String>)>;

fn on_the_page() -> Tables {
    let (mut tables, mut table) = (Tables::new(), None);
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let name = heading.strip_prefix('`').and_then(|name| name.strip_suffix('`'));
            table = name.map(|name| tables.entry(name.to_owned()).or_default());
        }
        let inner = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |"));
        let (Some((columns, keys)), Some(inner)) = (table.as_deref_mut(), inner) else { continue };
        let cells: Vec<&str> = inner.split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        match cells[..] {
            ["column" | "index" | "---", ..] => {}
            [name, _, declared, _, _, _] if declared != "no" => columns.push(format!("{name} {declared}")),
            ["primary key", on, _, _, _] => keys.push(format!("primary key ({on})")),
            [_, _, _, "no" | "guide's set", _] => {}
            [name, on, _, how, _] => {
                let on = how.split_once("on `").map_or(on, |(_, other)| other.trim_end_matches('`'));
                let unique = if how.starts_with("unique") { "unique " } else { "" };
                keys.push(format!("{unique}key {name} ({on})"));
            }
            _ => {}
        }
    }
    tables
}

fn in_the_migration() -> Tables {
    let (mut tables, mut table) = (Tables::new(), None);
    for line in MIGRATION.lines() {
        if let Some(name) = line.strip_prefix("create table ") {
            table = Some(tables.entry(name.trim_end_matches(" (").to_owned()).or_default());
            continue;
        }
        let (Some((columns, keys)), Some(line)) = (table.as_deref_mut(), line.strip_prefix("    ")) else {
            continue;
        };
        let line = line.trim_end_matches(',').replace('`', "");
        if ["primary key", "unique key", "key workflow_"].iter().any(|start| line.starts_with(start)) {
            keys.push(line);
        } else {
            columns.push(line);
        }
    }
    tables
}

#[test]
fn the_page_and_the_migration_have_the_same_tables() {
    let (page, migration) = (on_the_page(), in_the_migration());
    assert_eq!(page.keys().collect::<Vec<_>>(), migration.keys().collect::<Vec<_>>());
    for (name, (columns, keys)) in &migration {
        let sorted = |list: &[String]| {
            let mut list = list.to_vec();
            list.sort();
            list
        };
        assert_eq!(page[name].0, *columns, "the columns of {name}");
        assert_eq!(sorted(&page[name].1), sorted(keys), "the keys of {name}");
    }
}
