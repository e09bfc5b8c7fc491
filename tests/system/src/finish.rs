//! Takes a database of orders to its end in this process.

use std::sync::Arc;

use order_processor::courier;
use order_processor::flow::{Shop, orders};
use order_processor::order::Order;
use tokio::sync::mpsc;
use workflow::Start;

use crate::ground::Ground;
use crate::patience::{PATIENCE, patiently, until};

/// Starts what is not started, resumes the rest, and waits until nothing is left to do.
///
/// # Panics
/// If something fails.
pub async fn finish(ground: &Ground, input: &[Order]) {
    let (office, calls) = mpsc::unbounded_channel();
    let shop = Shop { courier: office.clone(), receipts: Arc::default() };
    let workflow = orders(shop, 2000).expect("the workflow is right");
    let database = ground.database().await;
    let running = workflow.run(&database).await.expect("the workflow can be run");
    let courier = tokio::spawn(courier::work(running.client(), calls));
    courier::call_again(&running, &office).await.expect("the runs can be listed");
    let starts = input.iter().map(|order| Start::new(order.id.clone(), order.clone()).key(order.id.clone()));
    let started = running.trigger_all(starts).await.expect("the store answers");
    for run in started {
        let run = run.expect("an order is started once");
        let rest = patiently("the end of an order", running.wait_for(&run).finished()).await;
        rest.expect("an order ends");
    }
    drained(ground).await;
    courier.abort();
    running.shutdown(PATIENCE).await;
}

/// Waits until every event has been dealt with.
async fn drained(ground: &Ground) {
    let mut session = ground.session().await;
    let left = "select (select count(*) from workflow_outbox) + (select count(*) from workflow_retries)";
    until("an empty outbox", async || session.number(left).await.expect("a number") == 0).await;
}
