//! Example: getting-started.

fn main() {}
