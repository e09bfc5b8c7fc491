//! Example: order-processor.

fn main() {}
