//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

const AFTER: &str = "\
EXAMPLES
  One relay for a database, without etcd:
    outbox-relay --single --database postgres://relay@db/orders --password-file /run/secrets/db --kafka kafka:9092

  Two relays that share four shards; start the same command on two hosts:
    outbox-relay --shards 4 --database mysql://relay@db/orders --kafka kafka:9092 --etcd http://etcd:2379 --listen 0.0.0.0:9400

  Publish what is there and end, as before an upgrade:
    outbox-relay --once --single --config relay.toml

  Look whether a configuration works:
    outbox-relay --config relay.toml check

CONFIGURATION FILE (TOML; flags win over the environment, the environment over the file)
  database = \"postgres://relay@db/orders\"
  password_file = \"db-password\"        # a file that is named in the file lies beside it
  shards = 4
  listen = \"0.0.0.0:9400\"
  [kafka]
  brokers = [\"kafka-1:9093\"]
  sasl = { mechanism = \"SCRAM-SHA-512\", user = \"relay\", password_file = \"kafka-password\" }
  [etcd]
  endpoints = [\"http://etcd:2379\"]
  [doorbell]
  bind = \"0.0.0.0:0\"
  [limits]
  in_flight_events = 10000
  [telemetry]
  otlp_endpoint = \"http://collector:4317\"

TELEMETRY
  The variables of OpenTelemetry are read by their own names, among them OTEL_EXPORTER_OTLP_HEADERS (name=value,name=value,
  which each push carries), OTEL_EXPORTER_OTLP_TIMEOUT, OTEL_METRIC_EXPORT_INTERVAL, OTEL_RESOURCE_ATTRIBUTES and
  OTEL_TRACES_SAMPLER. What is left at the end is pushed within 5 s.

SIGNALS
  SIGTERM and SIGINT: read nothing more, wait for what is under way (--drain-timeout), give the roles back, end.
  The second one ends at once: events whose rows were not deleted yet are published again by the next owner.

EXIT STATUS
  0  all was done: stopped and drained, everything published by --once, or nothing wrong found by check
  1  a server could not be reached or refused, or check found something
  2  the settings cannot be used; all that is wrong with them was told
  3  --once: rows are left that cannot be published now
  4  ended in the middle: the drain took too long, or the role was lost during --once";

/// Publishes the outbox of a database to Kafka.
///
/// Reads the rows that transitions wrote, publishes their events, and deletes each row once the brokers have acknowledged
/// its event. Rows that can never be published become dead letters; see `workflowctl dead-letters`.
#[derive(Debug, Parser)]
#[command(version, after_long_help = AFTER, after_help = "--help shows examples, the configuration file and the exit status.")]
pub(crate) struct Args {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", env = "WORKFLOW_RELAY_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The database, as `postgres://..`, `mysql://..` or `sqlite:file`.
    #[arg(long, global = true, value_name = "URL", env = "WORKFLOW_DATABASE_URL", hide_env_values = true)]
    pub(crate) database: Option<String>,
    /// A file with the database's password.
    #[arg(long, global = true, value_name = "FILE", env = "WORKFLOW_DATABASE_PASSWORD_FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// What the names of the tables begin with, if it is not `workflow_`.
    #[arg(long, global = true, value_name = "PREFIX", env = "WORKFLOW_TABLE_PREFIX")]
    pub(crate) table_prefix: Option<String>,
    /// Brokers of the Kafka cluster, each `host:port`, with commas between them.
    #[arg(long, global = true, value_name = "BROKERS", env = "WORKFLOW_KAFKA_BROKERS")]
    pub(crate) kafka: Option<String>,
    /// Endpoints of etcd, each `http://host:port`, with commas between them.
    #[arg(long, global = true, value_name = "ENDPOINTS", env = "WORKFLOW_ETCD_ENDPOINTS")]
    pub(crate) etcd: Option<String>,
    /// The namespace of the store: what its topics, and its roles in etcd, begin with.
    #[arg(long, global = true, value_name = "NAME", env = "WORKFLOW_NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// How many shards the outbox is divided into; the same for all relays of a database. 1 by default.
    #[arg(long, global = true, value_name = "NUMBER", env = "WORKFLOW_RELAY_SHARDS")]
    pub(crate) shards: Option<String>,
    /// Runs without etcd, as the only relay of the database, under a lock of it.
    #[arg(long, global = true, env = "WORKFLOW_RELAY_SINGLE")]
    pub(crate) single: bool,
    /// Publishes what is there, and ends.
    #[arg(long, env = "WORKFLOW_RELAY_ONCE")]
    pub(crate) once: bool,
    /// Where `/livez`, `/readyz` and `/metrics` are served; nowhere by default.
    #[arg(long, global = true, value_name = "ADDRESS", env = "WORKFLOW_RELAY_LISTEN")]
    pub(crate) listen: Option<String>,
    /// How long what is under way may take after SIGTERM, as `10s` or `500ms`; 10s by default.
    #[arg(long, global = true, value_name = "TIME", env = "WORKFLOW_RELAY_DRAIN_TIMEOUT")]
    pub(crate) drain_timeout: Option<String>,
    /// What is logged, as `info` or `outbox_relay=debug,warn`; `info` by default.
    #[arg(long, global = true, value_name = "FILTER", env = "WORKFLOW_RELAY_LOG")]
    pub(crate) log: Option<String>,
    /// How it is logged: `text` or `json`; `text` by default.
    #[arg(long, global = true, value_name = "FORMAT", env = "WORKFLOW_RELAY_LOG_FORMAT")]
    pub(crate) log_format: Option<String>,
    /// The collector that gets spans and metrics over OTLP gRPC, as `http://collector:4317`; none by default.
    ///
    /// Without it the variable OTEL_EXPORTER_OTLP_ENDPOINT says, then `otlp_endpoint` in the file's section `telemetry`.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,
    /// What spans and metrics are of; `outbox-relay` by default.
    ///
    /// Without it the variable OTEL_SERVICE_NAME says, then `service_name` in the file's section `telemetry`.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) service_name: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What it can do besides relaying.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Command {
    /// Looks whether the settings can be used and the servers be reached, and tells all that is wrong.
    Check,
}
