//! The arguments of what shows runs, and the commands about runs.

use clap::{Args, Subcommand};
use workflow_core::{ForeignId, RunId, RunState, StatusCode, Version, WorkflowName};

use super::expiring::workflow;
use super::operate::{PlainArgs, ReasonedArgs, TriggerArgs};
use crate::cursor::RunToken;
use crate::times::{Moment, moment};

/// What can be seen of runs.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// Show runs in pages, by when they were created
    #[command(after_help = "\
Examples:
  workflowctl runs list --workflow orders --state paused
  workflowctl runs list --state live --created-before 7d --limit 100
  workflowctl runs list --workflow orders --foreign-id order-17 --newest-first --json
  workflowctl runs list --after TOKEN        # the token that the page before ended with")]
    List(ListArgs),
    /// Show one run
    #[command(after_help = "\
Examples:
  workflowctl runs show 0198b6b4-7d0a-7000-8000-000000000000
  workflowctl runs show 0198b6b4-7d0a-7000-8000-000000000000 --object --json | jq .object")]
    Show(ShowArgs),
    /// Show what each commit did to a run
    #[command(after_help = "\
Examples:
  workflowctl runs history 0198b6b4-7d0a-7000-8000-000000000000
  workflowctl runs history 0198b6b4-7d0a-7000-8000-000000000000 --after 100 --limit 50")]
    History(HistoryArgs),
    /// Start a run of a workflow, as its program's trigger does
    ///
    /// The tool does not know the workflow's definition: whether it has the status, and whether the object is of its type, is
    /// found out by the workers. Timers of the status are set by the status's auto-inserter as soon as a worker has the event.
    #[command(after_help = "\
Examples:
  workflowctl runs trigger --workflow orders --foreign-id order-17 --status 1 --object '{\"cents\":4200}'
  workflowctl runs trigger --workflow orders --foreign-id order-18 --status 1 --object @order-18.json
  workflowctl runs trigger --workflow orders --foreign-id order-19 --status 1 --start-key 'mail 7' --json

Exit codes: 0 started, or there by its start key; 1 the foreign id has an unfinished run; 2 it could not be done")]
    Trigger(TriggerArgs),
    /// Set a run aside: no step, callback or timer moves it until it is resumed
    ///
    /// A step that is under way does not store its result. Whoever is faster wins; a move in between is taken into account.
    #[command(after_help = "\
Examples:
  workflowctl runs pause 0198b6b4-7d0a-7000-8000-000000000000 --reason 'asked by phone'
  workflowctl runs pause --workflow orders --foreign-id order-17")]
    Pause(ReasonedArgs),
    /// Let a paused run go on, from the status that it is in
    #[command(after_help = "\
Examples:
  workflowctl runs resume 0198b6b4-7d0a-7000-8000-000000000000
  workflowctl runs resume --workflow orders --foreign-id order-17 --json")]
    Resume(PlainArgs),
    /// End a run early
    #[command(after_help = "\
Examples:
  workflowctl runs cancel 0198b6b4-7d0a-7000-8000-000000000000 --reason 'changed their mind'
  workflowctl runs cancel --workflow orders --foreign-id order-17")]
    Cancel(ReasonedArgs),
    /// Ask for the deletion of a finished run's object, which the workflow's workers carry out
    #[command(after_help = "\
Examples:
  workflowctl runs delete-data 0198b6b4-7d0a-7000-8000-000000000000 --reason 'asked by mail'
  workflowctl runs delete-data --workflow orders --foreign-id order-17")]
    DeleteData(ReasonedArgs),
    /// Try now what failed, without waiting for its back-off
    ///
    /// Of a run whose step waits for its next attempt, that attempt is due now, and counts on. Of one that nothing waits for,
    /// the event of its present version is sent again; a step that has dealt with it passes it over. A paused run is resumed
    /// instead, unless the engine has paused it and would resume it later: it does so now.
    #[command(after_help = "\
Examples:
  workflowctl runs retry 0198b6b4-7d0a-7000-8000-000000000000
  workflowctl runs retry --workflow orders --foreign-id order-17 --json")]
    Retry(PlainArgs),
}

/// What `runs list` takes.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Only of this workflow
    #[arg(long, value_name = "NAME", value_parser = workflow)]
    pub(crate) workflow: Option<WorkflowName>,
    /// Only of this business key; may be given several times
    #[arg(long = "foreign-id", value_name = "ID", value_parser = foreign_id)]
    pub(crate) foreign_ids: Vec<ForeignId>,
    /// Only in this status, by its number; may be given several times
    #[arg(long = "status", value_name = "NUMBER", value_parser = status, allow_hyphen_values = true)]
    pub(crate) statuses: Vec<StatusCode>,
    /// Only in this run state: initiated, running, paused, cancelled, completed, data-deleted, requested-data-deleted; or
    /// live (the first three), finished (the others); may be given several times
    #[arg(long = "state", value_name = "STATE")]
    pub(crate) states: Vec<StateFilter>,
    /// Only created at or after this instant, or at most so long ago, such as 2026-05-01 or 7d
    #[arg(long, value_name = "INSTANT", value_parser = moment)]
    pub(crate) created_from: Option<Moment>,
    /// Only created before this instant, or longer ago
    #[arg(long, value_name = "INSTANT", value_parser = moment)]
    pub(crate) created_before: Option<Moment>,
    /// The newest first, instead of the oldest
    #[arg(long)]
    pub(crate) newest_first: bool,
    /// How many, from 1 to 10000
    #[arg(long, value_name = "NUMBER", default_value = "25", value_parser = limit, allow_hyphen_values = true)]
    pub(crate) limit: usize,
    /// Go on after the page that ended with this token
    #[arg(long, value_name = "TOKEN")]
    pub(crate) after: Option<RunToken>,
    /// Pass over so many; slow when they are many
    #[arg(long, value_name = "NUMBER", conflicts_with = "after")]
    pub(crate) offset: Option<u64>,
}

/// What `runs show` takes.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The run
    #[arg(value_name = "RUN_ID", value_parser = run_id)]
    pub(crate) run: RunId,
    /// Print the object too; it is the user's data
    #[arg(long)]
    pub(crate) object: bool,
}

/// What `runs history` takes.
#[derive(Args, Debug)]
pub(crate) struct HistoryArgs {
    /// The run
    #[arg(value_name = "RUN_ID", value_parser = run_id)]
    pub(crate) run: RunId,
    /// Only versions after this one
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub(crate) after: Option<Version>,
    /// How many, from 1 to 10000
    #[arg(long, value_name = "NUMBER", default_value = "100", value_parser = limit, allow_hyphen_values = true)]
    pub(crate) limit: usize,
}

/// One or several run states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateFilter(pub(crate) Vec<RunState>);

impl std::str::FromStr for StateFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let of = |wanted: fn(RunState) -> bool| {
            Ok(Self(RunState::ALL.into_iter().filter(|state| wanted(*state)).collect()))
        };
        match text {
            "live" => of(RunState::is_live),
            "finished" => of(RunState::is_finished),
            _ => run_state(text).map(|state| Self(vec![state])),
        }
    }
}

/// A run state by its name, in any of the usual ways to write it, or by its number.
pub(super) fn run_state(text: &str) -> Result<RunState, String> {
    let plain = |text: &str| text.replace(['-', '_'], "").to_lowercase();
    let wanted = plain(text);
    let found = RunState::ALL
        .into_iter()
        .filter(|state| *state != RunState::Unknown)
        .find(|state| state.role_part() == wanted || state.code().to_string() == wanted);
    found.ok_or_else(|| {
        "there is no such run state: initiated, running, paused, cancelled, completed, data-deleted and \
         requested-data-deleted are those that there are"
            .to_owned()
    })
}

/// A run's id.
pub(super) fn run_id(text: &str) -> Result<RunId, String> {
    text.parse().map_err(|_| "it is no run id, which is a UUID".to_owned())
}

/// How many rows to show.
pub(super) fn limit(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|rows: &usize| (1..=10_000).contains(rows));
    number.ok_or_else(|| "it is a number from 1 to 10000".to_owned())
}

pub(super) fn foreign_id(text: &str) -> Result<ForeignId, String> {
    ForeignId::new(text).map_err(|error| error.to_string())
}

pub(super) fn status(text: &str) -> Result<StatusCode, String> {
    let number = text.parse().ok().and_then(|number| StatusCode::new(number).ok());
    number.ok_or_else(|| format!("a status is named by its number, from 1 to {}", i32::MAX))
}

fn version(text: &str) -> Result<Version, String> {
    text.parse().ok().and_then(Version::new).ok_or_else(|| "it is a version, from 1 on".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_states_are_known_by_name_and_number() {
        for text in ["DataDeleted", "data-deleted", "data_deleted", "6"] {
            assert_eq!(run_state(text), Ok(RunState::DataDeleted), "{text}");
        }
        for text in ["", "0", "unknown", "8", "done", "3 "] {
            assert!(run_state(text).is_err(), "{text}");
        }
        let live: Result<StateFilter, _> = "live".parse();
        assert_eq!(live, Ok(StateFilter(vec![RunState::Initiated, RunState::Running, RunState::Paused])));
    }
}
