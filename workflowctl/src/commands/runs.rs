//! `runs`: listed and shown.

use serde::Serialize;
use workflow_core::adapter::{Backend, BackendError, HistoryQuery, ListQuery, Page};
use workflow_core::{RunId, Timestamp};

use super::Answer;
use super::records::{self, Entry, Run};
use crate::args::{HistoryArgs, ListArgs, ShowArgs};
use crate::cursor::RunToken;
use crate::failure::{Failure, Problems};
use crate::output::{Output, note};
use crate::settings::Settings;

/// A page of runs.
#[derive(Serialize)]
struct Runs {
    runs: Vec<Run>,
    /// Why runs of this page cannot be shown.
    unreadable: Vec<String>,
    /// The token of the next page.
    next: Option<String>,
}

pub(crate) async fn list(args: &ListArgs, settings: &Settings, output: &Output) -> Result<Answer, Failure> {
    let page = page(args)?;
    let backend = Backend::from(settings.connect().await?);
    let now = backend.store().clock().now();
    let (created_from, created_before) = (
        args.created_from.map(|moment| moment.instant(now)),
        args.created_before.map(|moment| moment.instant(now)),
    );
    in_order(created_from, created_before)?;
    let query = ListQuery {
        workflow_name: args.workflow.clone(),
        foreign_ids: args.foreign_ids.clone(),
        statuses: args.statuses.clone(),
        run_states: args.states.iter().flat_map(|filter| filter.0.iter().copied()).collect(),
        created_from,
        created_before,
        newest_first: args.newest_first,
        page,
        limit: args.limit,
    };
    let found = backend.store().list(&query).await?;
    let token = |cursor| RunToken { cursor, newest_first: args.newest_first }.text();
    let runs = Runs {
        runs: found.records.iter().map(|record| Run::new(record, false)).collect(),
        unreadable: found.unreadable.iter().map(with_cause).collect(),
        next: found.next.map(token),
    };
    output.show(&runs, human)?;
    for unreadable in runs.unreadable.iter().filter(|_| !output.is_json()) {
        note(&format!("not shown: {unreadable}"));
    }
    Ok(Answer::unless(!runs.unreadable.is_empty()))
}

/// Refuses a time in which nothing can have been created.
fn in_order(from: Option<Timestamp>, before: Option<Timestamp>) -> Result<(), Failure> {
    let mut problems = Problems::default();
    if from.zip(before).is_some_and(|(from, before)| from > before) {
        problems.add("--created-from", "it is later than --created-before: nothing was created in between");
    }
    problems.or(Some(()))
}

/// Where the list begins; a token holds for the order in which it was given.
fn page(args: &ListArgs) -> Result<Page, Failure> {
    let Some(token) = args.after else { return Ok(Page::Offset(args.offset.unwrap_or(0))) };
    if token.newest_first == args.newest_first {
        return Ok(Page::After(token.cursor));
    }
    let mut problems = Problems::default();
    problems.add(
        "--after",
        "the token is of a list in the other order: give --newest-first as it was given there",
    );
    problems.or(None)
}

fn human(page: &Runs) -> String {
    if page.runs.is_empty() && page.unreadable.is_empty() {
        return "no runs\n".to_owned();
    }
    let more = page.next.as_ref().map(|token| format!("\nmore: --after {token}\n")).unwrap_or_default();
    format!("{}{more}", records::runs(&page.runs))
}

pub(crate) async fn show(args: &ShowArgs, settings: &Settings, output: &Output) -> Result<Answer, Failure> {
    let backend = Backend::from(settings.connect().await?);
    let found = backend.store().lookup(&[args.run]).await?.pop().transpose()?.flatten();
    let Some(record) = found else { return Ok(missing(args.run)) };
    output.show(&Run::new(&record, args.object), Run::in_full)?;
    Ok(Answer::Done)
}

/// A part of a history.
#[derive(Serialize)]
struct History {
    run_id: String,
    entries: Vec<Entry>,
    /// The last version of this page, if there is another one.
    next: Option<u64>,
}

pub(crate) async fn history(
    args: &HistoryArgs,
    settings: &Settings,
    output: &Output,
) -> Result<Answer, Failure> {
    let backend = Backend::from(settings.connect().await?);
    // One more than is shown, to know whether there is more.
    let query = HistoryQuery { run_id: args.run, after: args.after, limit: args.limit + 1 };
    let mut found = backend.store().history(&query).await?;
    // The run may be gone, or not be readable; its history stands for itself.
    let record = backend.store().lookup(&[args.run]).await?.pop().and_then(Result::ok).flatten();
    if found.is_empty() && record.is_none() {
        return Ok(missing(args.run));
    }
    let more = found.len() > args.limit;
    found.truncate(args.limit);
    let history = History {
        run_id: args.run.to_string(),
        entries: found.iter().map(|entry| Entry::new(entry, record.as_deref())).collect(),
        next: found.last().filter(|_| more).map(|entry| entry.version.get()),
    };
    output.show(&history, |history| {
        let more = history.next.map(|version| format!("\nmore: --after {version}\n")).unwrap_or_default();
        if history.entries.is_empty() {
            "no entries\n".to_owned()
        } else {
            records::entries(&history.entries) + &more
        }
    })?;
    Ok(Answer::Done)
}

fn missing(run: RunId) -> Answer {
    note(&format!("there is no run {run}"));
    Answer::Findings
}

fn with_cause(error: &BackendError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}
