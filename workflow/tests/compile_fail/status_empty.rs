use workflow::prelude::*;

#[derive(Status, Clone, Copy)]
enum OrderStatus {}

fn main() {}
