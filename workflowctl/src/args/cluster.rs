//! The arguments of what looks at etcd and Kafka.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use workflow_core::{Namespace, StatusCode, WorkflowName};

use super::expiring::workflow;
use super::runs::status;

/// How etcd is reached; all of it can stand in the configuration file's part `[etcd]`, too.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct EtcdArgs {
    /// The etcd servers, such as http://etcd-1:2379,http://etcd-2:2379
    #[arg(long, value_name = "URLS", env = "WORKFLOW_ETCD_ENDPOINTS", help_heading = "etcd")]
    pub(crate) etcd: Option<String>,
    /// The user that etcd knows
    #[arg(long, value_name = "NAME", env = "WORKFLOW_ETCD_USER", help_heading = "etcd")]
    pub(crate) etcd_user: Option<String>,
    /// A file with the user's password
    #[arg(long, value_name = "FILE", env = "WORKFLOW_ETCD_PASSWORD_FILE", help_heading = "etcd")]
    pub(crate) etcd_password_file: Option<PathBuf>,
    /// The authority that signed the servers' certificates, in place of the system's
    #[arg(long, value_name = "FILE", env = "WORKFLOW_ETCD_CA_FILE", help_heading = "etcd")]
    pub(crate) etcd_ca_file: Option<PathBuf>,
}

/// What `roles` takes.
#[derive(Args, Debug)]
pub(crate) struct RolesArgs {
    #[command(flatten)]
    pub(crate) etcd: EtcdArgs,
    /// Only roles of this workflow
    #[arg(long, value_name = "NAME", value_parser = workflow)]
    pub(crate) workflow: Option<WorkflowName>,
    /// The namespace of the workers' scheduler
    #[arg(long, value_name = "NAME", value_parser = namespace)]
    pub(crate) namespace: Option<Namespace>,
}

/// How Kafka is reached; all of it can stand in the configuration file's part `[kafka]`, too.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct KafkaArgs {
    /// The brokers, such as kafka-1:9092,kafka-2:9092
    #[arg(long, value_name = "BROKERS", env = "WORKFLOW_KAFKA_BROKERS", help_heading = "Kafka")]
    pub(crate) kafka: Option<String>,
    /// The user that the brokers know
    #[arg(long, value_name = "NAME", env = "WORKFLOW_KAFKA_USER", help_heading = "Kafka")]
    pub(crate) kafka_user: Option<String>,
    /// A file with the user's password
    #[arg(long, value_name = "FILE", env = "WORKFLOW_KAFKA_PASSWORD_FILE", help_heading = "Kafka")]
    pub(crate) kafka_password_file: Option<PathBuf>,
    /// How the password is shown: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 [default: SCRAM-SHA-512]
    #[arg(long, value_name = "NAME", env = "WORKFLOW_KAFKA_MECHANISM", help_heading = "Kafka")]
    pub(crate) kafka_mechanism: Option<String>,
    /// Speaks TLS, and trusts this authority
    #[arg(long, value_name = "FILE", env = "WORKFLOW_KAFKA_CA_FILE", help_heading = "Kafka")]
    pub(crate) kafka_ca_file: Option<PathBuf>,
}

/// What can be done with topics.
#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Make topics, unless they are there
    #[command(after_help = "\
Examples:
  workflowctl topics create --workflow orders --statuses 1,2,3 --partitions 16 --replication 3
  workflowctl topics create payments --partitions 8 --kafka kafka-1:9092")]
    Create(CreateArgs),
    /// List topics, with their partitions
    #[command(after_help = "\
Examples:
  workflowctl topics list --kafka kafka-1:9092
  workflowctl topics list --workflow orders --json | jq -r '.topics[].topic'")]
    List(TopicArgs),
    /// Show each partition: its leader, its replicas, and the offsets that are kept
    #[command(after_help = "\
Examples:
  workflowctl topics describe --workflow orders
  workflowctl topics describe orders-1 orders-2 --json")]
    Describe(TopicArgs),
    /// Show how far groups are behind, in each partition
    ///
    /// Of a workflow's topics, the groups that may read them are known by their names; those that have committed nothing are
    /// left out. A role's shard i-of-n reads the partitions whose number leaves i-1 when it is divided by n.
    #[command(after_help = "\
Examples:
  workflowctl topics lag --workflow orders
  workflowctl topics lag --workflow orders --statuses 2 --json | jq .events
  workflowctl topics lag payments --group payments-connector-to-orders-consumer")]
    Lag(LagArgs),
}

/// Which topics.
#[derive(Args, Debug)]
pub(crate) struct TopicArgs {
    #[command(flatten)]
    pub(crate) kafka: KafkaArgs,
    /// Topics by their names, as Kafka has them
    #[arg(value_name = "TOPIC", conflicts_with_all = ["workflow", "statuses"])]
    pub(crate) names: Vec<String>,
    /// The topics of this workflow: of each status, of run state changes and of deletions
    #[arg(long, value_name = "NAME", value_parser = workflow)]
    pub(crate) workflow: Option<WorkflowName>,
    /// Which statuses, by their numbers; else those that have a topic
    #[arg(long, value_name = "NUMBERS", value_parser = status, value_delimiter = ',', requires = "workflow")]
    pub(crate) statuses: Vec<StatusCode>,
    /// The namespace of the workers' streamer
    #[arg(long, value_name = "NAME", value_parser = namespace, requires = "workflow")]
    pub(crate) namespace: Option<Namespace>,
}

/// What `topics create` takes.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    pub(crate) topics: TopicArgs,
    /// How many partitions each has: at least as many as a step has shards [default: 16]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) partitions: Option<u32>,
    /// On how many brokers each is kept [default: as the brokers have it]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) replication: Option<u16>,
}

/// What `topics lag` takes.
#[derive(Args, Debug)]
pub(crate) struct LagArgs {
    #[command(flatten)]
    pub(crate) topics: TopicArgs,
    /// Which group; may be given several times
    #[arg(long = "group", value_name = "NAME")]
    pub(crate) groups: Vec<String>,
}

fn namespace(text: &str) -> Result<Namespace, String> {
    Namespace::new(text).map_err(|error| error.to_string())
}
