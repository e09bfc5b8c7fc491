//! The process that tests start, watch and kill.
//!
//! It prints one line for each thing that it has done, and `error: ...` for what it could not do.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use order_processor::args::Args as OrderArgs;
use order_processor::input::Input;
use store_sql::{Database, Sqlite};
use tokio::io::AsyncReadExt;
use workflow::adapter::{Backend, ListQuery, Store};
use workflow::memory::{InProcessScheduler, InProcessStreamer};
use workflow::{Client, Status};
use workflow_system_tests::aborting::{Aborting, When};
use workflow_system_tests::full;
use workflow_system_tests::parcels::{At, Depot, Parcel, parcels};

/// How many changes a commit takes while it is counted.
const BATCH_MAX: usize = 3;

/// Nothing that is in flight takes as long.
const SHUTDOWN: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match work(&args.iter().map(String::as_str).collect::<Vec<_>>()).await {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn work(args: &[&str]) -> anyhow::Result<String> {
    match args {
        ["orders", rest @ ..] => {
            let args = OrderArgs::try_parse_from(["orders"].iter().chain(rest))?;
            order_processor::process::main(&args).await?;
            Ok("ended".to_owned())
        }
        ["abort-orders", url, input, at, when] => abort_orders(url, Path::new(input), at, when).await,
        ["abort-money", url, count, at, when] => {
            let backend = aborting(Database::connect(url).await?, at, when)?;
            // A few at once, so that there are many commits.
            money_transfer::transfer::make(backend, count.parse()?, 4).await?;
            Ok("ended".to_owned())
        }
        ["money", url, count] => {
            money_transfer::transfer::make(Database::connect(url).await?, count.parse()?, 64).await?;
            Ok("ended".to_owned())
        }
        ["full-disk", file, filler] => {
            full::survive(Path::new(file), full::Room::Delete(PathBuf::from(filler))).await
        }
        ["full-limit", file] => full::survive(Path::new(file), full::Room::Lift).await,
        ["open", file] => Sqlite::open(file).await.map(|_| "opened".to_owned()).context("cannot open"),
        ["run", file, rest @ ..] => run(file, rest).await,
        [call, file, rest @ ..] => {
            let client = parcels(Depot::mended())?.connect(Sqlite::open(file).await?).await?;
            called(&client, call, rest).await
        }
        _ => bail!("unknown arguments {args:?}"),
    }
}

/// The backend on a database, which ends the process at a commit.
fn aborting(database: Database, at: &str, when: &str) -> anyhow::Result<Backend> {
    let when = When::from_name(when).context("before, during or after")?;
    let at = at.parse()?;
    match database {
        Database::MySql(database) => {
            Ok(embedded(Aborting::new(database.store().clone(), at, when, BATCH_MAX)))
        }
        Database::Postgres(database) => {
            Ok(embedded(Aborting::new(database.store().clone(), at, when, BATCH_MAX)))
        }
        Database::Sqlite(database) => {
            Ok(embedded(Aborting::new(database.store().clone(), at, when, BATCH_MAX)))
        }
        other => bail!("{other:?} is of a new kind"),
    }
}

fn embedded(store: impl Store) -> Backend {
    Backend::new(store, InProcessStreamer::new(), InProcessScheduler::new())
}

async fn abort_orders(url: &str, input: &Path, at: &str, when: &str) -> anyhow::Result<String> {
    let args = OrderArgs {
        command: None,
        input: Some(input.to_owned()),
        database: OsString::from(url).into(),
        json: true,
        in_flight: 2000,
        generate: None,
        seed: 1,
        verbose: 0,
    };
    let backend = aborting(Database::connect(url).await?, at, when)?;
    let report = order_processor::process::run(&args, backend, Input::open(Some(input))?).await?;
    Ok(format!("ended {}", report.ended()))
}

/// Runs the workflow until standard input is closed.
async fn run(file: &str, rest: &[&str]) -> anyhow::Result<String> {
    let poll = rest.first().map_or(Ok(50), |millis| millis.parse())?;
    let database = Sqlite::options().poll_every(Duration::from_millis(poll)).open(file).await?;
    let running = parcels(Depot::mended())?.run(database).await?;
    println!("running");
    let mut said = Vec::new();
    tokio::io::stdin().read_to_end(&mut said).await?;
    Ok(format!("stopped {:?}", running.shutdown(SHUTDOWN).await))
}

async fn called(client: &Client<Parcel, At>, call: &str, rest: &[&str]) -> anyhow::Result<String> {
    match (call, rest) {
        ("trigger", [id]) => Ok(client.trigger(*id, Parcel::default()).await?.to_string()),
        ("trigger", [id, patience]) => {
            let parcel = Parcel { patience_ms: Some(patience.parse()?), ..Parcel::default() };
            Ok(client.trigger(*id, parcel).await?.to_string())
        }
        ("acknowledge", [prefix, padding]) => acknowledge(client, prefix, padding.parse()?).await,
        ("callback", [id]) => Ok(format!("{:?}", client.callback(At::Packed, *id, "").await?)),
        ("pause", [run]) => {
            client.pause(&run.parse()?, "by hand").await.map(|()| "paused".to_owned()).map_err(Into::into)
        }
        ("resume", [run]) => {
            client.resume(&run.parse()?).await.map(|()| "resumed".to_owned()).map_err(Into::into)
        }
        ("cancel", [run]) => {
            client.cancel(&run.parse()?, "by hand").await.map(|()| "cancelled".to_owned()).map_err(Into::into)
        }
        ("wait", [run, status]) => {
            let status = At::ALL.iter().find(|each| each.name() == *status).context("no such status")?;
            let waited = client.wait_for(&run.parse()?).status(*status).await?;
            Ok(format!("{} {}", waited.is_reached(), waited.run().status().name()))
        }
        ("watch", [wanted]) => watch(client, wanted.parse()?).await,
        _ => bail!("unknown call {call} {rest:?}"),
    }
}

/// Triggers runs until standard input is closed, and names each that was acknowledged.
async fn acknowledge(client: &Client<Parcel, At>, prefix: &str, padding: usize) -> anyhow::Result<String> {
    let mut number = 0_u64;
    let mut stop = Box::pin(async { tokio::io::stdin().read_to_end(&mut Vec::new()).await.map(drop) });
    loop {
        number += 1;
        let parcel = Parcel { padding: "x".repeat(padding), ..Parcel::default() };
        tokio::select! {
            biased;
            _ = &mut stop => return Ok("stopped".to_owned()),
            made = async { client.trigger(format!("{prefix}-{number}"), parcel).await } => match made {
                Ok(run) => println!("acknowledged {run}"),
                Err(error) if error.is_retryable() => println!("refused {error}"),
                Err(error) => return Err(error.into()),
            },
        }
    }
}

/// Lists all runs again and again until so many have ended, and tells how many at the end.
async fn watch(client: &Client<Parcel, At>, wanted: usize) -> anyhow::Result<String> {
    loop {
        let page = client.list(ListQuery { limit: 100_000, ..ListQuery::default() }).await?;
        let ended = page.runs.iter().filter(|run| run.run_state().is_finished()).count();
        if ended >= wanted {
            return Ok(format!("{ended} ended, {} unreadable", page.unreadable.len()));
        }
        tokio::task::yield_now().await;
    }
}
