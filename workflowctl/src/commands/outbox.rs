//! `outbox status`: what waits.

use serde::Serialize;
use store_sql::maintenance::{Maintenance, OutboxStatus};

use super::Answer;
use crate::failure::Failure;
use crate::output::{Column, Output, count, of, table};
use crate::settings::Settings;
use crate::times;

/// What waits.
#[derive(Serialize)]
struct Status {
    rows: u64,
    oldest_age_seconds: Option<f64>,
    dead_letters: u64,
    workflows: Vec<Waiting>,
}

/// What waits of one workflow.
#[derive(Serialize)]
struct Waiting {
    workflow: String,
    rows: u64,
    oldest: String,
    oldest_age_seconds: f64,
}

pub(crate) async fn status(settings: &Settings, output: &Output) -> Result<Answer, Failure> {
    let found = Maintenance::of(&settings.connect().await?).outbox_status().await?;
    output.show(&shown(&found), human)?;
    Ok(Answer::Done)
}

fn shown(found: &OutboxStatus) -> Status {
    let waiting = found.workflows.iter().map(|waiting| Waiting {
        workflow: waiting.workflow_name.clone(),
        rows: waiting.rows,
        oldest: waiting.oldest.to_string(),
        oldest_age_seconds: found.now.since(waiting.oldest).as_secs_f64(),
    });
    Status {
        rows: found.rows(),
        oldest_age_seconds: found.oldest_age().map(|age| age.as_secs_f64()),
        dead_letters: found.dead_letters,
        workflows: waiting.collect(),
    }
}

fn human(status: &Status) -> String {
    let dead = of(status.dead_letters, "dead letter", "dead letters");
    if status.rows == 0 {
        return format!("no event waits; {dead}\n");
    }
    let columns = [Column::Text("WORKFLOW"), Column::Number("EVENTS"), Column::Number("OLDEST")];
    let age = |seconds: f64| times::show(std::time::Duration::from_secs_f64(seconds));
    let row = |waiting: &Waiting| {
        vec![waiting.workflow.clone(), count(waiting.rows), age(waiting.oldest_age_seconds)]
    };
    let rows: Vec<Vec<String>> = status.workflows.iter().map(row).collect();
    format!("{}\n{} waiting; {dead}\n", table(&columns, &rows), of(status.rows, "event is", "events are"))
}
