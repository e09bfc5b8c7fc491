//! Errors are told in full, and once.
#![allow(missing_docs, clippy::unwrap_used)]

mod program;

use anyhow::anyhow;
use order_processor::failure;
use program::Program;

#[test]
fn a_cause_is_told_if_it_says_more_and_only_then() {
    let error = anyhow!("disk full").context("cannot write a.db: disk full").context("cannot go on");
    assert_eq!(failure::in_words(&error), "cannot go on: cannot write a.db: disk full");
    let error = anyhow!("disk full").context("cannot write a.db").context("cannot go on");
    assert_eq!(failure::in_words(&error), "cannot go on: cannot write a.db: disk full");
    assert_eq!(failure::in_words(&anyhow!("alone")), "alone");
}

#[test]
fn a_refused_database_is_told_without_saying_anything_twice() {
    let program = Program::new();
    std::fs::write(program.path("text.db"), "this is no database, it is a letter to a friend").unwrap();
    let refused = program.run(&["--database", "text.db"]);
    assert_eq!(refused.code, 1);
    assert_eq!(refused.err.matches("(code: 26)").count(), 1, "{}", refused.err);
    assert_eq!(refused.err.lines().count(), 1, "{}", refused.err);
}
