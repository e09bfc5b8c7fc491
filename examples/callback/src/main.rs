//! A run that waits for a call from outside: a parcel is ready, and a courier has to come for it.
//!
//! Run it with `cargo run -p example-callback`.

use serde::{Deserialize, Serialize};
use workflow::prelude::*;

use ParcelStatus::{Collected, Delivered, Ordered, Packed};

#[derive(Status, Clone, Copy, Debug, PartialEq)]
enum ParcelStatus {
    Ordered = 1,
    Packed = 2,
    Collected = 3,
    Delivered = 4,
}

#[derive(Serialize, Deserialize)]
struct Parcel {
    courier: Option<String>,
}

/// What the courier's scanner sends.
#[derive(Serialize, Deserialize)]
struct Scan {
    courier: String,
}

async fn pack(_: &mut Run<Parcel, ParcelStatus>) -> ParcelStatus {
    Packed
}

/// A callback is a step with a payload. No process runs meanwhile: a waiting run is a row in a table.
async fn collect(run: &mut Run<Parcel, ParcelStatus>, payload: Payload) -> Step<ParcelStatus> {
    let scan: Scan = payload.json()?;
    run.object.courier = Some(scan.courier);
    Ok(Collected)
}

async fn deliver(_: &mut Run<Parcel, ParcelStatus>) -> ParcelStatus {
    Delivered
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let parcels = Workflow::builder("parcels")
        .step(Ordered, pack, [Packed])
        .callback(Packed, collect, [Collected])
        .step(Collected, deliver, [Delivered])
        .build()?;
    let running = parcels.run(Memory::new()).await?;
    let scan = br#"{"courier":"Kim"}"#;

    // A call for a parcel that nobody sent does nothing, and says so.
    let outcome = running.callback(Packed, "parcel-1", scan.as_slice()).await?;
    println!("before there is a parcel: {outcome:?}");

    let run = running.trigger("parcel-1", Parcel { courier: None }).await?;
    running.wait_for(&run).status(Packed).await?;
    println!("the parcel is packed and waits for its courier");

    // The key tells a repeated call from a new one: networks send things twice.
    for attempt in ["the courier scans it", "the scanner sends it again"] {
        let outcome = running.callback(Packed, "parcel-1", scan.as_slice()).key("scan-17").await?;
        println!("{attempt}: {outcome:?}");
    }

    let done = running.wait_for(&run).finished().await?;
    let courier = done.object()?.courier.unwrap_or_default();
    println!("the parcel is {:?}, by {courier}", done.status());

    // Without a key, a call for a run that has gone on is told where the run is.
    let outcome = running.callback(Packed, "parcel-1", scan.as_slice()).await?;
    println!("a late call: {outcome:?}");
    running.shutdown(std::time::Duration::from_secs(1)).await;
    Ok(())
}
