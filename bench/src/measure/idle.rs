//! What an engine costs that has nothing to do.

use std::time::{Duration, Instant};

use workflow::prelude::*;

use super::{Extent, progress, threads};
use crate::load::{Order, Progress};
use crate::place::Place;
use crate::process;
use crate::report::Measured;

/// How many workflows are registered.
const WORKFLOWS: usize = 20;

async fn pay(_: &mut Run<Order, Progress>) -> Step<Progress> {
    Ok(Progress::Paid)
}

async fn pack(_: &mut Run<Order, Progress>) -> Step<Progress> {
    Ok(Progress::Packed)
}

async fn give_up(_: &mut Run<Order, Progress>) -> Step<Progress> {
    Ok(Progress::Sent)
}

async fn receipt(_: &mut Run<Order, Progress>) -> Step<()> {
    Ok(())
}

pub(super) fn measure(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let (place, span) = (Place::new()?, Duration::from_secs(extent.pick(30, 5)));
    threads()?.block_on(async {
        let backend = Sqlite::open(place.file("engine.db")).await?;
        let mut running = Vec::with_capacity(WORKFLOWS);
        for number in 0..WORKFLOWS {
            let workflow = Workflow::builder(format!("idle {number}"))
                .step(Progress::Placed, pay, [Progress::Paid])
                .step(Progress::Paid, pack, [Progress::Packed])
                .timeout(Progress::Packed, after(Duration::from_secs(48 * 3600)), give_up, [Progress::Sent])
                .on_complete(receipt)
                .build()?;
            running.push(workflow.run(&backend).await?);
        }
        // One run each, so that nothing is idle only because it has never begun.
        for running in &running {
            let run = running.trigger("order", Order::new(1)).await?;
            running.wait_for(&run).status(Progress::Packed).await?;
        }
        process::at_rest().await;
        progress(format!("{WORKFLOWS} workflows at rest, for {} s", span.as_secs()));
        let (begun, cpu, sleeps) = (Instant::now(), process::cpu_time(), process::sleeps()?);
        tokio::time::sleep(span).await;
        let (used, slept) = (process::cpu_time() - cpu, process::sleeps()? - sleeps);
        let seconds = begun.elapsed().as_secs_f64();
        for running in running {
            running.shutdown(Duration::from_secs(5)).await;
        }
        Ok(vec![
            Measured::new("idle_cpu_percent", used.as_secs_f64() / seconds * 100.0, "percent").at_most(0.5),
            Measured::new("idle_wakeups_per_second", slept as f64 / seconds, "1/s"),
        ])
    })
}
