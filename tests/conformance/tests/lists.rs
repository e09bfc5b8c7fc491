//! The lists of the suites agree with their functions, and every clause of a contract has a function of its name.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Suites: where their functions are, and the file with their macro.
const SUITES: [(&str, &str); 5] = [
    ("src/store", "src/store/mod.rs"),
    ("src/streamer", "src/streamer/mod.rs"),
    ("src/receiver", "src/receiver/mod.rs"),
    ("src/scheduler.rs", "src/scheduler.rs"),
    ("src/clock.rs", "src/clock.rs"),
];

/// The contracts: the trait's file, the trait and its suite.
const CONTRACTS: [(&str, &str, &str); 4] = [
    ("store.rs", "pub trait Store:", "src/store"),
    ("event_streamer.rs", "pub trait EventStreamer:", "src/streamer"),
    ("event_streamer.rs", "pub trait EventReceiver:", "src/receiver"),
    ("role_scheduler.rs", "pub trait RoleScheduler:", "src/scheduler.rs"),
];

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Public functions that take a fixture alone: the tests of a suite.
fn functions(suite: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files(&here().join(suite)) {
        let parsed = syn::parse_file(&std::fs::read_to_string(file).unwrap()).unwrap();
        for item in parsed.items {
            let syn::Item::Fn(function) = item else { continue };
            if matches!(function.vis, syn::Visibility::Public(_)) && function.sig.asyncness.is_some() {
                names.insert(function.sig.ident.to_string());
            }
        }
    }
    names
}

/// The names in the square brackets of a suite's macro, in their order.
fn listed(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(here().join(file)).unwrap();
    let list = text.split_once("suite_tests! {").unwrap().1;
    let list = list.split_once('[').unwrap().1.split_once(']').unwrap().0;
    let lines = list.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    lines.flat_map(|line| line.split(',')).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The names of the clauses above a trait, as functions would bear them: `*One live run.*` is `one_live_run`.
fn clauses(file: &str, of: &str) -> Vec<String> {
    let path = here().join("../../workflow-core/src/adapter").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let above = text.split_once(of).unwrap().0;
    let contract = above.rsplit_once("/// # Contract").unwrap().1;
    let names = contract.lines().filter_map(|line| line.split_once(". *")?.1.split_once(".*"));
    names.map(|(name, _)| name.to_lowercase().replace([' ', '-'], "_")).collect()
}

#[test]
fn every_function_of_a_suite_is_listed_once() {
    for (suite, file) in SUITES {
        let list = listed(file);
        let names: BTreeSet<String> = list.iter().cloned().collect();
        assert_eq!(names.len(), list.len(), "a name is listed twice in {file}");
        assert_eq!(names, functions(suite), "the list in {file} is not that of the functions");
        assert!(names.len() >= 4);
    }
}

#[test]
fn every_clause_has_a_function_of_its_name() {
    for (file, of, suite) in CONTRACTS {
        let (clauses, functions) = (clauses(file, of), functions(suite));
        assert!(clauses.len() >= 3, "{of} has {clauses:?}");
        for clause in clauses {
            assert!(functions.contains(&clause), "{of} has a clause {clause} that {suite} does not test");
        }
    }
}
