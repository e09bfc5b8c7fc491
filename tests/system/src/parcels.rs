//! A small workflow for tests of one thing at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use workflow::prelude::*;
use workflow::{DefinitionErrors, Due, RetryPolicy, StepError};

use crate::parcels::At::{Lost, Packed, Placed, Sent};

/// Where a parcel is.
#[derive(Status, Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// It is to be packed.
    Placed = 1,
    /// It waits to be sent.
    Packed = 2,
    /// It is on its way.
    Sent = 3,
    /// It waited too long.
    Lost = 4,
}

/// A parcel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parcel {
    /// What it weighs.
    pub grams: u64,
    /// Whether it can be packed only when [`Depot::mend`] was called.
    #[serde(default)]
    pub fragile: bool,
    /// How long it waits to be sent, in milliseconds; for ever if nobody says.
    #[serde(default)]
    pub patience_ms: Option<u64>,
    /// Filling.
    #[serde(default)]
    pub padding: String,
}

/// What the steps share.
#[derive(Clone, Debug, Default)]
pub struct Depot {
    mended: Arc<AtomicBool>,
    packed: Arc<AtomicU64>,
}

impl Depot {
    /// One that can pack fragile parcels.
    pub fn mended() -> Self {
        let depot = Self::default();
        depot.mend();
        depot
    }

    /// From now on fragile parcels can be packed.
    pub fn mend(&self) {
        self.mended.store(true, Ordering::Release);
    }

    /// How often a parcel was packed.
    pub fn packed(&self) -> u64 {
        self.packed.load(Ordering::Acquire)
    }
}

/// The workflow.
///
/// # Errors
/// None, unless somebody breaks the definition below.
pub fn parcels(depot: Depot) -> Result<Workflow<Parcel, At>, DefinitionErrors> {
    let quick = RetryPolicy { base: Duration::from_millis(5), cap: Duration::from_millis(20) };
    Workflow::builder("parcels")
        .step(Placed, pack, [Packed])
        .with(Options::new().in_place_retries(0).never_pause().retry(quick))
        .callback(Packed, send, [Sent])
        .buffered()
        .timeout(Packed, patience, lose, [Lost])
        .on_complete(celebrate)
        .reconcile_every(Duration::from_millis(50))
        .state(depot)
        .build()
}

async fn pack(run: &mut Run<Parcel, At>, depot: &Depot) -> Step<At> {
    if run.object.fragile && !depot.mended.load(Ordering::Acquire) {
        return Err(retryable("there is nothing soft to pack it in"));
    }
    depot.packed.fetch_add(1, Ordering::AcqRel);
    Ok(Packed)
}

async fn send(_: &mut Run<Parcel, At>, _: Payload) -> Step<At> {
    Ok(Sent)
}

fn patience(run: &Run<Parcel, At>) -> Result<Option<Due>, StepError> {
    Ok(run.object.patience_ms.map(|wait| after(Duration::from_millis(wait))))
}

async fn lose(_: &mut Run<Parcel, At>) -> Step<At> {
    Ok(Lost)
}

async fn celebrate(_: &mut Run<Parcel, At>) -> Step<()> {
    Ok(())
}
