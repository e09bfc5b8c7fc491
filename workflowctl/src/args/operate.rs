//! The arguments of what moves runs.

use std::path::PathBuf;

use clap::Args;
use workflow_core::{ForeignId, RunId, StartKey, StatusCode, WorkflowName};

use super::expiring::workflow;
use super::runs::{foreign_id, run_id, status};

/// Why a run is moved, if nothing is said.
const REASON: &str = "by an operator";

/// One run, by its id or as the newest of its business key.
#[derive(Args, Debug)]
pub(crate) struct Chosen {
    /// The run
    #[arg(value_name = "RUN_ID", value_parser = run_id, required_unless_present = "foreign_id")]
    #[arg(conflicts_with_all = ["foreign_id", "workflow"])]
    pub(crate) run: Option<RunId>,
    /// Instead of a run id: the newest run of a business key, of this workflow
    #[arg(long, value_name = "NAME", value_parser = workflow, requires = "foreign_id")]
    pub(crate) workflow: Option<WorkflowName>,
    /// The business key
    #[arg(long, value_name = "ID", value_parser = foreign_id, requires = "workflow")]
    pub(crate) foreign_id: Option<ForeignId>,
}

/// What a move without a reason takes.
#[derive(Args, Debug)]
pub(crate) struct PlainArgs {
    #[command(flatten)]
    pub(crate) chosen: Chosen,
}

/// What a move with a reason takes.
#[derive(Args, Debug)]
pub(crate) struct ReasonedArgs {
    #[command(flatten)]
    pub(crate) chosen: Chosen,
    /// Why, as it is stored with the run
    #[arg(long, value_name = "TEXT", default_value = REASON)]
    pub(crate) reason: String,
}

/// What `runs trigger` takes.
#[derive(Args, Debug)]
pub(crate) struct TriggerArgs {
    /// The workflow, as its definition names it
    #[arg(long, value_name = "NAME", value_parser = workflow)]
    pub(crate) workflow: WorkflowName,
    /// The business key
    #[arg(long, value_name = "ID", value_parser = foreign_id)]
    pub(crate) foreign_id: ForeignId,
    /// The status to start in, by its number
    #[arg(long, value_name = "NUMBER", value_parser = status, allow_hyphen_values = true)]
    pub(crate) status: StatusCode,
    /// The status's name, as lists show it
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) status_name: String,
    /// The object: JSON, or @FILE for what a file holds
    #[arg(long, value_name = "JSON", value_parser = object, default_value = "null")]
    pub(crate) object: ObjectSource,
    /// Start one run for ever under this key: the same key again gives that run
    #[arg(long, value_name = "KEY", value_parser = start_key)]
    pub(crate) start_key: Option<StartKey>,
}

/// Where an object is.
#[derive(Clone, Debug)]
pub(crate) enum ObjectSource {
    Text(String),
    File(PathBuf),
}

fn object(text: &str) -> Result<ObjectSource, String> {
    Ok(match text.strip_prefix('@') {
        Some("") => return Err("after the @ stands the name of a file".to_owned()),
        Some(file) => ObjectSource::File(file.into()),
        None => ObjectSource::Text(text.to_owned()),
    })
}

fn start_key(text: &str) -> Result<StartKey, String> {
    StartKey::new(text).map_err(|error| error.to_string())
}
