//! How many queries an engine sends that has nothing to do, counted by the server.

use std::time::{Duration, Instant};

use crate::measure::{Extent, median, progress, threads};
use crate::quiet::{Quiet, WORKFLOWS};
use crate::report::Measured;
use crate::sql::{Counter, Database, How, Kind, backend};

/// How many spans are looked at; others may use the server in one of them.
const SPANS: usize = 3;

pub(super) fn measure(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let span = Duration::from_secs(extent.pick(10, 3));
    let mut results = Vec::new();
    let mut worst = 0f64;
    for kind in Kind::ALL {
        let rate = threads()?.block_on(queries_per_second(kind, span))?;
        worst = worst.max(rate);
        results.push(Measured::new(format!("{}_idle_queries_per_second", kind.name()), rate, "1/s"));
    }
    results.insert(0, Measured::new("idle_queries_per_second", worst, "1/s").at_most(4.0));
    Ok(results)
}

async fn queries_per_second(kind: Kind, span: Duration) -> anyhow::Result<f64> {
    let database = Database::fresh(kind).await?;
    let (backend, _) = backend(&database, How::Grouped).await?;
    let quiet = Quiet::start(&backend).await?;
    let mut counter = Counter::new(&database).await?;
    progress(format!(
        "{}: {WORKFLOWS} workflows at rest, for {} s",
        kind.name(),
        (span * SPANS as u32).as_secs()
    ));
    let mut rates = Vec::with_capacity(SPANS);
    for _ in 0..SPANS {
        let (begun, before) = (Instant::now(), counter.queries().await?);
        tokio::time::sleep(span).await;
        let sent = counter.queries().await? - before;
        rates.push(sent as f64 / begun.elapsed().as_secs_f64());
    }
    quiet.stop().await;
    Ok(median(rates))
}
