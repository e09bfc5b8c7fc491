//! What an engine costs that has nothing to do.

use std::time::{Duration, Instant};

use workflow::prelude::Sqlite;

use super::{Extent, progress, threads};
use crate::place::Place;
use crate::process;
use crate::quiet::{Quiet, WORKFLOWS};
use crate::report::Measured;

pub(super) fn measure(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let (place, span) = (Place::new()?, Duration::from_secs(extent.pick(30, 5)));
    threads()?.block_on(async {
        let quiet = Quiet::start(&Sqlite::open(place.file("engine.db")).await?.into()).await?;
        progress(format!("{WORKFLOWS} workflows at rest, for {} s", span.as_secs()));
        let (begun, cpu, sleeps) = (Instant::now(), process::cpu_time(), process::sleeps()?);
        tokio::time::sleep(span).await;
        let (used, slept) = (process::cpu_time() - cpu, process::sleeps()? - sleeps);
        let seconds = begun.elapsed().as_secs_f64();
        quiet.stop().await;
        Ok(vec![
            Measured::new("idle_cpu_percent", used.as_secs_f64() / seconds * 100.0, "percent").at_most(0.5),
            Measured::new("idle_wakeups_per_second", slept as f64 / seconds, "1/s"),
        ])
    })
}
