//! The settings: flags, then the environment, then the file. All that is wrong is told at once.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use scheduler_etcd::EtcdConfig;
use serde::Deserialize;
use store_sql::TableNames;
use store_sql::config::{Dsn, Secret};
use streamer_kafka::KafkaConfig;
use telemetry::TelemetryConfig;
use workflow_core::Namespace;

use super::args::Args;
use super::file::{Layers, secret};
use super::problems::Problems;
use super::telemetry::telemetry;
use crate::RelayOptions;

const KNOWN: &str = "database, password_file, table_prefix, namespace, shards, single, listen, drain_timeout, log, \
                     log_format, kafka, etcd, doorbell, limits, telemetry";

/// How many shards there can be: as many as there are buckets.
const SHARDS_MAX: u32 = workflow_core::BUCKETS as u32;

/// Everything that the program needs to know.
pub(crate) struct Settings {
    pub(crate) dsn: Dsn,
    pub(crate) tables: TableNames,
    pub(crate) kafka: KafkaConfig,
    /// `None` if it runs as the only relay.
    pub(crate) etcd: Option<EtcdConfig>,
    /// With which the names of its topics begin, as those of its roles do.
    pub(crate) namespace: Namespace,
    pub(crate) shards: NonZeroU32,
    pub(crate) once: bool,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) doorbell: Doorbell,
    pub(crate) options: RelayOptions,
    pub(crate) telemetry: TelemetryConfig,
}

/// Where the relay is rung.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Doorbell {
    pub(crate) enabled: bool,
    pub(crate) bind: SocketAddr,
    pub(crate) advertise: Option<IpAddr>,
}

impl Default for Doorbell {
    fn default() -> Self {
        Self { enabled: true, bind: SocketAddr::from(([0, 0, 0, 0], 0)), advertise: None }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    page: Option<usize>,
    in_flight_events: Option<usize>,
    in_flight_bytes: Option<usize>,
    poll_min_ms: Option<u64>,
    poll_max_ms: Option<u64>,
    measure_every_ms: Option<u64>,
}

impl Settings {
    /// Puts the settings together.
    pub(crate) fn resolve(args: &Args) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut layers = Layers::read(args.config.as_deref(), &mut problems);
        for (section, key, value) in [
            (None, "database", &args.database),
            (None, "table_prefix", &args.table_prefix),
            (None, "namespace", &args.namespace),
            (None, "shards", &args.shards),
            (None, "listen", &args.listen),
            (None, "drain_timeout", &args.drain_timeout),
            (None, "log", &args.log),
            (None, "log_format", &args.log_format),
            (Some("kafka"), "brokers", &args.kafka),
        ] {
            layers.put(section, key, value.as_deref());
        }
        let settings = Self::of(args, &mut layers, &mut problems);
        layers.end(KNOWN, &mut problems);
        problems.or(settings)
    }

    fn of(args: &Args, layers: &mut Layers, problems: &mut Problems) -> Option<Self> {
        let dsn = dsn(args, layers, problems);
        let tables = tables(layers, problems);
        let shards = parsed(layers, "shards", problems, shards).unwrap_or(NonZeroU32::MIN);
        let kafka = kafka(layers, problems);
        let single = layers.flag("single", problems) || args.single;
        let namespace =
            parsed(layers, "namespace", problems, |text| Namespace::new(text).map_err(|e| e.to_string()));
        let etcd = etcd(args, layers, namespace.clone(), problems);
        if single && shards.get() > 1 {
            problems.add("shards", "with --single there is one: it is the only relay of the database");
        }
        match (&etcd, single) {
            (Some(_), true) => problems.add("single", "it needs no etcd: take --single or --etcd away"),
            (None, false) => problems.add(
                "etcd",
                "name its endpoints by --etcd, or run the only relay of the database by --single",
            ),
            (Some(_), false) | (None, true) => {}
        }
        let listen = parsed(layers, "listen", problems, |text| {
            text.parse().map_err(|_| format!("{text:?} is no address of the form 0.0.0.0:9400"))
        });
        let telemetry = telemetry(args, layers, problems);
        let doorbell = layers.section("doorbell", problems).unwrap_or_default();
        let options = options(layers, problems);
        Some(Self {
            dsn: dsn?,
            tables,
            kafka: kafka?,
            etcd,
            namespace: namespace.unwrap_or_default(),
            shards,
            once: args.once,
            listen,
            doorbell,
            options,
            telemetry,
        })
    }
}

/// A setting in its form, if it is there.
fn parsed<V>(
    layers: &mut Layers,
    key: &str,
    problems: &mut Problems,
    parse: impl Fn(&str) -> Result<V, String>,
) -> Option<V> {
    let text = layers.text(key, problems)?;
    problems.take(layers.place(key), parse(&text))
}

fn shards(text: &str) -> Result<NonZeroU32, String> {
    let number = text.parse::<NonZeroU32>().ok().filter(|number| number.get() <= SHARDS_MAX);
    number.ok_or_else(|| format!("{text:?} is no number from 1 to {SHARDS_MAX}"))
}

fn dsn(args: &Args, layers: &mut Layers, problems: &mut Problems) -> Option<Dsn> {
    let in_file = layers.text("password_file", problems).map(|file| layers.beside(&file));
    let Some(text) = layers.text("database", problems) else {
        problems.add(
            "database",
            "there is none: name it by --database, WORKFLOW_DATABASE_URL or the configuration file",
        );
        return None;
    };
    let place = layers.place("database");
    let mut dsn = match text.parse::<Dsn>() {
        Ok(dsn) => dsn,
        Err(error) => {
            error.problems().iter().for_each(|problem| problems.add(&place, problem));
            return None;
        }
    };
    let named = args.password_file.clone().filter(|path| !path.as_os_str().is_empty());
    if let Some(file) = named.or(in_file) {
        let password = problems.take("password_file", secret(&file)).map(Secret::new);
        let slot = match &mut dsn {
            Dsn::MySql(dsn) => &mut dsn.password,
            Dsn::Postgres(dsn) => &mut dsn.password,
            Dsn::Sqlite(_) => {
                problems.add("password_file", "a SQLite file has no password: leave it out");
                return None;
            }
        };
        if slot.is_some() {
            problems
                .add("password_file", "the connection string has a password already: take one of them away");
        }
        *slot = password;
    }
    Some(dsn)
}

fn tables(layers: &mut Layers, problems: &mut Problems) -> TableNames {
    let names = parsed(layers, "table_prefix", problems, |prefix| {
        TableNames::prefixed(prefix).map_err(|error| error.to_string())
    });
    names.unwrap_or_default()
}

fn kafka(layers: &mut Layers, problems: &mut Problems) -> Option<KafkaConfig> {
    let Some(config) = layers.section::<KafkaConfig>("kafka", problems) else {
        problems
            .add("kafka", "name its brokers by --kafka, WORKFLOW_KAFKA_BROKERS or the configuration file");
        return None;
    };
    if let Err(errors) = config.check() {
        for problem in errors.problems() {
            problems.add(format!("kafka.{}", problem.setting), &problem.reason);
        }
    }
    Some(config)
}

fn etcd(
    args: &Args,
    layers: &mut Layers,
    namespace: Option<Namespace>,
    problems: &mut Problems,
) -> Option<EtcdConfig> {
    if let Some(text) = args.etcd.as_deref().filter(|text| !text.is_empty() && !args.single) {
        let endpoints = text.split(',').map(str::trim).filter(|one| !one.is_empty());
        layers.put_list("etcd", "endpoints", endpoints.map(str::to_owned).collect());
    }
    let config = layers.section::<EtcdConfig>("etcd", problems);
    let config = match namespace {
        Some(namespace) => config?.namespace(namespace),
        None => config?,
    };
    if let Err(error) = config.check() {
        error.mistakes().iter().for_each(|mistake| problems.add("etcd", mistake));
    }
    Some(config)
}

fn options(layers: &mut Layers, problems: &mut Problems) -> RelayOptions {
    let mut options = RelayOptions::default();
    let limits: Limits = layers.section("limits", problems).unwrap_or_default();
    let mut count = |name: &str, value: Option<usize>, slot: &mut usize| match value {
        Some(0) => problems.add(format!("limits.{name}"), "it is 1 at least"),
        Some(value) => *slot = value,
        None => {}
    };
    count("page", limits.page, &mut options.page);
    count("in_flight_events", limits.in_flight_events, &mut options.in_flight_events);
    count("in_flight_bytes", limits.in_flight_bytes, &mut options.in_flight_bytes);
    let mut time = |name: &str, value: Option<u64>, slot: &mut Duration| match value {
        Some(0) => problems.add(format!("limits.{name}"), "it is 1 at least"),
        Some(value) => *slot = Duration::from_millis(value),
        None => {}
    };
    time("poll_min_ms", limits.poll_min_ms, &mut options.poll_min);
    time("poll_max_ms", limits.poll_max_ms, &mut options.poll_max);
    time("measure_every_ms", limits.measure_every_ms, &mut options.measure_every);
    if options.poll_min > options.poll_max {
        problems.add("limits.poll_max_ms", "it is less than poll_min_ms");
    }
    if let Some(drain) = parsed(layers, "drain_timeout", problems, duration) {
        options.drain = drain;
    }
    options
}

/// `10s`, `500ms`, `2m`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let millis = match &text[digits.len()..] {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        _ => None,
    };
    let time = millis.and_then(|unit: u64| digits.parse::<u64>().ok()?.checked_mul(unit));
    time.map(Duration::from_millis).ok_or_else(|| format!("{text:?} is no time of the form 10s, 500ms or 2m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "10", "s", "1h", "-1s", "99999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
