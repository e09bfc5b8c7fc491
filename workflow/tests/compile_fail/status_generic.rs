use workflow::prelude::*;

#[derive(Status)]
enum OrderStatus<T> {
    Placed = 1,
    Paid = 2,
}

fn main() {}
