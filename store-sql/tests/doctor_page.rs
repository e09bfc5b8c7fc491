//! Goal: the page of the doctor has a line for each finding, and none for what is never found.
#![cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;

use store_sql::doctor::FindingId;

const PAGE: &str = include_str!("../../docs/doctor.md");

/// The first cells of the lists of findings, each as often as it is there.
fn on_the_page() -> Vec<&'static str> {
    let (_, lists) = PAGE.split_once("## Findings").unwrap();
    let rows = lists.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once("` |")).map(|(id, _)| id).collect()
}

#[test]
fn the_page_and_the_code_know_the_same_findings() {
    let on_page = on_the_page();
    let unique: BTreeSet<&str> = on_page.iter().copied().collect();
    assert_eq!(unique.len(), on_page.len(), "a finding is there twice");
    let in_code: BTreeSet<&str> = FindingId::ALL.iter().map(|id| id.as_str()).collect();
    let missing: Vec<_> = in_code.difference(&unique).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
    let stale: Vec<_> = unique.difference(&in_code).collect();
    assert!(stale.is_empty(), "on the page alone: {stale:?}");
}

#[test]
fn every_line_says_how_bad_it_is_and_how_to_mend_it() {
    let (_, lists) = PAGE.split_once("## Findings").unwrap();
    for line in lists.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{line}");
        assert!(["error", "warning", "note"].iter().any(|word| cells[1].starts_with(word)), "{line}");
        assert!(cells[2].len() > 10 && cells[3].len() > 5, "{line}");
    }
}

#[test]
fn what_could_not_be_looked_at_has_a_list_of_its_own() {
    let (_, list) = PAGE.split_once("### The database could not be looked at").unwrap();
    let list = list.split("###").next().unwrap();
    for id in FindingId::ALL {
        assert_eq!(list.contains(&format!("| `{id}` |")), id.is_blocking(), "{id}");
    }
}
