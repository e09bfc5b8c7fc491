//! The example runs, and prints what its reader is to see.
#![allow(missing_docs, clippy::unwrap_used)]

use std::process::Command;

const PRINTED: &str = "\
booked:
  payment-1: 1500 cents from Ada
  payment-2: 990 cents from Bob
  payment-4: 20 cents from Ada
set aside:
  bank-connector-to-payments-consumer/payment-3: invalid digit found in string
payment-3 has no run
";

#[test]
fn each_payment_is_booked_once_and_a_bad_one_set_aside() {
    let output = Command::new(env!("CARGO_BIN_EXE_example-connector")).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), PRINTED);
    assert_eq!(errors, "");
}
