//! `outbox dead-letters`: listed, put back, thrown away.

use serde::Serialize;
use store_sql::maintenance::{Discarded, LetterCursor, LetterQuery, Maintenance, Requeued};
use workflow_core::adapter::DeadLetter;
use workflow_core::decode_outbox;

use super::Answer;
use crate::args::{LetterCommand, LetterListArgs, LetterSelection};
use crate::cursor::LetterToken;
use crate::failure::Failure;
use crate::output::{Column, Output, of, plain, table};
use crate::settings::Settings;
use crate::stop::Stop;

/// How many dead letters are looked up at once where all are meant.
const PAGE: usize = 500;

/// How much of a reason is shown in a table, in characters.
const REASON_MAX: usize = 80;

pub(crate) async fn run(
    command: LetterCommand,
    settings: &Settings,
    output: &Output,
) -> Result<Answer, Failure> {
    let maintenance = Maintenance::of(&settings.connect().await?);
    match command {
        LetterCommand::List(args) => list(args, &maintenance, output).await,
        LetterCommand::Requeue(which) => each(which, Deed::Requeue, &maintenance, output).await,
        LetterCommand::Discard(which) => each(which, Deed::Discard, &maintenance, output).await,
    }
}

/// A page of dead letters.
#[derive(Serialize)]
struct Page {
    dead_letters: Vec<Letter>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Letter {
    id: String,
    workflow: String,
    run_id: Option<String>,
    version: Option<u64>,
    process: String,
    reason: String,
    created_at: String,
    /// Whether its bytes are an event, so that it can be put back.
    is_event: bool,
    bytes: usize,
}

impl From<&DeadLetter> for Letter {
    fn from(letter: &DeadLetter) -> Self {
        Self {
            id: letter.id.to_string(),
            workflow: letter.workflow_name.to_string(),
            run_id: letter.run_id.map(|run_id| run_id.to_string()),
            version: letter.version.map(|version| version.get()),
            process: letter.process.to_string(),
            reason: letter.reason.to_string(),
            created_at: letter.created_at.to_string(),
            is_event: decode_outbox(&letter.data).is_ok(),
            bytes: letter.data.len(),
        }
    }
}

async fn list(args: LetterListArgs, maintenance: &Maintenance, output: &Output) -> Result<Answer, Failure> {
    let query = LetterQuery {
        workflow_name: args.workflow,
        run_id: args.run,
        after: args.after.map(|token| token.0),
        limit: args.limit,
    };
    let found = maintenance.dead_letters(&query).await?;
    let page = Page {
        dead_letters: found.letters.iter().map(Letter::from).collect(),
        next: found.next.map(|cursor| LetterToken(cursor).text()),
    };
    output.show(&page, human)?;
    Ok(Answer::Done)
}

fn human(page: &Page) -> String {
    if page.dead_letters.is_empty() {
        return "no dead letters\n".to_owned();
    }
    let columns =
        [Column::Text("CREATED"), Column::Text("EVENT"), Column::Text("ID"), Column::Text("REASON")];
    let row = |letter: &Letter| {
        let reason: String = letter.reason.chars().take(REASON_MAX).collect();
        let event = if letter.is_event { "yes" } else { "no" };
        vec![letter.created_at.clone(), event.to_owned(), letter.id.clone(), reason]
    };
    let rows: Vec<Vec<String>> = page.dead_letters.iter().map(row).collect();
    let more = page.next.as_ref().map(|token| format!("\nmore: --after {token}\n")).unwrap_or_default();
    format!("{}{more}", table(&columns, &rows))
}

/// What is done with each of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Requeue,
    Discard,
}

/// What was done with all of them.
#[derive(Serialize)]
struct Summary {
    /// Put back, or thrown away.
    done: u64,
    /// Those with which it could not be done, and why.
    refused: Vec<Refused>,
    interrupted: bool,
}

#[derive(Serialize)]
struct Refused {
    id: String,
    reason: String,
}

async fn each(
    which: LetterSelection,
    deed: Deed,
    maintenance: &Maintenance,
    output: &Output,
) -> Result<Answer, Failure> {
    let stop = Stop::listen()?;
    let mut summary = Summary { done: 0, refused: Vec::new(), interrupted: false };
    let ended = all(&which, deed, maintenance, &stop, &mut summary).await;
    // What was done is told even if the rest could not be.
    output.show(&summary, |summary| in_words(summary, deed))?;
    ended?;
    Ok(Answer::unless(summary.interrupted || !summary.refused.is_empty()))
}

async fn all(
    which: &LetterSelection,
    deed: Deed,
    maintenance: &Maintenance,
    stop: &Stop,
    summary: &mut Summary,
) -> Result<(), Failure> {
    if !which.all {
        return some(&which.ids, deed, maintenance, stop, summary).await;
    }
    let mut query = LetterQuery {
        workflow_name: which.workflow.clone(),
        run_id: which.run,
        after: None::<LetterCursor>,
        limit: PAGE,
    };
    loop {
        let page = maintenance.dead_letters(&query).await?;
        let ids: Vec<String> = page.letters.iter().map(|letter| letter.id.to_string()).collect();
        some(&ids, deed, maintenance, stop, summary).await?;
        match page.next {
            Some(next) if !summary.interrupted => query.after = Some(next),
            _ => return Ok(()),
        }
    }
}

async fn some(
    ids: &[String],
    deed: Deed,
    maintenance: &Maintenance,
    stop: &Stop,
    summary: &mut Summary,
) -> Result<(), Failure> {
    for id in ids {
        if stop.is_wished() {
            summary.interrupted = true;
            return Ok(());
        }
        let refused = match deed {
            Deed::Requeue => match maintenance.requeue(id).await? {
                Requeued::Done { .. } => None,
                Requeued::Missing => Some("there is no such dead letter".to_owned()),
                Requeued::NoEvent { reason } => Some(format!("it is no event: {reason}")),
            },
            Deed::Discard => match maintenance.discard(id).await? {
                Discarded::Done => None,
                Discarded::Missing => Some("there is no such dead letter".to_owned()),
            },
        };
        match refused {
            None => summary.done += 1,
            Some(reason) => summary.refused.push(Refused { id: id.clone(), reason }),
        }
    }
    Ok(())
}

fn in_words(summary: &Summary, deed: Deed) -> String {
    let deed = match deed {
        Deed::Requeue => "put back into the outbox",
        Deed::Discard => "thrown away",
    };
    let mut text = format!("{} {deed}\n", of(summary.done, "dead letter was", "dead letters were"));
    for refused in &summary.refused {
        text.push_str(&format!("not {}: {}\n", plain(&refused.id), plain(&refused.reason)));
    }
    if summary.interrupted {
        text.push_str("stopped before the end\n");
    }
    text
}
