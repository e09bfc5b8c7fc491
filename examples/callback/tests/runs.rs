//! The example runs, and prints what its reader is to see.
#![allow(missing_docs, clippy::unwrap_used)]

use std::process::Command;

const PRINTED: &str = "\
before there is a parcel: NoRun
the parcel is packed and waits for its courier
the courier scans it: Applied
the scanner sends it again: Duplicate
the parcel is Delivered, by Kim
a late call: Stopped { run_state: Completed }
";

#[test]
fn each_call_is_told_what_became_of_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_example-callback")).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), PRINTED);
    assert_eq!(errors, "");
}
