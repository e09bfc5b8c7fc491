//! The example runs, and prints what its reader is to see.
#![allow(missing_docs, clippy::unwrap_used)]

use std::process::Command;

const PRINTED: &str = "\
Ada orders a coffee for 300 cents
  Ada gets 2 shots of espresso
  Ada's coffee is Served and the run Completed
    version 1 by trigger: status 1
    version 2 by step: status 2
    version 3 by step: status 3
    version 4 by step: status 4
Bob orders a coffee for 100 cents
  Bob's coffee is Refused and the run Completed
    version 1 by trigger: status 1
    version 2 by step: status 5
";

#[test]
fn every_coffee_takes_its_own_way() {
    let output = Command::new(env!("CARGO_BIN_EXE_example-getting-started")).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), PRINTED);
    assert_eq!(errors, "");
}
