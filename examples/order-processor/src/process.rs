//! The main job: every order of the input to its end.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use workflow::adapter::Backend;
use workflow::prelude::*;
use workflow::{Error, Shutdown};

use crate::args::Args;
use crate::courier;
use crate::flow::{Shop, orders};
use crate::input::{Input, Line};
use crate::order::{Order, OrderStatus};
use crate::progress::Progress;
use crate::report::{Report, Step};

/// How long the engine may take to end what is in flight.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// How many orders are started in one transaction.
const START_MAX: usize = 500;

/// Does the main job as the command line says.
///
/// # Errors
/// If the database or the input cannot be used.
pub async fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let file = args.database.display();
    let database = Sqlite::open(&args.database).await.with_context(|| format!("cannot use {file}"))?;
    let input = Input::open(args.input.as_deref())?;
    let path = database.file().to_owned();
    let report = run(args, database, input).await?;
    if args.json {
        println!("{}", report.json(&path));
    } else {
        print!("{}", report.table(&path));
    }
    Ok(ExitCode::from(report.exit_code()))
}

/// Takes every order of the input to its end, on any backend.
///
/// # Errors
/// If the backend or the input fails.
pub async fn run(args: &Args, backend: impl Into<Backend>, input: Input) -> anyhow::Result<Report> {
    let (office, calls) = mpsc::unbounded_channel();
    let receipts = Arc::new(AtomicU64::new(0));
    let shop = Shop { courier: office.clone(), receipts: Arc::clone(&receipts) };
    let workflow = orders(shop, args.in_flight as usize)?;
    let running = workflow.run(backend).await.context("cannot run the workflow")?;
    let courier = tokio::spawn(courier::work(running.client(), calls));
    courier::call_again(&running, &office).await?;
    let driven = drive(args, &running, input).await;
    courier.abort();
    if running.shutdown(SHUTDOWN).await == Shutdown::DeadlinePassed {
        eprintln!("not everything in flight could be ended in time; it goes on at the next start");
    }
    driven
}

async fn drive(args: &Args, running: &Running<Order, OrderStatus>, input: Input) -> anyhow::Result<Report> {
    let mut work = Work {
        running,
        input: Some(input),
        in_flight: args.in_flight as usize,
        waiting: FuturesUnordered::new(),
        report: Report::default(),
        progress: Progress::new(args.json),
        seen: Vec::new(),
    };
    let begun = Instant::now();
    let worked = tokio::select! {
        worked = work.all() => worked,
        _ = tokio::signal::ctrl_c() => {
            work.progress.note("interrupted: run it again to go on");
            Ok(())
        }
    };
    work.progress.end();
    worked?;
    let Work { mut report, seen, .. } = work;
    report.took = begun.elapsed();
    report.steps = Step::measure(running, &seen).await?;
    Ok(report)
}

/// How many runs are looked at for the times of the steps.
const MEASURED_MAX: usize = 2000;

type Ended = Result<StoredRun<Order, OrderStatus>, Error>;

struct Work<'a> {
    running: &'a Running<Order, OrderStatus>,
    input: Option<Input>,
    in_flight: usize,
    waiting: FuturesUnordered<futures_util::future::BoxFuture<'a, Ended>>,
    report: Report,
    progress: Progress,
    seen: Vec<RunId>,
}

impl Work<'_> {
    async fn all(&mut self) -> anyhow::Result<()> {
        loop {
            if self.waiting.len() + START_MAX <= self.in_flight.max(START_MAX) && self.input.is_some() {
                self.start_some().await?;
            }
            match self.waiting.next().await {
                Some(ended) => self.ended(ended?),
                None if self.input.is_none() => return Ok(()),
                None => {}
            }
        }
    }

    /// Starts the next orders of the input; those that were started before go on from where they are.
    async fn start_some(&mut self) -> anyhow::Result<()> {
        let mut starts = Vec::new();
        while starts.len() < START_MAX {
            let Some(input) = &mut self.input else { break };
            match input.next_line()? {
                Some(Line::Order(order)) => {
                    starts.push(Start::new(order.id.clone(), *order.clone()).key(order.id));
                }
                Some(Line::Rejected(number, reason)) => {
                    self.report.rejected_lines += 1;
                    self.progress.note(&format!("line {number} is no order: {reason}"));
                }
                None => self.input = None,
            }
        }
        let running = self.running;
        for started in running.trigger_all(starts).await? {
            match started {
                Ok(run) => {
                    self.report.orders += 1;
                    if self.seen.len() < MEASURED_MAX {
                        self.seen.push(run);
                    }
                    self.waiting.push(Box::pin(async move { running.wait_for(&run).at_rest().await }));
                }
                Err(error) => {
                    self.report.rejected_lines += 1;
                    self.progress.note(&format!("an order could not be started: {error}"));
                }
            }
        }
        Ok(())
    }

    fn ended(&mut self, run: StoredRun<Order, OrderStatus>) {
        self.report.count(&run);
        self.progress.at(self.report.ended(), self.report.orders);
    }
}
