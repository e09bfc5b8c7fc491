//! The example runs, and prints what its reader is to see.
#![allow(missing_docs, clippy::unwrap_used)]

use std::process::Command;

const PRINTED: &str = "\
TZ=Europe/Berlin 30 2 * * mon-fri
  2026-01-05T01:30:00.000Z
  2026-01-06T01:30:00.000Z
  2026-01-07T01:30:00.000Z
@every 1h30m
  2026-01-02T18:00:00.000Z
  2026-01-02T19:30:00.000Z
  2026-01-02T21:00:00.000Z
a mistake is named with its place:
  schedule \"0 25 * * *\", position 3: hour \"25\": Component error: Number out of bounds.
at the next full second: sales for the board
";

#[test]
fn slots_are_listed_and_one_is_taken() {
    let output = Command::new(env!("CARGO_BIN_EXE_example-schedule")).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), PRINTED);
    assert_eq!(errors, "");
}
