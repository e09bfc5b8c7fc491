//! The main job: every order of the input to its end.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use workflow::adapter::{Backend, Clock, SystemClock};
use workflow::prelude::*;
use workflow::{Error, Shutdown};

use crate::args::Args;
use crate::flow::{Shop, orders};
use crate::input::{Input, Line};
use crate::order::{Order, OrderStatus};
use crate::progress::{Progress, Standing, say};
use crate::report::Report;
use crate::timing::Sample;
use crate::{courier, stop};

/// How long the engine may take to end what is in flight.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// How many orders are started in one transaction.
const START_MAX: usize = 500;

/// Does the main job as the command line says.
///
/// # Errors
/// If the database or the input cannot be used.
pub async fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let input = Input::open(args.input.as_deref())?;
    let place = &args.database;
    let database = Database::options().connect_to(place.dsn()?).await;
    let database = database.with_context(|| format!("cannot use {place}"))?;
    let place = database.place();
    let report = run(args, database, input).await?;
    let text = if args.json { report.json(&place)? + "\n" } else { report.table(&place)? };
    match std::io::stdout().write_all(text.as_bytes()) {
        // Who closed the pipe has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot print the report"),
        _ => Ok(ExitCode::from(report.exit_code())),
    }
}

/// Takes every order of the input to its end, on any backend.
///
/// # Errors
/// If the backend or the input fails.
pub async fn run(args: &Args, backend: impl Into<Backend>, input: Input) -> anyhow::Result<Report> {
    let (office, calls) = mpsc::unbounded_channel();
    let receipts = Arc::new(AtomicU64::new(0));
    let shop = Shop { courier: office.clone(), receipts: Arc::clone(&receipts) };
    let report = Report::new(SystemClock::new().now());
    let workflow = orders(shop, args.in_flight as usize)?;
    let running = workflow.run(backend).await.context("cannot run the workflow")?;
    let courier = tokio::spawn(courier::work(running.client(), calls));
    courier::call_again(&running, &office).await?;
    let client = running.client();
    let how = How { silent: args.json, log: args.verbose > 0, in_flight: args.in_flight as usize };
    let driven = drive(how, &client, input, report).await;
    courier.abort();
    tokio::select! {
        ended = running.shutdown(SHUTDOWN) => if ended == Shutdown::DeadlinePassed {
            say("not everything in flight could be ended in time; it goes on at the next start");
        },
        () = stop::asked() => say("ended at once; what was in flight goes on at the next start"),
    }
    let (mut report, sample) = driven?;
    report.steps = sample.measure(&client, report.began).await?;
    Ok(report)
}

/// How orders are taken to their end, and what is shown of it.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Nothing is shown.
    pub silent: bool,
    /// The engine's log is shown instead of a bar.
    pub log: bool,
    /// How many orders may be under way at once.
    pub in_flight: usize,
}

/// Starts every order of the input and waits for its end, wherever the workflow runs.
///
/// # Errors
/// If the database or the input fails.
pub async fn drive(
    how: How,
    client: &Client<Order, OrderStatus>,
    input: Input,
    report: Report,
) -> anyhow::Result<(Report, Sample)> {
    let begun = Instant::now();
    let mut work = Work {
        client,
        progress: Progress::new(how.silent, how.log, input.count()),
        count: input.count(),
        lines: input.read(),
        all_read: false,
        in_flight: how.in_flight,
        waiting: JoinSet::new(),
        report,
        sample: Sample::default(),
    };
    let worked = tokio::select! {
        // First, so that it listens before any work shows: until then the system ends the program without a report.
        biased;
        () = stop::asked() => {
            work.report.interrupted = true;
            work.progress.note("interrupted: run it again to go on");
            Ok(())
        }
        worked = work.all() => worked,
    };
    work.report.took = begun.elapsed();
    work.progress.end(worked.is_ok().then(|| work.standing()));
    let Work { report, sample, .. } = work;
    worked.map(|()| (report, sample))
}

type AtRest = Result<StoredRun<Order, OrderStatus>, Error>;

struct Work<'a> {
    client: &'a Client<Order, OrderStatus>,
    lines: mpsc::Receiver<anyhow::Result<Line>>,
    /// How many lines there are, if that is known beforehand.
    count: Option<u64>,
    all_read: bool,
    in_flight: usize,
    /// Tasks, so that they get on while orders are started: one that was not polled could hold a connection that the
    /// start waits for.
    waiting: JoinSet<AtRest>,
    report: Report,
    progress: Progress,
    sample: Sample,
}

impl Work<'_> {
    async fn all(&mut self) -> anyhow::Result<()> {
        // Many orders in one transaction, as soon as there is room for so many.
        let batch = START_MAX.min(self.in_flight);
        let mut lines = Vec::with_capacity(batch);
        loop {
            let room = self.waiting.len() + batch <= self.in_flight;
            tokio::select! {
                Some(at_rest) = self.waiting.join_next() => self.at_rest(at_rest??),
                read = self.lines.recv_many(&mut lines, batch), if room && !self.all_read => {
                    self.all_read = read == 0;
                    self.start(lines.drain(..)).await?;
                }
                else => return Ok(()),
            }
        }
    }

    /// Starts orders; those that were started before go on from where they are.
    async fn start(&mut self, lines: impl Iterator<Item = anyhow::Result<Line>>) -> anyhow::Result<()> {
        let (mut numbers, mut starts) = (Vec::new(), Vec::new());
        for line in lines {
            let Line { number, order } = line?;
            match order {
                Ok(order) => {
                    numbers.push(number);
                    starts.push(Start::new(order.id.clone(), *order.clone()).key(order.id));
                }
                Err(reason) => self.reject(number, &reason),
            }
        }
        let client = self.client;
        for (number, started) in numbers.into_iter().zip(client.trigger_all(starts).await?) {
            match started {
                Ok(run) => {
                    self.report.orders += 1;
                    let client = client.clone();
                    self.waiting.spawn(async move { client.wait_for(&run).at_rest().await });
                }
                Err(error) => self.reject(number, &error.to_string()),
            }
        }
        Ok(())
    }

    fn reject(&mut self, line: u64, reason: &str) {
        self.report.rejected_lines += 1;
        self.progress.note(&format!("line {line} is no order: {reason}"));
    }

    fn at_rest(&mut self, run: StoredRun<Order, OrderStatus>) {
        if self.report.count(&run) {
            self.sample.offer(run.id());
        }
        self.progress.at(self.standing());
    }

    fn standing(&self) -> Standing {
        let Report { orders: arrived, rejected_lines, paused, .. } = self.report;
        // A file may have grown since its lines were counted.
        let counted = self.count.map(|lines| lines.saturating_sub(rejected_lines).max(arrived));
        let expected = if self.all_read { Some(arrived) } else { counted };
        Standing { ended: self.report.ended(), paused, arrived, expected }
    }
}
