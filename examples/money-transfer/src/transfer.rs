//! The workflow of a transfer.

use serde::{Deserialize, Serialize};
use workflow::adapter::Backend;
use workflow::any::attach;
use workflow::prelude::*;

use crate::accounts::{NAMES, book};

/// Where a transfer is.
#[derive(Status, Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// It was asked for.
    Asked = 1,
    /// The money has moved.
    Moved = 2,
    /// Both sides know.
    Confirmed = 3,
}

/// A transfer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// Whose money it is.
    pub from: String,
    /// Who gets it.
    pub to: String,
    /// How much, in cents.
    pub cents: i64,
}

impl Transfer {
    /// The transfer that has a number.
    pub fn numbered(number: u32) -> Self {
        let name = |place: u32| NAMES[place as usize % NAMES.len()].to_owned();
        Self { from: name(number), to: name(number.wrapping_add(1)), cents: i64::from(number % 97) + 1 }
    }
}

/// The workflow.
///
/// # Errors
/// None, unless somebody breaks the definition below.
pub fn transfers(in_flight: usize) -> Result<Workflow<Transfer, At>, workflow::DefinitionErrors> {
    Workflow::builder("transfers")
        .step(At::Asked, move_money, [At::Moved])
        .step(At::Moved, confirm, [At::Confirmed])
        .options(Options::new().in_flight(in_flight))
        .build()
}

/// The function may be called again after a crash; what it attaches is stored with the transition, and so once.
async fn move_money(run: &mut Run<Transfer, At>) -> Step<At> {
    let (run_id, transfer) = (run.id().to_string(), run.object.clone());
    run.attach(attach(move |connection| {
        // The database may ask for the transaction once more, as after a deadlock.
        let (run_id, transfer) = (run_id.clone(), transfer.clone());
        Box::pin(async move { book(connection, &run_id, &transfer).await })
    }));
    Ok(At::Moved)
}

async fn confirm(_: &mut Run<Transfer, At>) -> Step<At> {
    Ok(At::Confirmed)
}

/// Makes the transfers from 1 to `count`. Those that were asked for before are not made again; those that a killed program
/// left in the middle go on.
///
/// # Errors
/// If the database fails.
pub async fn make(backend: impl Into<Backend>, count: u32, in_flight: usize) -> anyhow::Result<()> {
    let running = transfers(in_flight)?.run(backend).await?;
    let starts = (1..=count).map(|number| {
        let id = format!("transfer-{number}");
        Start::new(id.clone(), Transfer::numbered(number)).key(id)
    });
    for run in running.trigger_all(starts).await? {
        running.wait_for(&run?).finished().await?;
    }
    running.shutdown(std::time::Duration::from_secs(10)).await;
    Ok(())
}
