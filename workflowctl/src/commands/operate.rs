//! `runs trigger|pause|resume|cancel|delete-data|retry`: what operators do to runs.

use std::io::Read;

use serde::Serialize;
use workflow_core::adapter::Backend;
use workflow_core::{Operator, OperatorError, Record, Retried, RunId, UntypedStart};

use super::Answer;
use super::records::Run;
use crate::args::{Chosen, ObjectSource, PlainArgs, ReasonedArgs, TriggerArgs};
use crate::failure::{Failure, Problems};
use crate::output::{Output, note};
use crate::settings::Settings;

/// What is noted as the place that a run was triggered from.
const ORIGIN: &str = "workflowctl runs trigger";

/// What is larger than any object that a store takes is not read to its end.
const OBJECT_BYTES_MAX: u64 = 1 << 30;

/// What becomes of a run.
pub(crate) enum Wish<'a> {
    Pause(&'a ReasonedArgs),
    Resume(&'a PlainArgs),
    Cancel(&'a ReasonedArgs),
    DeleteData(&'a ReasonedArgs),
}

impl Wish<'_> {
    fn chosen(&self) -> &Chosen {
        match self {
            Wish::Pause(args) | Wish::Cancel(args) | Wish::DeleteData(args) => &args.chosen,
            Wish::Resume(args) => &args.chosen,
        }
    }

    async fn carry_out(&self, operator: Operator<'_>, run: RunId) -> Result<Record, OperatorError> {
        match self {
            Wish::Pause(args) => operator.pause(run, &args.reason).await,
            Wish::Resume(_) => operator.resume(run).await,
            Wish::Cancel(args) => operator.cancel(run, &args.reason).await,
            Wish::DeleteData(args) => operator.delete_data(run, &args.reason).await,
        }
    }
}

/// Moves a run, and shows what it became.
pub(crate) async fn act(wish: Wish<'_>, settings: &Settings, output: &Output) -> Result<Answer, Failure> {
    let backend = Backend::from(settings.connect().await?);
    let Some(run) = find(wish.chosen(), &backend).await? else { return Ok(Answer::Findings) };
    match wish.carry_out(Operator::on(&**backend.store()), run).await {
        Ok(record) => {
            output.show(&Run::new(&record, false), |_| {
                format!("run {run} is {}, at version {}\n", record.run_state.name(), record.version)
            })?;
            Ok(Answer::Done)
        }
        Err(error) => refused(error),
    }
}

/// How a run is tried again.
#[derive(Serialize)]
struct Again {
    run_id: String,
    /// What was done: `due-now` or `sent-again`.
    retried: &'static str,
    /// The processes whose retries are due now.
    processes: Vec<String>,
}

pub(crate) async fn retry(args: &PlainArgs, settings: &Settings, output: &Output) -> Result<Answer, Failure> {
    let backend = Backend::from(settings.connect().await?);
    let Some(run) = find(&args.chosen, &backend).await? else { return Ok(Answer::Findings) };
    let again = match Operator::on(&**backend.store()).retry(run).await {
        Ok(Retried::DueNow(processes)) => Again {
            run_id: run.to_string(),
            retried: "due-now",
            processes: processes.iter().map(ToString::to_string).collect(),
        },
        Ok(Retried::SentAgain) => {
            Again { run_id: run.to_string(), retried: "sent-again", processes: Vec::new() }
        }
        Err(error) => return refused(error),
    };
    output.show(&again, |again| match &again.processes[..] {
        [] => format!("run {run}: the event of its present version is sent again\n"),
        processes => format!("run {run} is tried again now by {}\n", processes.join(", ")),
    })?;
    Ok(Answer::Done)
}

/// A run that was started, or was there by its start key.
#[derive(Serialize)]
struct Started {
    run_id: String,
    new: bool,
}

pub(crate) async fn trigger(
    args: &TriggerArgs,
    settings: &Settings,
    output: &Output,
) -> Result<Answer, Failure> {
    let object = object(&args.object)?;
    let backend = Backend::from(settings.connect().await?);
    let start = UntypedStart {
        workflow_name: args.workflow.clone(),
        foreign_id: args.foreign_id.clone(),
        status: args.status,
        status_name: args.status_name.as_str().into(),
        object: object.into(),
        start_key: args.start_key.clone(),
    };
    let triggered = match Operator::on(&**backend.store()).trigger(start, ORIGIN).await {
        Ok(triggered) => triggered,
        Err(error) => return refused(error),
    };
    let started = Started { run_id: triggered.run_id.to_string(), new: triggered.is_new };
    output.show(&started, |started| {
        let how = if started.new { "started" } else { "was started by this start key before" };
        format!("run {} {how}\n", started.run_id)
    })?;
    Ok(Answer::Done)
}

/// The object as it was given, which must be JSON: the engine stores it as it is.
fn object(source: &ObjectSource) -> Result<String, Failure> {
    let mut problems = Problems::default();
    let text = match source {
        ObjectSource::Text(text) => Some(text.clone()),
        ObjectSource::File(path) => {
            let mut text = String::new();
            let read = std::fs::File::open(path)
                .and_then(|file| file.take(OBJECT_BYTES_MAX).read_to_string(&mut text));
            if let Err(error) = &read {
                problems.add("--object", format!("{} cannot be read: {error}", path.display()));
            }
            read.is_ok().then_some(text)
        }
    };
    if let Some(text) = &text
        && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text)
    {
        problems.add("--object", format!("it is not JSON: {error}"));
    }
    problems.or(text)
}

/// The run that was chosen; nothing, and a note, if there is none.
async fn find(chosen: &Chosen, backend: &Backend) -> Result<Option<RunId>, Failure> {
    let (workflow, foreign_id) = match (chosen.run, &chosen.workflow, &chosen.foreign_id) {
        (None, Some(workflow), Some(foreign_id)) => (workflow, foreign_id),
        // The command line lets nothing else through than one or the other.
        (run, ..) => return Ok(run),
    };
    let found = backend.store().latest(workflow, foreign_id).await?;
    if found.is_none() {
        note(&format!("workflow {workflow} has no run of {foreign_id}"));
    }
    Ok(found.map(|record| record.run_id))
}

/// What the database or the command line is to blame for is a failure; all else is a refusal, with its reason.
fn refused(error: OperatorError) -> Result<Answer, Failure> {
    match error {
        OperatorError::Backend(error) => Err(error.into()),
        OperatorError::TooLarge { .. } => {
            let mut problems = Problems::default();
            problems.add("--object", error);
            problems.or(None)
        }
        error => {
            note(&error.to_string());
            Ok(Answer::Findings)
        }
    }
}
