//! The courier, played by this program: collects what is packed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use workflow::adapter::{Clock, ListQuery, Page, SystemClock};
use workflow::prelude::*;

use crate::order::{Courier, Order, OrderStatus};
use crate::progress::say;

/// How many parcels are collected at once.
const VANS: usize = 512;

/// How many runs one query gives.
const PAGE: usize = 500;

/// How long a call that the database did not take waits before it is made again; twice as long each time.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// The longest such wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// Collects what it is called for, until nobody can call it any more.
pub async fn work(client: Client<Order, OrderStatus>, mut calls: mpsc::UnboundedReceiver<String>) {
    let vans = Arc::new(Semaphore::new(VANS));
    while let Some(order) = calls.recv().await {
        let Ok(van) = Arc::clone(&vans).acquire_owned().await else { return };
        let client = client.clone();
        tokio::spawn(async move {
            collect(&client, &order).await;
            drop(van);
        });
    }
}

async fn collect(client: &Client<Order, OrderStatus>, order: &str) {
    let driver = if order.len().is_multiple_of(2) { &br#""Mo""#[..] } else { br#""Kim""# };
    let clock = SystemClock::new();
    let mut wait = RETRY_AFTER;
    loop {
        // However often it is called, it is noted once.
        match client.callback(OrderStatus::Reserved, order, driver).key("collected").await {
            Err(error) if error.is_retryable() && wait <= RETRY_AFTER_MAX => clock.sleep(wait).await,
            Err(error) => return say(&format!("the courier could not collect {order}: {error}")),
            Ok(_) => return,
        }
        wait *= 2;
    }
}

/// Calls the courier for what was packed before this process began.
///
/// # Errors
/// If the runs cannot be listed.
pub async fn call_again(
    client: &Client<Order, OrderStatus>,
    office: &mpsc::UnboundedSender<String>,
) -> Result<(), workflow::Error> {
    let mut query = ListQuery {
        statuses: vec![workflow::Status::code(OrderStatus::Reserved)],
        run_states: vec![RunState::Running],
        limit: PAGE,
        ..ListQuery::default()
    };
    loop {
        let page = client.list(query.clone()).await?;
        for run in &page.runs {
            if run.object().is_ok_and(|order| order.courier == Courier::Prompt) {
                // The office is open for as long as the courier works.
                let _ = office.send(run.foreign_id().to_string());
            }
        }
        match page.next {
            Some(cursor) => query.page = Page::After(cursor),
            None => return Ok(()),
        }
    }
}
