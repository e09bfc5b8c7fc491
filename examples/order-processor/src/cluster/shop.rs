//! Placing orders, and waiting for what becomes of them: all it needs is the database.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Context;
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use serde::Serialize;
use telemetry::Telemetry;
use tokio::sync::mpsc;
use workflow::adapter::{Backend, Clock, SystemClock};
use workflow::prelude::*;

use super::audit::Audit;
use super::owners::Owners;
use super::servers::Etcd;
use super::telling::Telling;
use crate::flow::{Shop, orders};
use crate::generate;
use crate::input::Input;
use crate::place::Place;
use crate::process::{How, drive};
use crate::report::Report;

/// Some order missed a transition, or took one twice.
const BROKEN: u8 = 5;

/// What is ordered, and where.
#[derive(Args, Clone, Debug)]
pub struct Shopping {
    /// The database, as a connection string
    #[arg(short, long, value_name = "URL", env = "WORKFLOW_DATABASE_URL", hide_env_values = true)]
    #[arg(value_parser = OsStringValueParser::new().map(Place::from))]
    pub database: Place,

    /// Where etcd is asked who owns which role, for the report.
    #[command(flatten)]
    pub etcd: Etcd,

    /// How many orders are made up and placed
    #[arg(long, value_name = "N", default_value_t = 1000, conflicts_with = "input")]
    pub count: u64,

    /// What they are made from: the same seed makes the same orders
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,

    /// The orders, one JSON object a line, instead of made-up ones; `-` reads standard input
    #[arg(short, long, value_name = "FILE")]
    pub input: Option<PathBuf>,

    /// How many orders may be under way at once
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub in_flight: u32,

    /// Print one JSON object instead of the table
    #[arg(long)]
    pub json: bool,

    /// Who is told of it.
    #[command(flatten)]
    pub telling: Telling,
}

impl Shopping {
    /// Places the orders and reports.
    ///
    /// # Errors
    /// If a server or the input cannot be used.
    pub async fn run(&self, telemetry: &Telemetry, log: bool) -> anyhow::Result<ExitCode> {
        let input = match &self.input {
            Some(file) => Input::open(Some(file))?,
            None => Input::of_lines(generate::lines(self.count, self.seed)?),
        };
        let place = &self.database;
        let database = Database::options().connect_to(place.dsn()?).await;
        let database = database.with_context(|| format!("cannot use {place}"))?;
        let place = database.place();
        database.ring_relays();
        // Nobody here takes a call or sends a receipt: the workers do.
        let (courier, _) = mpsc::unbounded_channel();
        let shop = Shop { courier, receipts: Arc::new(AtomicU64::new(0)) };
        let backend = Backend::from(database).with_trace_link(telemetry.link());
        let client = orders(shop, self.in_flight as usize)?.connect(backend).await?;
        telemetry.watch(&client);
        let how = How { silent: false, log, in_flight: self.in_flight as usize };
        let report = Report::new(SystemClock::new().now());
        let (mut report, sample) = drive(how, &client, input, report).await?;
        report.steps = sample.measure(&client, report.began).await?;
        let found =
            Found { audit: Audit::of(&client, report.began).await?, owners: Owners::of(&self.etcd).await? };
        self.print(&report, &found, &place)?;
        let code = if found.audit.broken > 0 { BROKEN } else { report.exit_code() };
        Ok(ExitCode::from(code))
    }

    fn print(&self, report: &Report, found: &Found, place: &str) -> anyhow::Result<()> {
        let text = if self.json {
            let report: serde_json::Value = serde_json::from_str(&report.json(place)?)?;
            serde_json::to_string(&Json { report, audit: &found.audit, roles: found.owners.roles() })? + "\n"
        } else {
            report.table(place)? + &found.audit.in_words() + &found.owners.to_string()
        };
        match std::io::stdout().write_all(text.as_bytes()) {
            // Who closed the pipe has seen enough.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(error).context("cannot print the report")
            }
            _ => Ok(()),
        }
    }
}

/// What is known beside the outcomes.
struct Found {
    audit: Audit,
    owners: Owners,
}

/// The report for programs: that of the embedded run, and what several processes add to it.
#[derive(Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    report: serde_json::Value,
    audit: &'a Audit,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<&'a BTreeMap<String, String>>,
}
