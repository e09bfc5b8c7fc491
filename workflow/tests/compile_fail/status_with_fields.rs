use workflow::prelude::*;

#[derive(Status, Clone, Copy)]
#[repr(i32)]
enum OrderStatus {
    Placed = 1,
    Paid { cents: u64 } = 2,
}

fn main() {}
