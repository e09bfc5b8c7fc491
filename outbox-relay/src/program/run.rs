//! The relay on the servers that the settings name.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use scheduler_etcd::EtcdScheduler;
use store_sql::Database;
use store_sql::config::PoolOptions;
use streamer_kafka::KafkaStreamer;
use telemetry::{Health, Telemetry};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use workflow_core::adapter::{Namespaced, RelayStore};

use super::settings::{Doorbell, Settings};
use super::signals;
use crate::relay::metrics::METER;
use crate::{Alone, Bell, Drained, Relay, RelayMetrics};

/// How many connections each shard uses at once: one reads, one deletes, one measures.
const CONNECTIONS_OF_SHARD: u32 = 3;

/// How long the wait is before a server is tried again that does not answer at the start.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Relays until it is stopped, or once; gives the exit status.
pub(crate) async fn run(settings: Settings, telemetry: &Telemetry) -> anyhow::Result<u8> {
    let stop = signals::stop().context("listen for signals")?;
    let (health, end) = (Health::starting(), CancellationToken::new());
    if let Some(address) = settings.listen {
        let served = telemetry.serve(address, &health, end.clone().cancelled_owned()).await;
        let address = served.with_context(|| format!("listen on {address}"))?;
        tracing::info!(%address, "health and metrics are served");
    }
    let database = tokio::select! {
        database = connect(&settings) => database?,
        () = stop.cancelled() => return Ok(0),
    };
    tracing::info!(database = %database.place(), shards = settings.shards.get(), once = settings.once, "relaying");
    health.ready();
    let (stopped, not_ready) = (stop.clone(), health.clone());
    tokio::spawn(async move {
        stopped.cancelled().await;
        not_ready.not_ready("it is being stopped");
    });
    let id = match &settings.etcd {
        Some(_) => Some(database.id().await.context("the id of the database")?),
        None => None,
    };
    let drained = match &database {
        Database::MySql(mysql) => relay(mysql.store().clone(), settings, id, telemetry, stop).await,
        Database::Postgres(postgres) => relay(postgres.store().clone(), settings, id, telemetry, stop).await,
        Database::Sqlite(sqlite) => relay(sqlite.store().clone(), settings, id, telemetry, stop).await,
        _ => anyhow::bail!("this kind of database has no relay"),
    };
    end.cancel();
    let drained = drained?;
    tracing::info!(?drained, "ended");
    Ok(match drained {
        Drained::All | Drained::Stopped => 0,
        Drained::Left => 3,
        Drained::Interrupted => 4,
    })
}

/// How the database is connected to.
pub(crate) fn options(settings: &Settings) -> store_sql::DatabaseOptions {
    let connections = settings.shards.get().saturating_mul(CONNECTIONS_OF_SHARD).clamp(4, 64);
    Database::options()
        .tables(settings.tables.clone())
        .pool(PoolOptions::new().max_open(connections).min_idle(0))
}

/// Connects; a server that is not up yet is waited for, one that refuses is not.
async fn connect(settings: &Settings) -> anyhow::Result<Database> {
    loop {
        match options(settings).connect_to(&settings.dsn).await {
            Ok(database) => return Ok(database),
            Err(error) if error.is_retryable() && !settings.once => {
                tracing::warn!(error = %crate::relay::causes(&error), "the database does not answer yet");
                tokio::time::sleep(TRY_EVERY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn relay<S: RelayStore + Clone>(
    store: S,
    settings: Settings,
    id: Option<Uuid>,
    telemetry: &Telemetry,
    stop: CancellationToken,
) -> anyhow::Result<Drained> {
    let bell = bell(&settings.doorbell, settings.once).await?;
    let kafka = KafkaStreamer::new(settings.kafka).context("the Kafka client")?;
    let closing = kafka.clone();
    let streamer = Namespaced::new(kafka, settings.namespace);
    let metrics = RelayMetrics::on(&telemetry.meter(METER));
    let (options, shards, once) = (settings.options, settings.shards, settings.once);
    let drained = match settings.etcd {
        None => {
            let relay = Relay::new(store.clone(), streamer, Alone::on(store), metrics);
            let relay = relay.options(options).bell(bell).trace_link(telemetry.link());
            if once { relay.drain(stop).await } else { relay.run(stop).await }
        }
        Some(etcd) => {
            let scheduler = EtcdScheduler::connect(etcd).await.context("etcd")?;
            if let Some(id) = id {
                // Two databases with one namespace would take each other's roles away.
                scheduler.bind_namespace(id).await.context("the namespace in etcd")?;
            }
            let session = scheduler.clone();
            let relay = Relay::new(store, streamer, scheduler, metrics);
            let relay = relay.options(options).shards(shards).bell(bell).trace_link(telemetry.link());
            let drained = if once { relay.drain(stop).await } else { relay.run(stop).await };
            session.close().await;
            drained
        }
    };
    if let Err(error) = closing.close().await {
        tracing::warn!(error = %error, "the Kafka client did not end in time");
    }
    Ok(drained)
}

async fn bell(doorbell: &Doorbell, once: bool) -> anyhow::Result<Bell> {
    if once || !doorbell.enabled {
        return Ok(Bell::silent());
    }
    let advertise = doorbell.advertise.or_else(|| own_address(doorbell.bind));
    Bell::listen(doorbell.bind, advertise).await.context("the doorbell")
}

/// The address by which other hosts reach this one, as far as its routes tell; nothing is sent.
fn own_address(bind: SocketAddr) -> Option<IpAddr> {
    if !bind.ip().is_unspecified() {
        return None;
    }
    let (any, elsewhere) = match bind.ip() {
        IpAddr::V4(_) => ("0.0.0.0:0", "192.0.2.1:9"),
        IpAddr::V6(_) => ("[::]:0", "[2001:db8::1]:9"),
    };
    let ask = || -> std::io::Result<IpAddr> {
        let socket = std::net::UdpSocket::bind(any)?;
        socket.connect(elsewhere)?;
        Ok(socket.local_addr()?.ip())
    };
    Some(ask().unwrap_or(IpAddr::from([127, 0, 0, 1])))
}
