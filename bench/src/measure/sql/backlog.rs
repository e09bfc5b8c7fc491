//! Whether a large backlog of the outbox is as fast to take down at its end as at its start.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::runs_per_second;
use crate::measure::{Extent, median, progress, threads};
use crate::report::Measured;
use crate::sql::{self, Database, How, Kind};

/// How many rows are claimed and deleted at once: the engine's own page.
const PAGE: usize = 1000;

/// The rate of one tenth of the rows is compared with that of another.
const PARTS: usize = 10;

pub(super) fn measure(extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let rows = extent.pick(1_000_000, 200_000);
    let mut results = Vec::new();
    let mut worst = f64::INFINITY;
    for kind in Kind::ALL {
        let (mut ratios, mut rates) = (Vec::new(), Vec::new());
        for round in 1..=extent.pick(3, 1) {
            let parts = threads()?.block_on(take_down(kind, rows))?;
            let rate = |took: Duration| runs_per_second(rows / PARTS as u64, took);
            let (first, last) = (rate(parts[0]), rate(parts[PARTS - 1]));
            progress(format!("round {round}, {}: {first:.0} rows/s, at the end {last:.0}", kind.name()));
            ratios.push(last / first);
            rates.push(runs_per_second(rows, parts.iter().sum()));
        }
        let ratio = median(ratios);
        worst = worst.min(ratio);
        let named = |what: &str, value, unit| Measured::new(format!("{}_{what}", kind.name()), value, unit);
        results.push(named("outbox_million", ratio, "ratio"));
        results.push(named("outbox_rows_per_second", median(rates), "rows/s"));
    }
    results.insert(0, Measured::new("outbox_million", worst, "ratio").at_least(0.8));
    Ok(results)
}

/// Claims pages of the outbox and deletes them, each from the head, as a relay does whose stream is often full. Tells how
/// long each tenth took.
async fn take_down(kind: Kind, rows: u64) -> anyhow::Result<Vec<Duration>> {
    let database = Database::fresh(kind).await?;
    let (backend, _) = sql::backend(&database, How::Grouped).await?;
    sql::backlog(&database, rows).await?;
    let (store, mut parts) = (backend.store(), Vec::with_capacity(PARTS));
    for _ in 0..PARTS {
        let begun = Instant::now();
        let mut left = rows as usize / PARTS;
        while left > 0 {
            let page = store.outbox(None, PAGE.min(left)).await?;
            let mut claimed = Vec::with_capacity(page.rows.len());
            for row in &page.rows {
                let (id, _) =
                    row.event.as_ref().map_err(|(why, _)| anyhow::anyhow!("row {}: {why}", row.id))?;
                claimed.push(*id);
            }
            ensure!(!claimed.is_empty(), "the outbox has fewer rows than were put there");
            left -= claimed.len();
            store.commit(Vec::new(), claimed).await?;
        }
        parts.push(begun.elapsed());
    }
    let rest = store.outbox(None, 1).await?;
    ensure!(rest.rows.is_empty(), "a row that was deleted is still there");
    Ok(parts)
}
