//! A backlog of the outbox beside the same events in memory, by the same producer.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use outbox_relay::{Drained, Relay, RelayMetrics, RelayOptions};
use tokio::task::JoinSet;
use workflow::adapter::{EventStreamer, Namespaced, Publication, RelayStore, SendOutcome};
use workflow::memory::InProcessScheduler;
use workflow::prelude::{MySql, Postgres};

use crate::measure::{Extent, median, progress, threads};
use crate::report::Measured;
use crate::sql::{Kind, make_tables};
use crate::stack::{Backlog, RELAY_SHARDS, Stack, backlog};

pub(super) fn measure(kind: Kind, extent: Extent) -> anyhow::Result<Vec<Measured>> {
    let rows = extent.pick(200_000, 100_000);
    let bound = match kind {
        Kind::Postgres => 0.7,
        Kind::MariaDb => 0.5,
    };
    let (mut ratios, mut relays, mut producers) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=extent.repetitions() {
        let (relayed, produced) = threads()?.block_on(round_of(kind, rows))?;
        let (relay, producer) = (rows as f64 / relayed.as_secs_f64(), rows as f64 / produced.as_secs_f64());
        progress(format!("round {round}, {}: relay {relay:.0} rows/s, producer {producer:.0}", kind.name()));
        ratios.push(relay / producer);
        relays.push(relay);
        producers.push(producer);
    }
    let named = |what: &str, value, unit| Measured::new(format!("{what}_{}", kind.name()), value, unit);
    Ok(vec![
        named("relay_of_producer", median(ratios), "ratio").at_least(bound),
        named("relay_rows_per_second", median(relays), "rows/s"),
        named("producer_events_per_second", median(producers), "events/s"),
    ])
}

async fn round_of(kind: Kind, rows: usize) -> anyhow::Result<(Duration, Duration)> {
    let stack = Stack::fresh(kind).await?;
    make_tables(&stack.database).await?;
    let events = backlog(&stack.database, rows).await?;
    let streamer = Arc::new(Namespaced::new(stack.kafka()?, stack.namespace()?));
    // The topic is made and its leader known before anything is timed.
    let first: Vec<Publication> = events.iter().take(1).cloned().collect();
    streamer.send(first).await?;
    let url = stack.database.url()?;
    let relayed = match kind {
        Kind::MariaDb => relay(MySql::connect(&url).await?.store().clone(), &stack).await?,
        Kind::Postgres => relay(Postgres::connect(&url).await?.store().clone(), &stack).await?,
    };
    let produced = produce(streamer, events).await?;
    Ok((relayed, produced))
}

async fn relay(store: impl RelayStore + Clone, stack: &Stack) -> anyhow::Result<Duration> {
    let streamer = Namespaced::new(stack.kafka()?, stack.namespace()?);
    let shards = NonZeroU32::new(RELAY_SHARDS).unwrap_or(NonZeroU32::MIN);
    let begun = Instant::now();
    let relay = Relay::new(store, streamer, InProcessScheduler::new(), RelayMetrics::new()).shards(shards);
    let drained = relay.drain(Default::default()).await;
    ensure!(drained == Drained::All, "the relay has left rows behind: {drained:?}");
    Ok(begun.elapsed())
}

/// Sends the events in the relay's pages, as many at once as its shards may have under way.
async fn produce<T: EventStreamer>(streamer: Arc<T>, events: Backlog) -> anyhow::Result<Duration> {
    let options = RelayOptions::default();
    let pages = options.in_flight_events / options.page * RELAY_SHARDS as usize;
    let mut left = events.chunks(options.page).map(<[Publication]>::to_vec).collect::<Vec<_>>().into_iter();
    let begun = Instant::now();
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < pages
            && let Some(page) = left.next()
        {
            let streamer = Arc::clone(&streamer);
            under_way.spawn(async move { streamer.send(page).await });
        }
        let Some(sent) = under_way.join_next().await else { return Ok(begun.elapsed()) };
        let durable = sent??.iter().all(|outcome| *outcome == SendOutcome::Durable);
        ensure!(durable, "the producer's queue is too short");
    }
}
