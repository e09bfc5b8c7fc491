//! The relay as a program.

use std::process::ExitCode;

fn main() -> ExitCode {
    outbox_relay::program::main()
}
