//! Whether queries stay on their index, and as fast as they are, when tables are large.
//!
//! The same questions, about the same few runs again and again, so that what they need is in memory: how long the server's
//! disk takes is not what is compared.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use workflow::adapter::{Cursor, DynStore, ListQuery, Page};
use workflow::{RunId, WorkflowName};

use crate::load;
use crate::measure::{Size, median, progress, threads};
use crate::report::Measured;
use crate::sql::{self, Database, Explained, How, Kind};

/// How many records the tables have with which the large ones are compared.
const FEW: u64 = 100_000;

/// How often each question is asked.
const TIMES: usize = 200;

/// How many runs are asked for at once.
const RUNS: usize = 100;

/// How long a run was not touched that may have been lost.
const UNTOUCHED: Duration = Duration::from_secs(3600);

/// A question that the engine asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Lookup,
    LatestFinished,
    LatestLive,
    FirstPage,
    DeepPage,
    DueTimers,
    ReconcilerSlice,
}

impl Question {
    const ALL: [Question; 7] = [
        Question::Lookup,
        Question::LatestFinished,
        Question::LatestLive,
        Question::FirstPage,
        Question::DeepPage,
        Question::DueTimers,
        Question::ReconcilerSlice,
    ];

    /// The index that it must use.
    fn index(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Question::Lookup, Kind::MariaDb) => "PRIMARY",
            (Question::Lookup, Kind::Postgres) => "workflow_records_pkey",
            (Question::LatestFinished, Kind::Postgres) => "workflow_records_by_foreign_id",
            (Question::LatestFinished, Kind::MariaDb)
            | (Question::LatestLive | Question::ReconcilerSlice, _) => "workflow_records_live",
            (Question::FirstPage | Question::DeepPage, _) => "workflow_records_by_age",
            (Question::DueTimers, _) => "workflow_timeouts_due",
        }
    }
}

pub(super) fn measure(size: Size) -> anyhow::Result<Vec<Measured>> {
    let rows = size.rows.unwrap_or(size.extent.pick(10_000_000, 1_000_000));
    let mut results = Vec::new();
    let mut worst = 0f64;
    for kind in Kind::ALL {
        let ratio = threads()?.block_on(slowest(kind, rows)).with_context(|| kind.name())?;
        worst = worst.max(ratio);
        results.push(Measured::new(format!("{}_ten_million", kind.name()), ratio, "ratio"));
    }
    results.insert(0, Measured::new("ten_million", worst, "ratio").at_most(2.0));
    Ok(results)
}

/// How much longer the question takes that suffers most from many records.
async fn slowest(kind: Kind, rows: u64) -> anyhow::Result<f64> {
    let (few, many) = (Tables::fill(kind, FEW).await?, Tables::fill(kind, rows).await?);
    let explained = Explained::open(&many.database).await?;
    let mut worst = 0f64;
    for question in Question::ALL {
        let what = format!("{}, {question:?} of {rows} records", kind.name());
        explained.on_index(&what, question.index(kind), many.ask(&*explained.store, question)).await?;
        let (of_few, of_many) = (few.times(question).await?, many.times(question).await?);
        // Once more in the other order: the first one may have found the server busy.
        let (of_many, of_few) =
            (of_many.min(many.times(question).await?), of_few.min(few.times(question).await?));
        progress(format!(
            "{}: {question:?} takes {:.0} us, with {rows} records {:.0} us",
            kind.name(),
            of_few * 1e6,
            of_many * 1e6
        ));
        worst = worst.max(of_many / of_few);
    }
    Ok(worst)
}

/// Tables with so many records.
struct Tables {
    database: Database,
    store: Arc<dyn DynStore>,
    rows: u64,
    name: WorkflowName,
    middle: Cursor,
}

impl Tables {
    async fn fill(kind: Kind, rows: u64) -> anyhow::Result<Self> {
        let database = Database::fresh(kind).await?;
        let (backend, _) = sql::backend(&database, How::Grouped).await?;
        let begun = Instant::now();
        sql::records(&database, rows).await?;
        progress(format!("{}: {rows} records in {} s", kind.name(), begun.elapsed().as_secs()));
        let store = Arc::clone(backend.store());
        let found = store.lookup(&[sql::run_id(rows / 2)?]).await?;
        let middle =
            found.into_iter().next().context("the store did not answer")??.context("a run is missing")?;
        let middle = Cursor { created_at: middle.created_at, run_id: middle.run_id };
        Ok(Self { database, store, rows, name: WorkflowName::new(load::NAME)?, middle })
    }

    /// Asks a question; the answer must be the right one.
    async fn ask(&self, store: &dyn DynStore, question: Question) -> anyhow::Result<()> {
        match question {
            Question::Lookup => {
                let runs = (1..=RUNS as u64).map(|part| sql::run_id(part * self.rows / RUNS as u64));
                let runs = runs.collect::<anyhow::Result<Vec<RunId>>>()?;
                let found = store.lookup(&runs).await?;
                ensure!(found.iter().all(|found| matches!(found, Ok(Some(_)))), "a run was not found");
            }
            Question::LatestFinished => self.latest(store, self.rows / 2 + 1).await?,
            Question::LatestLive => self.latest(store, self.rows / 200 * 100).await?,
            Question::FirstPage => self.page(store, Page::Offset(0)).await?,
            Question::DeepPage => self.page(store, Page::After(self.middle)).await?,
            Question::DueTimers => {
                let due = store.due(std::slice::from_ref(&self.name), RUNS).await?;
                let wanted = RUNS.min(self.rows as usize / 1000);
                ensure!(due.timers.len() == wanted, "{} of {wanted} timers were due", due.timers.len());
            }
            Question::ReconcilerSlice => {
                let slice = store.driverless(&self.name, UNTOUCHED, None, RUNS).await?;
                ensure!(slice.records.len() == RUNS, "{} of {RUNS} runs were lost", slice.records.len());
            }
        }
        Ok(())
    }

    async fn latest(&self, store: &dyn DynStore, number: u64) -> anyhow::Result<()> {
        let found = store.latest(&self.name, &sql::foreign_id(number)?).await?;
        ensure!(
            found.is_some_and(|found| Ok(found.run_id) == sql::run_id(number).map_err(drop)),
            "not found"
        );
        Ok(())
    }

    async fn page(&self, store: &dyn DynStore, page: Page) -> anyhow::Result<()> {
        let query = ListQuery {
            workflow_name: Some(self.name.clone()),
            newest_first: true,
            page,
            ..ListQuery::default()
        };
        let listed = store.list(&query).await?;
        ensure!(listed.records.len() == query.limit, "{} runs on a page", listed.records.len());
        Ok(())
    }

    /// How long a question takes, in seconds: the median.
    async fn times(&self, question: Question) -> anyhow::Result<f64> {
        let mut times = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let begun = Instant::now();
            self.ask(&*self.store, question).await?;
            times.push(begun.elapsed().as_secs_f64());
        }
        Ok(median(times))
    }
}
