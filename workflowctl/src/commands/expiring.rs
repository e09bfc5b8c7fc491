//! `archive` and `prune-history`: old runs, batch by batch.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;
use store_sql::maintenance::{Batch, Expiring, Expiry, FinalState, Maintenance, What};

use super::Answer;
use crate::args::{ArchiveArgs, PruneArgs, Selection};
use crate::failure::Failure;
use crate::output::{Column, Output, count, of, plain, table};
use crate::progress::Progress;
use crate::settings::Settings;
use crate::stop::Stop;

pub(crate) async fn archive(
    args: &ArchiveArgs,
    settings: &Settings,
    output: &Output,
) -> Result<Answer, Failure> {
    let what = args.into.clone().map_or(What::Delete, What::MoveInto);
    run(what, &args.selection, settings, output).await
}

pub(crate) async fn prune(args: &PruneArgs, settings: &Settings, output: &Output) -> Result<Answer, Failure> {
    run(What::DeleteHistory, &args.selection, settings, output).await
}

/// What was done.
#[derive(Serialize)]
struct Summary {
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    into: Option<String>,
    dry_run: bool,
    states: Vec<&'static str>,
    /// Runs that were created and last stored before this instant were old.
    before: String,
    /// Runs, or rows of histories.
    rows: u64,
    kept: u64,
    batches: u64,
    seconds: f64,
    interrupted: bool,
    workflows: BTreeMap<String, Counts>,
    #[serde(skip)]
    unit: Unit,
}

/// What was done with the runs of a workflow.
#[derive(Clone, Copy, Default, Serialize)]
struct Counts {
    rows: u64,
    kept: u64,
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Runs,
    Rows,
}

impl Unit {
    fn of(self, number: u64) -> String {
        match self {
            Unit::Runs => of(number, "run", "runs"),
            Unit::Rows => of(number, "row of a history", "rows of histories"),
        }
    }
}

async fn run(
    what: What,
    selection: &Selection,
    settings: &Settings,
    output: &Output,
) -> Result<Answer, Failure> {
    let expiry = Expiry {
        states: selection.states.clone(),
        workflow_name: selection.workflow.clone(),
        batch: selection.batch,
        dry_run: selection.dry_run,
        ..Expiry::new(what, selection.older_than)
    };
    let stop = Stop::listen()?;
    let maintenance = Maintenance::of(&settings.connect().await?);
    let mut expiring = maintenance.expire(&expiry).await?;
    let mut summary = Summary::new(&expiry, &expiring);
    let progress = Progress::new(output);
    let rate = selection.rate.map(|rate| f64::from(rate.get()));
    let ended = work(&mut expiring, &mut summary, &progress, stop, rate).await;
    progress.end();
    // What was done is told even if the rest could not be.
    output.show(&summary, human)?;
    ended?;
    Ok(Answer::unless(summary.interrupted))
}

async fn work(
    expiring: &mut Expiring,
    summary: &mut Summary,
    progress: &Progress,
    mut stop: Stop,
    rate: Option<f64>,
) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        if stop.is_wished() {
            summary.interrupted = true;
            return Ok(());
        }
        let batch = expiring.next_batch().await;
        summary.seconds = begun.elapsed().as_secs_f64();
        let Some(batch) = batch? else { return Ok(()) };
        summary.add(&batch);
        progress.at(
            batch.progress,
            format!("{}: {}", plain(&batch.workflow_name), summary.unit.of(summary.rows)),
        );
        if let Some(rate) = rate {
            // So long all that was done should have taken.
            let due = Duration::from_secs_f64(summary.rows as f64 / rate);
            stop.or_after(due.saturating_sub(begun.elapsed())).await;
        }
    }
}

impl Summary {
    fn new(expiry: &Expiry, expiring: &Expiring) -> Self {
        let (what, into, unit) = match &expiry.what {
            What::Delete => ("delete", None, Unit::Runs),
            What::MoveInto(table) => ("move", Some(table.to_string()), Unit::Runs),
            What::DeleteHistory => ("delete-history", None, Unit::Rows),
        };
        let states = if expiry.states.is_empty() { &FinalState::ALL[..] } else { &expiry.states };
        Self {
            what,
            into,
            dry_run: expiry.dry_run,
            states: states.iter().map(|state| state.run_state().name()).collect(),
            before: expiring.before().to_string(),
            rows: 0,
            kept: 0,
            batches: 0,
            seconds: 0.0,
            interrupted: false,
            workflows: BTreeMap::new(),
            unit,
        }
    }

    fn add(&mut self, batch: &Batch) {
        let counts = self.workflows.entry(batch.workflow_name.clone()).or_default();
        counts.rows += batch.rows;
        counts.kept += batch.kept;
        self.rows += batch.rows;
        self.kept += batch.kept;
        self.batches += u64::from(batch.rows > 0);
    }
}

fn human(summary: &Summary) -> String {
    let mut text = String::new();
    let dealt_with = |counts: &Counts| counts.rows + counts.kept > 0;
    let rows: Vec<Vec<String>> = summary
        .workflows
        .iter()
        .filter(|(_, counts)| dealt_with(counts))
        .map(|(name, counts)| vec![name.clone(), count(counts.rows), count(counts.kept)])
        .collect();
    if rows.len() > 1 {
        let done = if summary.dry_run { "WOULD GO" } else { "GONE" };
        text = table(&[Column::Text("WORKFLOW"), Column::Number(done), Column::Number("KEPT")], &rows) + "\n";
    }
    let deed = match (&summary.into, summary.dry_run) {
        (Some(into), false) => format!("moved into {into}"),
        (Some(into), true) => format!("would be moved into {into}"),
        (None, false) => "deleted".to_owned(),
        (None, true) => "would be deleted".to_owned(),
    };
    let (what, before) = (summary.unit.of(summary.rows), &summary.before);
    text.push_str(&format!("{what} {deed}, older than {before}; {:.1} s\n", summary.seconds));
    if summary.kept > 0 {
        let kept = of(summary.kept, "run is kept", "runs are kept");
        text.push_str(&format!(
            "{kept}: an event waits, a retry will be due, a dead letter is there, or somebody holds it\n"
        ));
    }
    if summary.interrupted {
        text.push_str("stopped before the end: the rest is as it was\n");
    }
    text
}
