//! Errors are told in full, and once.
#![allow(missing_docs, clippy::unwrap_used)]

use anyhow::anyhow;
use order_processor::failure;

#[test]
fn a_cause_is_told_if_it_says_more_and_only_then() {
    let error = anyhow!("disk full").context("cannot write a.db: disk full").context("cannot go on");
    assert_eq!(failure::in_words(&error), "cannot go on: cannot write a.db: disk full");
    let error = anyhow!("disk full").context("cannot write a.db").context("cannot go on");
    assert_eq!(failure::in_words(&error), "cannot go on: cannot write a.db: disk full");
    assert_eq!(failure::in_words(&anyhow!("alone")), "alone");
}
