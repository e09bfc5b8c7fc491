//! Workflows that have nothing to do.

use std::time::Duration;

use workflow::adapter::Backend;
use workflow::prelude::*;

use crate::load::{Order, Progress};
use crate::process;

/// How many workflows are registered.
pub(crate) const WORKFLOWS: usize = 20;

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

/// Workflows at rest, each with a run that waits for a timer.
pub(crate) struct Quiet(Vec<Running<Order, Progress>>);

impl Quiet {
    pub(crate) async fn start(backend: &Backend) -> anyhow::Result<Self> {
        let mut running = Vec::with_capacity(WORKFLOWS);
        for number in 0..WORKFLOWS {
            let workflow = Workflow::builder(format!("idle {number}"))
                .step(Progress::Placed, pay, [Progress::Paid])
                .step(Progress::Paid, pack, [Progress::Packed])
                .timeout(Progress::Packed, after(Duration::from_secs(48 * 3600)), give_up, [Progress::Sent])
                .on_complete(receipt)
                .build()?;
            running.push(workflow.run(backend.clone()).await?);
        }
        // One run each, so that nothing is idle only because it has never begun.
        for running in &running {
            let run = running.trigger("order", Order::new(1)).await?;
            running.wait_for(&run).status(Progress::Packed).await?;
        }
        process::at_rest().await;
        Ok(Self(running))
    }

    pub(crate) async fn stop(self) {
        for running in self.0 {
            running.shutdown(Duration::from_secs(5)).await;
        }
    }
}
