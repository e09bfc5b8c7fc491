//! Money that moves from one account to another in the transaction of a transition.

use std::path::Path;

use serde::{Deserialize, Serialize};
use store_sql::sqlite::attach;
use workflow::adapter::Backend;
use workflow::prelude::*;

use crate::patience::{PATIENCE, patiently};
use crate::raw::Raw;

/// How many transfers there are.
pub const TRANSFERS: u64 = 40;

/// What is in the first account at the beginning, in cents.
pub const CENTS: i64 = 100_000;

/// How many transfers are under way at once: few, so that there are many commits.
const IN_FLIGHT: usize = 2;

/// Where a transfer is.
#[derive(Status, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// It was asked for.
    Asked = 1,
    /// The money has moved.
    Moved = 2,
    /// The customer knows.
    Told = 3,
}

/// How much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Amount {
    /// In cents.
    pub cents: i64,
}

/// Makes the accounts.
///
/// # Panics
/// If the file cannot be written.
pub async fn accounts(file: &Path) {
    let mut raw = Raw::open(file).await.expect("the file can be opened");
    let sql = format!(
        "create table accounts (name text primary key, cents integer not null check (cents >= 0));
         create table bookings (run_id text not null, cents integer not null);
         insert into accounts values ('mine', {CENTS}), ('yours', 0)"
    );
    raw.run(&sql).await.expect("the accounts can be made");
}

/// The workflow.
///
/// # Errors
/// None, unless somebody breaks the definition below.
pub fn transfers() -> Result<Workflow<Amount, Transfer>, workflow::DefinitionErrors> {
    Workflow::builder("transfers")
        .step(Transfer::Asked, transfer, [Transfer::Moved])
        .step(Transfer::Moved, tell, [Transfer::Told])
        .options(Options::new().in_flight(IN_FLIGHT))
        .build()
}

/// Starts all transfers that are not started, and waits for their ends.
///
/// # Errors
/// If the backend fails.
pub async fn all(backend: impl Into<Backend>) -> anyhow::Result<()> {
    let running = transfers()?.run(backend).await?;
    let starts = (1..=TRANSFERS).map(|number| {
        let id = format!("transfer-{number}");
        Start::new(id.clone(), Amount { cents: i64::try_from(number).unwrap_or(i64::MAX) }).key(id)
    });
    for run in running.trigger_all(starts).await? {
        patiently("the end of a transfer", running.wait_for(&run?).finished()).await?;
    }
    running.shutdown(PATIENCE).await;
    Ok(())
}

async fn transfer(run: &mut Run<Amount, Transfer>) -> Step<Transfer> {
    let (cents, id) = (run.object.cents, run.id().to_string());
    run.attach(attach(move |connection| {
        let id = id.clone();
        Box::pin(async move {
            let debit = "update accounts set cents = cents - ? where name = 'mine'";
            sqlx::query(debit).bind(cents).execute(&mut *connection).await?;
            let credit = "update accounts set cents = cents + ? where name = 'yours'";
            sqlx::query(credit).bind(cents).execute(&mut *connection).await?;
            let booking = "insert into bookings values (?, ?)";
            sqlx::query(booking).bind(id).bind(cents).execute(connection).await?;
            Ok::<(), sqlx::Error>(())
        })
    }));
    Ok(Transfer::Moved)
}

async fn tell(_: &mut Run<Amount, Transfer>) -> Step<Transfer> {
    Ok(Transfer::Told)
}
