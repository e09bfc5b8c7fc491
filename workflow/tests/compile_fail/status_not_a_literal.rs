use workflow::prelude::*;

const FIRST: isize = 1;

#[derive(Status, Clone, Copy)]
enum OrderStatus {
    Placed = FIRST,
    Paid = 2,
}

fn main() {}
