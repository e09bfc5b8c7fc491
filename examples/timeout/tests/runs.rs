//! The example runs, and prints what its reader is to see.
#![allow(missing_docs, clippy::unwrap_used)]

use std::process::Command;

const PRINTED: &str = "\
three invitations are sent: Ada has an hour, Bob the blink of an eye, Chloé all the time she wants
  a reminder goes to Bob
  the invitation of Bob has lapsed
Ada: Accepted
Bob: Lapsed
Chloé: Accepted
";

#[test]
fn who_does_not_answer_is_reminded_and_lapses() {
    let output = Command::new(env!("CARGO_BIN_EXE_example-timeout")).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), PRINTED);
    assert_eq!(errors, "");
}
