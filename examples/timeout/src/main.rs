//! Example: timeout.

fn main() {}
