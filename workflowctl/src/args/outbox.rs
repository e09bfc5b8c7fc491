//! The arguments of what deals with the outbox.

use clap::{Args, Subcommand};
use workflow_core::{RunId, WorkflowName};

use super::expiring::workflow;
use super::runs::{limit, run_id};
use crate::cursor::LetterToken;

/// What can be done with the outbox.
#[derive(Debug, Subcommand)]
pub(crate) enum OutboxCommand {
    /// Show what waits: how many events, and how old the oldest is, by workflow
    #[command(after_help = "\
Examples:
  workflowctl outbox status
  workflowctl outbox status --json | jq .oldest_age_seconds")]
    Status,
    /// Deal with what was set aside because it could not be processed
    #[command(subcommand)]
    DeadLetters(LetterCommand),
}

/// What can be done with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum LetterCommand {
    /// Show them, the oldest first
    #[command(after_help = "\
Examples:
  workflowctl outbox dead-letters list --workflow orders
  workflowctl outbox dead-letters list --limit 100 --json | jq -r '.dead_letters[].reason'")]
    List(LetterListArgs),
    /// Put their events back into the outbox, for an engine to take up again
    ///
    /// Each goes in one transaction, as a new row with the same event. An event that was dealt with meanwhile is known by
    /// its version and passed over, so that doing it twice does no harm. Exit code 1 if one of them is not there, or is no
    /// event.
    #[command(after_help = "\
Examples:
  workflowctl outbox dead-letters requeue orders-1-consumer/outbox-id-0198b6b4-..
  workflowctl outbox dead-letters requeue --all --workflow orders")]
    Requeue(LetterSelection),
    /// Throw them away
    ///
    /// A run whose event is thrown away stays where it is until an engine's reconciler finds that nothing drives it. Exit
    /// code 1 if one of them is not there.
    #[command(after_help = "\
Examples:
  workflowctl outbox dead-letters discard orders-1-consumer/outbox-id-0198b6b4-..
  workflowctl outbox dead-letters discard --all --run 0198b6b4-7d0a-7000-8000-000000000000")]
    Discard(LetterSelection),
}

/// What `dead-letters list` takes.
#[derive(Args, Debug)]
pub(crate) struct LetterListArgs {
    /// Only of this workflow
    #[arg(long, value_name = "NAME", value_parser = workflow)]
    pub(crate) workflow: Option<WorkflowName>,
    /// Only of this run
    #[arg(long, value_name = "RUN_ID", value_parser = run_id)]
    pub(crate) run: Option<RunId>,
    /// How many, from 1 to 10000
    #[arg(long, value_name = "NUMBER", default_value = "25", value_parser = limit, allow_hyphen_values = true)]
    pub(crate) limit: usize,
    /// Go on after the page that ended with this token
    #[arg(long, value_name = "TOKEN")]
    pub(crate) after: Option<LetterToken>,
}

/// Which dead letters are meant.
#[derive(Args, Debug)]
#[group(skip)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["ids", "all"])))]
pub(crate) struct LetterSelection {
    /// Their ids, as `list` shows them
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// All of them, or all of a workflow or run
    #[arg(long)]
    pub(crate) all: bool,
    /// With --all, only of this workflow
    #[arg(long, value_name = "NAME", value_parser = workflow, requires = "all")]
    pub(crate) workflow: Option<WorkflowName>,
    /// With --all, only of this run
    #[arg(long, value_name = "RUN_ID", value_parser = run_id, requires = "all")]
    pub(crate) run: Option<RunId>,
}
