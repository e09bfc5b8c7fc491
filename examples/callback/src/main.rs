//! Example: callback.

fn main() {}
