//! A run that waits, but not for ever: a guest answers an invitation, is reminded of it, or lets it lapse.
//!
//! Run it with `cargo run -p example-timeout`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use workflow::Due;
use workflow::prelude::*;

use InvitationStatus::{Accepted, Lapsed, Reminded, Sent};

/// How long after the reminder an invitation lapses.
const GRACE: Duration = Duration::from_millis(50);

#[derive(Status, Clone, Copy, Debug, PartialEq)]
enum InvitationStatus {
    Sent = 1,
    Reminded = 2,
    Accepted = 3,
    Lapsed = 4,
}

#[derive(Serialize, Deserialize)]
struct Invitation {
    guest: String,
    patience: Option<Duration>,
}

/// Asked when a run enters the status. Its instant is stored with that move, and outlives the process; `None` sets no
/// timer for this run.
fn patience(run: &Run<Invitation, InvitationStatus>) -> Step<Option<Due>> {
    Ok(run.object.patience.map(after))
}

/// Called when the time is up and the run is still there; it moves the run as a step does.
async fn remind(run: &mut Run<Invitation, InvitationStatus>) -> InvitationStatus {
    println!("  a reminder goes to {}", run.object.guest);
    Reminded
}

async fn lapse(run: &mut Run<Invitation, InvitationStatus>) -> InvitationStatus {
    println!("  the invitation of {} has lapsed", run.object.guest);
    Lapsed
}

async fn answer(_: &mut Run<Invitation, InvitationStatus>, _: Payload) -> InvitationStatus {
    Accepted
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let invitations = Workflow::builder("invitations")
        .callback(Sent, answer, [Accepted])
        .timeout(Sent, patience, remind, [Reminded])
        .callback(Reminded, answer, [Accepted])
        .timeout(Reminded, after(GRACE), lapse, [Lapsed])
        .build()?;
    let running = invitations.run(Memory::new()).await?;

    println!(
        "three invitations are sent: Ada has an hour, Bob the blink of an eye, Chloé all the time she wants"
    );
    let mut sent = Vec::new();
    for (guest, patience) in
        [("Ada", Some(Duration::from_secs(3600))), ("Bob", Some(Duration::from_millis(50))), ("Chloé", None)]
    {
        let invitation = Invitation { guest: guest.to_owned(), patience };
        sent.push(running.trigger(guest, invitation).await?);
    }

    // When Bob's time is up, nothing has become of the others, and both may still answer.
    running.wait_for(&sent[1]).finished().await?;
    running.callback(Sent, "Ada", "yes").await?;
    running.callback(Sent, "Chloé", "yes").await?;

    for run in &sent {
        let done = running.wait_for(run).finished().await?;
        println!("{}: {:?}", done.object()?.guest, done.status());
    }
    running.shutdown(Duration::from_secs(1)).await;
    Ok(())
}
