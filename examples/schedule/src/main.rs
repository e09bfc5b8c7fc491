//! Runs that start by themselves: when a schedule's slots are, and what happens at one.
//!
//! Run it with `cargo run -p example-schedule`.

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use workflow::prelude::*;
use workflow::{CronSpec, Timestamp};

use ReportStatus::{Due, Sent};

#[derive(Status, Clone, Copy, Debug, PartialEq)]
enum ReportStatus {
    Due = 1,
    Sent = 2,
}

#[derive(Serialize, Deserialize)]
struct Report {
    title: String,
}

/// What the steps share: here, the printer's tray.
struct Office {
    tray: mpsc::UnboundedSender<String>,
}

async fn send(run: &mut Run<Report, ReportStatus>, office: &Office) -> Step<ReportStatus> {
    office.tray.send(format!("{} for {}", run.object.title, run.foreign_id()))?;
    Ok(Sent)
}

/// The next slots of a spec after the evening of Friday, 2 January 2026.
fn show_slots(spec: &CronSpec) {
    let friday_evening = Timestamp::from_millis(1_767_373_200_000);
    let slots = std::iter::successors(spec.next_after(friday_evening), |slot| spec.next_after(*slot));
    println!("{}", spec.as_str());
    for slot in slots.take(3) {
        println!("  {slot}");
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    show_slots(&CronSpec::parse_in_zone("30 2 * * mon-fri", "Europe/Berlin")?);
    show_slots(&CronSpec::parse("@every 1h30m")?);
    if let Err(mistake) = CronSpec::parse("0 25 * * *") {
        println!("a mistake is named with its place:\n  {mistake}");
    }

    let (tray, mut printed) = mpsc::unbounded_channel();
    let reports = Workflow::builder("reports")
        .step(Due, send, [Sent])
        // Each slot starts one run of this business key, in whichever process owns the schedule. A slot that falls
        // while the run before is unfinished is skipped; of those missed while nothing ran, the latest is made up for.
        .schedule(Schedule::new("the board", "@every 1s", || Report { title: "sales".to_owned() }))
        // A filter passes slots over: this one never reports.
        .schedule(
            Schedule::new("nobody", "@every 1s", || Report { title: "gossip".to_owned() }).only_if(|| false),
        )
        .state(Office { tray })
        .build()?;
    let running = reports.run(Memory::new()).await?;

    let report = printed.recv().await.ok_or("the office is closed")?;
    println!("at the next full second: {report}");
    running.shutdown(std::time::Duration::from_secs(1)).await;
    Ok(())
}
