//! Example: connector.

fn main() {}
