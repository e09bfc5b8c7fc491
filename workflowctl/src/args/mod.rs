//! The command line.

mod cluster;
mod doctor;
mod expiring;
mod operate;
mod outbox;
mod runs;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use store_sql::Dialect;

pub(crate) use cluster::{CreateArgs, EtcdArgs, KafkaArgs, LagArgs, RolesArgs, TopicArgs, TopicsCommand};
pub(crate) use doctor::DoctorArgs;
pub(crate) use expiring::{ArchiveArgs, PruneArgs, Selection};
pub(crate) use operate::{Chosen, ObjectSource, PlainArgs, ReasonedArgs, TriggerArgs};
pub(crate) use outbox::{LetterCommand, LetterListArgs, LetterSelection, OutboxCommand};
pub(crate) use runs::{HistoryArgs, ListArgs, RunsCommand, ShowArgs};

/// What stands under every help.
const AFTER: &str = "\
Exit codes:
  0  done
  1  the answer is no: something was refused, is missing, is left over or needs attention
  2  it could not be done: the command line, the settings or the database

Settings come from flags, then the environment, then the configuration file (--config, else workflowctl.toml in the
current folder, if it is there):
  database = \"postgres://shop@db.example/orders\"
  password_file = \"/run/secrets/orders\"     # relative to the file's own folder
  table_prefix = \"workflow_\"
  [etcd]                                     # for roles; also user, password_file, namespace, tls.ca_file
  endpoints = [\"http://etcd.example:2379\"]
  [kafka]                                    # for topics; also sasl.user, sasl.password_file, tls.ca_file, properties
  brokers = \"kafka.example:9092\"";

/// Look after the database of a workflow engine: tables, outbox, dead letters, runs and their expiry.
///
/// Everything can run beside working engines and be interrupted at any moment. Passwords are never printed.
#[derive(Debug, Parser)]
#[command(name = "workflowctl", version, max_term_width = 110, after_long_help = AFTER, subcommand_required = true)]
#[command(arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Global {
    /// The database: mysql://, mariadb:// or postgres:// and so on, sqlite:FILE, or the driver's form of Go
    #[arg(long, global = true, value_name = "URL", env = "WORKFLOW_DATABASE_URL", hide_env_values = true)]
    #[arg(help_heading = "Database")]
    pub(crate) database: Option<String>,
    /// A file with the password of the database's user, so that the password stands in no URL
    #[arg(long, global = true, value_name = "FILE", env = "WORKFLOW_DATABASE_PASSWORD_FILE")]
    #[arg(help_heading = "Database")]
    pub(crate) password_file: Option<PathBuf>,
    /// What the names of the tables begin with [default: workflow_]
    #[arg(long, global = true, value_name = "PREFIX", env = "WORKFLOW_TABLE_PREFIX")]
    #[arg(help_heading = "Database")]
    pub(crate) table_prefix: Option<String>,
    /// The configuration file [default: workflowctl.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "WORKFLOWCTL_CONFIG", help_heading = "Database")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long, global = true, display_order = 900)]
    pub(crate) json: bool,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what is wrong with the database, and what to change
    ///
    /// Looks at server, sessions, durability, limits, tables, indexes and what waits, explains every statement of the
    /// engine on temporary copies of the tables, and writes, reads, moves and removes a probe run that nobody else sees.
    /// Nothing stays behind. docs/doctor.md explains each finding.
    #[command(after_help = "\
Examples:
  workflowctl doctor --database mysql://shop@db/orders --password-file /run/secrets/orders
  workflowctl doctor --max-open 50 --processes 4
  workflowctl doctor --json | jq -r '.findings[] | select(.severity == \"error\") | .id'

Exit codes: 0 healthy, 1 errors or warnings, 2 the database could not be looked at")]
    Doctor(DoctorArgs),
    /// Make the tables, or bring them up to date
    ///
    /// Safe when several programs start at once. Tables that the database guide's SQL has made are adopted, with their
    /// rows.
    #[command(after_help = "\
Examples:
  workflowctl migrate --database mysql://shop@db/orders --password-file /run/secrets/orders
  workflowctl migrate --dry-run        # exit code 1 if there is something to do
  workflowctl migrate --indexes guide
  workflowctl migrate --cancel-duplicates")]
    Migrate(MigrateArgs),
    /// Print the SQL that makes the tables, for people who apply it by hand
    #[command(after_help = "\
Examples:
  workflowctl schema --dialect postgres > tables.sql
  workflowctl schema --dialect mariadb | mariadb orders")]
    Schema(SchemaArgs),
    /// Delete or move away old runs that have ended
    ///
    /// Never touches a run that goes on, or one with an unsent event, a retry that will be due or a dead letter: those are
    /// counted as kept. Works in small transactions; an interrupt ends it after the one that is under way. A start key
    /// goes with its run: triggering with it again then makes a new run.
    #[command(after_help = "\
Examples:
  workflowctl archive --older-than 30d --state completed --dry-run
  workflowctl archive --older-than 30d --workflow orders --into orders_archive
  workflowctl archive --older-than 1w --state completed --state cancelled --batch 500 --rate 2000")]
    Archive(ArchiveArgs),
    /// Delete the histories of old runs that have ended; the runs stay
    #[command(after_help = "\
Examples:
  workflowctl prune-history --older-than 90d --dry-run
  workflowctl prune-history --older-than 90d --workflow orders --rate 5000")]
    PruneHistory(PruneArgs),
    /// Look at the events that wait, and deal with those that were set aside
    #[command(subcommand)]
    Outbox(OutboxCommand),
    /// Show how large the tables are
    ///
    /// Rows are what the database has counted or guessed. On SQLite this reads the whole file.
    #[command(after_help = "\
Examples:
  workflowctl sizes
  workflowctl sizes --json | jq '.tables[] | select(.total_bytes > 1e9) | .table'")]
    Sizes,
    /// Look at runs, start them and move them
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Show who owns which role, its epoch, and since when
    ///
    /// From etcd, if its servers are named; else the epochs alone, as the database has them: the last owner of each role that
    /// wrote something, who may be gone.
    #[command(after_help = "\
Examples:
  workflowctl roles --etcd http://etcd-1:2379
  workflowctl roles --workflow orders --json | jq -r '.roles[] | [.role, .owner] | @tsv'")]
    Roles(RolesArgs),
    /// Make topics on Kafka, look at them, and see how far groups are behind
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// Print a script that completes commands and flags
    #[command(after_help = "\
Examples:
  workflowctl completions bash > /etc/bash_completion.d/workflowctl
  workflowctl completions zsh > ~/.zfunc/_workflowctl
  workflowctl completions fish > ~/.config/fish/completions/workflowctl.fish")]
    Completions(CompletionsArgs),
}

/// What `migrate` takes.
#[derive(Args, Debug)]
pub(crate) struct MigrateArgs {
    /// Only tell what would be done; exit code 1 if that is something
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Which indexes the tables have; without it new ones have the lean set, and others keep what they have
    #[arg(long)]
    pub(crate) indexes: Option<Indexes>,
    /// Keep the newest of several unfinished runs of a foreign id, and cancel the others, instead of refusing
    #[arg(long)]
    pub(crate) cancel_duplicates: bool,
    /// Make the guard: a trigger that refuses any write of a record but that of its next version, as the Go library may try
    #[arg(long, conflicts_with = "no_guard")]
    pub(crate) guard: bool,
    /// Drop the guard; without either of the two it is left as it is
    #[arg(long)]
    pub(crate) no_guard: bool,
}

/// A set of indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Indexes {
    /// What the engine needs
    Lean,
    /// Those of the Go library's database guide, too
    Guide,
}

impl From<Indexes> for store_sql::IndexSet {
    fn from(indexes: Indexes) -> Self {
        match indexes {
            Indexes::Lean => Self::Lean,
            Indexes::Guide => Self::Guide,
        }
    }
}

/// The kinds of databases by their names.
fn dialects() -> impl TypedValueParser<Value = Dialect> {
    PossibleValuesParser::new(Dialect::ALL.map(Dialect::as_str)).try_map(|name| name.parse())
}

/// What `schema` takes.
#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// For which database
    #[arg(long, value_parser = dialects())]
    pub(crate) dialect: Dialect,
    /// Which indexes the tables have
    #[arg(long, default_value = "lean")]
    pub(crate) indexes: Indexes,
    /// With the guard; see `migrate --guard`
    #[arg(long)]
    pub(crate) guard: bool,
}

/// What `completions` takes.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// For which shell
    pub(crate) shell: Shell,
}

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
