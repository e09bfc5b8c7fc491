//! A disk that runs full while the engine runs, and gets room again.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use store_sql::Sqlite;
use workflow::prelude::*;
use workflow::{Client, Error};

use crate::parcels::{At, Depot, Parcel, parcels};
use crate::patience::{PATIENCE, patiently, until};
use crate::raw::Raw;

/// How large the objects are, in bytes: a few dozen of them fill the disk.
const PADDING: usize = 20_000;

/// How many triggers fill any disk of these tests.
const TRIGGERS_MAX: usize = 2_000;

/// How room is made.
pub enum Room {
    /// A file that fills the disk is deleted.
    Delete(PathBuf),
    /// The limit on the size of this process's files is lifted.
    Lift,
}

impl Room {
    async fn make(&self) -> anyhow::Result<()> {
        match self {
            Room::Delete(filler) => std::fs::remove_file(filler).context("the filler is there"),
            Room::Lift => {
                let own = std::process::id().to_string();
                let args = ["--pid", &own, "--fsize=unlimited"];
                let lifted = tokio::process::Command::new("prlimit").args(args).status().await?;
                ensure!(lifted.success(), "prlimit lifts a soft limit");
                Ok(())
            }
        }
    }
}

/// Triggers until nothing more fits, makes room, and checks that all that was acknowledged is there and goes on, with
/// nobody's help. Tells how many runs there were, and what the error was.
///
/// # Errors
/// If anything was lost.
pub async fn survive(file: &Path, room: Room) -> anyhow::Result<String> {
    let running = parcels(Depot::mended())?.run(Sqlite::open(file).await?).await?;
    let (acknowledged, refused) = fill(&running).await?;
    ensure!(acknowledged.len() >= 5, "only {} runs were taken", acknowledged.len());
    // It stays full for a few more calls, which say so too.
    for number in 0..3 {
        let parcel = Parcel { padding: "x".repeat(PADDING * 10), ..Parcel::default() };
        ensure!(running.trigger(format!("more-{number}"), parcel).await.is_err(), "it was full a moment ago");
    }
    room.make().await?;
    for run in &acknowledged {
        let reached =
            patiently("a run after the disk was full", running.wait_for(run).status(At::Packed)).await?;
        ensure!(reached.is_reached(), "{run} is in {:?}", reached.run());
    }
    let fresh = running.trigger("fresh", Parcel::default()).await?;
    ensure!(
        patiently("fresh", running.wait_for(&fresh).status(At::Packed)).await?.is_reached(),
        "it goes on"
    );
    let mut raw = Raw::open(file).await?;
    let left = "select count(*) from workflow_outbox";
    until("an empty outbox", async || raw.number(left).await.is_ok_and(|left| left == 0)).await;
    running.shutdown(PATIENCE).await;
    let stored = raw.number("select count(*) from workflow_records").await?;
    ensure!(
        usize::try_from(stored)? == acknowledged.len() + 1,
        "{stored} runs of {}",
        acknowledged.len() + 1
    );
    let twice = "select count(*) from workflow_history where version > 2";
    ensure!(raw.number(twice).await? == 0, "a transition was made twice");
    let checked = raw.texts("select * from pragma_integrity_check").await?;
    ensure!(checked == ["ok"], "{checked:?}");
    Ok(format!("survived with {} runs: {refused}", acknowledged.len()))
}

/// Triggers until a run is refused; gives those that were acknowledged.
async fn fill(client: &Client<Parcel, At>) -> anyhow::Result<(Vec<RunId>, Error)> {
    let mut acknowledged = Vec::new();
    for number in 0..TRIGGERS_MAX {
        let parcel = Parcel { padding: "x".repeat(PADDING), ..Parcel::default() };
        match client.trigger(format!("parcel-{number}"), parcel).await {
            Ok(run) => acknowledged.push(run),
            Err(error) => {
                ensure!(error.is_retryable(), "a full disk is no reason to give up: {error}");
                return Ok((acknowledged, error));
            }
        }
    }
    bail!("{TRIGGERS_MAX} runs did not fill it")
}
