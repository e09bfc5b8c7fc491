//! The workflow: one function a step, and how they hang together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use workflow::prelude::*;
use workflow::{Actor, StepError};

use crate::order::OrderStatus::{
    Collected, Declined, Fulfilled, OutOfStock, Paid, Received, Rejected, Reserved, Undelivered, Validated,
};
use crate::order::{Courier, Order, OrderStatus, Payment};

/// How long packed goods wait for the courier.
const COURIER_WAIT: Duration = Duration::from_millis(800);

/// The largest invoice, in cents.
const INVOICE_MAX: u64 = 50_000;

/// What the steps share: the shop's connections to the world.
pub struct Shop {
    /// Where the courier is called, with the order's id.
    pub courier: mpsc::UnboundedSender<String>,
    /// How many receipts were sent.
    pub receipts: Arc<AtomicU64>,
}

impl Shop {
    fn call_courier(&self, order: &Order) -> Result<(), StepError> {
        self.courier.send(order.id.clone()).map_err(|_| retryable("the courier's office is closed"))
    }
}

/// The workflow of an order.
///
/// # Errors
/// None, unless somebody breaks the definition below.
pub fn orders(
    shop: Shop,
    in_flight: usize,
) -> Result<Workflow<Order, OrderStatus>, workflow::DefinitionErrors> {
    Workflow::builder("orders")
        .step(Received, validate, [Validated, Rejected])
        .step(Validated, pay, [Paid, Declined])
        .step(Paid, reserve, [Reserved, OutOfStock])
        .callback(Reserved, courier_called, [Collected])
        .buffered()
        .timeout(Reserved, after(COURIER_WAIT), no_courier, [Undelivered])
        .step(Collected, fulfil, [Fulfilled])
        .on_complete(send_receipt)
        .on_cancel(apologise)
        .options(Options::new().in_flight(in_flight))
        .state(shop)
        .build()
}

/// The function that took an order on from a status, by who is said to have done it.
pub fn step_name(from: OrderStatus, actor: &Actor) -> Option<&'static str> {
    match (from, actor) {
        (Received, Actor::Step) => Some("validate"),
        (Validated, Actor::Step) => Some("pay"),
        (Paid, Actor::Step) => Some("reserve"),
        (Reserved, Actor::Callback) => Some("courier_called"),
        (Reserved, Actor::Timeout) => Some("no_courier"),
        (Collected, Actor::Step) => Some("fulfil"),
        _ => None,
    }
}

async fn validate(run: &mut Run<Order, OrderStatus>) -> Step<OrderStatus> {
    let order = &mut run.object;
    if let Some(fault) = order.fault() {
        order.log.push(format!("rejected: {fault}"));
        return Ok(Rejected);
    }
    let Some(total) = order.sum_cents() else {
        order.log.push("rejected: it costs more than there is".to_owned());
        return Ok(Rejected);
    };
    order.total_cents = Some(total);
    Ok(Validated)
}

async fn pay(run: &mut Run<Order, OrderStatus>) -> Step<Next<OrderStatus>> {
    // A payment service would take this key, and charge once however often it is asked.
    let key = run.idempotency_key();
    let order = &mut run.object;
    let total = order.total_cents.ok_or_else(|| terminal("a validated order has a total"))?;
    let accepted = match &order.payment {
        Payment::Card { last_four }
            if last_four.len() != 4 || !last_four.bytes().all(|c| c.is_ascii_digit()) =>
        {
            // No attempt would help: the order is set aside until somebody has asked the customer.
            return Err(terminal("the last four digits of the card are not four digits"));
        }
        Payment::Card { last_four } => !last_four.ends_with('0'),
        Payment::Invoice => total <= INVOICE_MAX,
        Payment::Voucher { code } if code.starts_with("OOPS") => {
            return Ok(Next::cancel("the customer changed their mind"));
        }
        Payment::Voucher { .. } => true,
    };
    if !accepted {
        order.log.push(format!("declined: {total} cents"));
        return Ok(Next::go_to(Declined));
    }
    order.log.push(format!("paid {total} cents under {key}"));
    Ok(Next::go_to(Paid))
}

async fn reserve(run: &mut Run<Order, OrderStatus>, shop: &Shop) -> Step<OrderStatus> {
    let order = &mut run.object;
    if let Some(item) = order.items.iter().find(|item| item.sku.starts_with("RARE")) {
        order.log.push(format!("out of stock: {}, money returned", item.sku));
        return Ok(OutOfStock);
    }
    order.log.push("packed".to_owned());
    if order.courier == Courier::Prompt {
        // The call may come before this step is stored: then it is kept until the order is reserved. If this process
        // ends before, the courier is called again at the next start.
        shop.call_courier(order)?;
    }
    Ok(Reserved)
}

async fn courier_called(run: &mut Run<Order, OrderStatus>, payload: Payload) -> Step<OrderStatus> {
    let driver: String = payload.json()?;
    run.object.log.push(format!("collected by {driver}"));
    Ok(Collected)
}

/// Gives an order up for which nobody came. A courier who will come is only late, as after a crash of this program: he is
/// called once more and waited for, so that what becomes of an order does not hang on how fast the machine is.
async fn no_courier(run: &mut Run<Order, OrderStatus>, shop: &Shop) -> Step<Next<OrderStatus>> {
    if run.object.courier == Courier::Prompt {
        shop.call_courier(&run.object)?;
        return Ok(Next::skip());
    }
    run.object.log.push("no courier came, money returned".to_owned());
    Ok(Next::go_to(Undelivered))
}

async fn fulfil(run: &mut Run<Order, OrderStatus>) -> Step<OrderStatus> {
    run.object.log.push("delivered".to_owned());
    Ok(Fulfilled)
}

async fn send_receipt(_: &mut Run<Order, OrderStatus>, shop: &Shop) -> Step<()> {
    shop.receipts.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

async fn apologise(_: &mut Run<Order, OrderStatus>) -> Step<()> {
    Ok(())
}
