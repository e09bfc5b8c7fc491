//! The workflow of these tests: two steps.

use std::sync::atomic::{AtomicBool, Ordering};

use workflow_core::{Run, Status, StatusCode, Step, Workflow, retryable};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Order {
    Placed = 1,
    Paid = 2,
    Sent = 3,
}

impl Status for Order {
    const ALL: &'static [Self] = &[Order::Placed, Order::Paid, Order::Sent];

    fn code(self) -> StatusCode {
        StatusCode::from_declared(self as i32)
    }

    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.code() == code)
    }

    fn name(self) -> &'static str {
        match self {
            Order::Placed => "Placed",
            Order::Paid => "Paid",
            Order::Sent => "Sent",
        }
    }
}

/// How the second step goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sending {
    /// It never ends.
    Hangs,
    /// It fails once, and works then.
    FailsOnce,
}

pub(crate) struct Post {
    sending: Sending,
    failed: AtomicBool,
}

async fn pay(_: &mut Run<(), Order>) -> Step<Order> {
    Ok(Order::Paid)
}

async fn send(_: &mut Run<(), Order>, post: &Post) -> Step<Order> {
    match post.sending {
        Sending::Hangs => std::future::pending().await,
        Sending::FailsOnce if !post.failed.swap(true, Ordering::Relaxed) => {
            Err(retryable("the courier is late"))
        }
        Sending::FailsOnce => Ok(Order::Sent),
    }
}

pub(crate) fn orders(sending: Sending) -> Workflow<(), Order> {
    let post = Post { sending, failed: AtomicBool::new(false) };
    let steps = Workflow::builder("orders").step(Order::Placed, pay, [Order::Paid]);
    steps.step(Order::Paid, send, [Order::Sent]).state(post).build().unwrap()
}
