//! A first workflow: an enum of statuses, an async function for each step, and a builder that ties them together.
//!
//! Run it with `cargo run -p example-getting-started`.

use serde::{Deserialize, Serialize};
use workflow::prelude::*;

use CoffeeStatus::{Brewed, Ordered, Paid, Refused, Served};

/// Where a coffee is. The numbers are stored, so a variant may be renamed but never renumbered.
#[derive(Status, Clone, Copy, Debug, PartialEq)]
enum CoffeeStatus {
    Ordered = 1,
    Paid = 2,
    Brewed = 3,
    Served = 4,
    Refused = 5,
}

/// The object of a run: anything that serde can store. Each step may change it.
#[derive(Serialize, Deserialize)]
struct Coffee {
    guest: String,
    cents: u32,
    shots: u32,
}

/// A step returns the next status. The object and the status are stored together, or not at all.
async fn pay(run: &mut Run<Coffee, CoffeeStatus>) -> Step<CoffeeStatus> {
    Ok(if run.object.cents >= 250 { Paid } else { Refused })
}

/// `?` on any error has the engine try the step again later; other runs do not wait for it.
async fn brew(run: &mut Run<Coffee, CoffeeStatus>) -> Step<CoffeeStatus> {
    run.object.shots = "2".parse()?;
    Ok(Brewed)
}

async fn serve(run: &mut Run<Coffee, CoffeeStatus>) -> Step<CoffeeStatus> {
    println!("  {} gets {} shots of espresso", run.object.guest, run.object.shots);
    Ok(Served)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What leads where. `build` checks the whole, and names everything that is wrong at once.
    let coffees = Workflow::builder("coffees")
        .step(Ordered, pay, [Paid, Refused])
        .step(Paid, brew, [Brewed])
        .step(Brewed, serve, [Served])
        .build()?;

    // The runs live in a SQLite file; a program would keep it, this one throws it away at the end.
    let folder = tempfile::tempdir()?;
    let running = coffees.run(Sqlite::open(folder.path().join("coffees.db")).await?).await?;

    for (guest, cents) in [("Ada", 300), ("Bob", 100)] {
        println!("{guest} orders a coffee for {cents} cents");
        let coffee = Coffee { guest: guest.to_owned(), cents, shots: 0 };
        let run = running.trigger(guest, coffee).await?;
        let done = running.wait_for(&run).finished().await?;
        println!("  {guest}'s coffee is {:?} and the run {}", done.status(), done.run_state());

        // Every move was stored, and can be read back.
        for entry in running.history(&run).await? {
            println!("    version {} by {}: status {}", entry.version, entry.actor, entry.to_status);
        }
    }
    running.shutdown(std::time::Duration::from_secs(1)).await;
    Ok(())
}
