//! Example: schedule.

fn main() {}
