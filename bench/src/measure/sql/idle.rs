//! How many queries an engine sends that has nothing to do, counted by the server.

use std::time::{Duration, Instant};

use crate::measure::{Extent, median, progress, threads};
use crate::quiet::{Quiet, WORKFLOWS};
use crate::report::Measured;
use crate::sql::{Counter, Database, How, Kind, backend};

/// How long a span is: a statement that a connection prepares is counted as well, and there are some of both.
const SPAN: Duration = Duration::from_secs(10);

pub(super) fn measure(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let mut results = Vec::new();
    let mut worst = 0f64;
    for kind in Kind::ALL {
        let rate = threads()?.block_on(queries_per_second(kind, extent.pick(3, 1)))?;
        worst = worst.max(rate);
        results.push(Measured::new(format!("{}_idle_queries_per_second", kind.name()), rate, "1/s"));
    }
    results.insert(0, Measured::new("idle_queries_per_second", worst, "1/s").at_most(4.0));
    Ok(results)
}

/// The median of so many spans, after one that is not counted.
async fn queries_per_second(kind: Kind, spans: u32) -> anyhow::Result<f64> {
    let database = Database::fresh(kind).await?;
    let (backend, _) = backend(&database, How::Grouped).await?;
    let quiet = Quiet::start(&backend).await?;
    let mut counter = Counter::new(&database).await?;
    progress(format!("{}: {WORKFLOWS} workflows at rest", kind.name()));
    let mut rates = Vec::new();
    for span in 0..=spans {
        let (begun, before) = (Instant::now(), counter.queries().await?);
        tokio::time::sleep(SPAN).await;
        let sent = counter.queries().await? - before;
        if span > 0 {
            rates.push(sent as f64 / begun.elapsed().as_secs_f64());
        }
    }
    quiet.stop().await;
    Ok(median(rates))
}
