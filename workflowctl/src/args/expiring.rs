//! The arguments of what deals with old runs.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use clap::Args;
use store_sql::maintenance::{ArchiveTable, FinalState};
use workflow_core::{RunState, WorkflowName};

use crate::times;

/// Which runs, and how fast.
#[derive(Args, Debug)]
pub(crate) struct Selection {
    /// Only runs that were created and last stored longer ago than this, such as 30d, 12h or 1w2d
    #[arg(long, value_name = "AGE", value_parser = times::duration, allow_hyphen_values = true)]
    pub(crate) older_than: Duration,
    /// Only runs in this state: completed, cancelled or data-deleted; may be given several times
    #[arg(long = "state", value_name = "STATE", value_parser = final_state)]
    pub(crate) states: Vec<FinalState>,
    /// Only runs of this workflow
    #[arg(long, value_name = "NAME", value_parser = workflow)]
    pub(crate) workflow: Option<WorkflowName>,
    /// How many rows one transaction deals with, from 1 to 10000
    #[arg(long, value_name = "ROWS", default_value = "1000", value_parser = batch, allow_hyphen_values = true)]
    pub(crate) batch: NonZeroUsize,
    /// How many rows are dealt with in a second at most
    #[arg(long, value_name = "ROWS_PER_SECOND", value_parser = rate, allow_hyphen_values = true)]
    pub(crate) rate: Option<NonZeroU32>,
    /// Only count; nothing is changed
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What `archive` takes.
#[derive(Args, Debug)]
pub(crate) struct ArchiveArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Move the runs into this table, and their histories into TABLE_history, instead of deleting them; both are made if
    /// they are not there
    #[arg(long, value_name = "TABLE")]
    pub(crate) into: Option<ArchiveTable>,
}

/// What `prune-history` takes.
#[derive(Args, Debug)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
}

/// A state in which runs have ended for good.
fn final_state(text: &str) -> Result<FinalState, String> {
    let state = super::runs::run_state(text)?;
    FinalState::of(state).ok_or_else(|| match state {
        RunState::RequestedDataDeleted => {
            "the data of such runs is still to be deleted: they become data-deleted by themselves".to_owned()
        }
        _ => format!(
            "{} runs have not ended: only completed, cancelled and data-deleted ones can go",
            state.role_part()
        ),
    })
}

/// A workflow's name.
pub(super) fn workflow(text: &str) -> Result<WorkflowName, String> {
    WorkflowName::new(text).map_err(|error| error.to_string())
}

fn batch(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse().ok().filter(|rows: &NonZeroUsize| rows.get() <= 10_000);
    number.ok_or_else(|| "it is a number from 1 to 10000".to_owned())
}

fn rate(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| "it is a number of rows in a second, 1 at least".to_owned())
}
