use workflow::prelude::*;

#[derive(Status, Clone, Copy)]
#[status(krate = workflow)]
enum OrderStatus {
    Placed = 1,
    Paid = 2,
}

fn main() {}
