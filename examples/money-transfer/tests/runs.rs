//! The example runs, and prints what its reader is to see.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

fn run(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_money-transfer")).args(args).current_dir(folder).output().unwrap()
}

const PRINTED: &str = "\
before, with 0 transfers booked
  alice   1000.00
  bob     1000.00
  chloe   1000.00
  dan     1000.00
  sum     4000.00
after, with 200 transfers booked
  alice    999.50
  bob     1000.53
  chloe   1000.47
  dan      999.50
  sum     4000.00
";

#[test]
fn money_moves_and_a_second_run_moves_none() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(folder.path(), &[]);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    assert_eq!(String::from_utf8(first.stdout).unwrap(), PRINTED);
    assert_eq!(String::from_utf8(first.stderr).unwrap(), "");
    let again = run(folder.path(), &["--database", "sqlite:money.db"]);
    let after = &PRINTED[PRINTED.find("after").unwrap()..];
    let before = after.replace("after", "before");
    assert_eq!(String::from_utf8(again.stdout).unwrap(), format!("{before}{after}"));
}

#[test]
fn a_connection_string_that_cannot_be_used_is_told_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let refused = run(folder.path(), &["--database", "mysql://me:secret@localhost:port/bank"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("port") && !said.contains("secret"), "{said}");
}
