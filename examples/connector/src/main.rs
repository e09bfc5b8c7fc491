//! Runs that are started by a stream of foreign events: a bank reports payments, and each is booked once.
//!
//! Run it with `cargo run -p example-connector`.

mod bank;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use workflow::Api;
use workflow::adapter::ConnectorEvent;
use workflow::prelude::*;

use PaymentStatus::{Booked, Received};

#[derive(Status, Clone, Copy, Debug, PartialEq)]
enum PaymentStatus {
    Received = 1,
    Booked = 2,
}

#[derive(Serialize, Deserialize)]
struct Payment {
    payer: String,
    cents: u64,
}

struct Ledger {
    lines: mpsc::UnboundedSender<String>,
}

/// Called for every event of the source, again if it failed or the process ended before it was settled. With the event's
/// own id as the key, a repetition gives the run that is there.
async fn payment_arrived(api: &Api<Payment, PaymentStatus>, event: &ConnectorEvent) -> Step<()> {
    let cents = std::str::from_utf8(&event.data)?.parse()?;
    let payment = Payment { payer: event.key.clone(), cents };
    api.trigger_once(&event.id, &event.id, payment).await?;
    Ok(())
}

async fn book(run: &mut Run<Payment, PaymentStatus>, ledger: &Ledger) -> Step<PaymentStatus> {
    let Payment { payer, cents } = &run.object;
    ledger.lines.send(format!("{}: {cents} cents from {payer}", run.foreign_id()))?;
    Ok(Booked)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The bank reports one payment twice, and one that is no amount.
    let bank = bank::Bank::reporting([
        ("payment-1", "Ada", "1500"),
        ("payment-2", "Bob", "990"),
        ("payment-1", "Ada", "1500"),
        ("payment-3", "Eve", "a lot"),
        ("payment-4", "Ada", "20"),
    ]);
    let (lines, mut ledger) = mpsc::unbounded_channel();
    let payments = Workflow::builder("payments")
        .connector("bank", bank.clone(), payment_arrived)
        .with(Options::new().pause_after(1))
        .step(Received, book, [Booked])
        .state(Ledger { lines })
        .build()?;
    let running = payments.run(Memory::new()).await?;

    // Settled is what the connector has dealt with, in one way or another.
    bank.settled(5).await;
    let mut booked = Vec::new();
    while booked.len() < 3 {
        booked.push(ledger.recv().await.ok_or("the ledger is closed")?);
    }
    booked.sort();
    println!("booked:\n  {}", booked.join("\n  "));

    // An event that no attempt can take is set aside with the reason, so that those behind it go on.
    for letter in running.dead_letters(10).await? {
        println!("set aside:\n  {}: {}", letter.id, letter.reason);
    }
    let none = running.latest("payment-3").await?.is_none();
    println!("payment-3 has {} run", if none { "no" } else { "a" });
    running.shutdown(std::time::Duration::from_secs(1)).await;
    Ok(())
}
