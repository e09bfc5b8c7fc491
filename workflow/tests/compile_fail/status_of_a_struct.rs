use workflow::prelude::*;

#[derive(Status, Clone, Copy)]
struct OrderStatus(i32);

fn main() {}
