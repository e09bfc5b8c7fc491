//! What must not compile, and what its writer is told.
//!
//! The messages are part of the interface. After a change, `TRYBUILD=overwrite cargo test -p workflow --test compile_fail`
//! writes them anew, to be read before they are kept.
#![allow(missing_docs)]

#[test]
fn wrong_programs_are_refused_with_messages_that_can_be_read() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
