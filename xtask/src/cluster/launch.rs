//! Starting and ending the processes of a cluster.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::process::{self, LOOK_EVERY};
use super::state::{Member, Role, State};
use super::{Database, Up};
use crate::services::{self, Kind, Supplied};

/// How long a process may take until it works: the first one makes the tables.
const START_MAX: Duration = Duration::from_secs(60);

/// Into how many shards the relays divide the outbox: one each, of two relays.
const RELAY_SHARDS: &str = "2";

/// Starts what the command line says.
pub(crate) fn up(root: &Path, up: &Up) -> anyhow::Result<State> {
    let before = State::load(root);
    anyhow::ensure!(
        !before.members.iter().any(process::runs),
        "a cluster runs already: cargo xtask cluster down"
    );
    build(root, up.debug)?;
    let Supplied { addresses, started } =
        services::supply(root, &[up.database.kind(), Kind::Kafka, Kind::Etcd])?;
    let mut state = State {
        environment: environment(up.database, &addresses),
        database: Some(up.database),
        services: started,
        debug: up.debug,
        ..State::default()
    };
    state.save(root)?;
    let roles = [(Role::Worker, up.workers), (Role::Relay, up.relays)];
    for role in roles.into_iter().flat_map(|(role, count)| (0..count).map(move |_| role)) {
        start(root, &mut state, role)?;
    }
    Ok(state)
}

/// By which every process finds the servers; the names of the topics and roles are this cluster's own.
fn environment(database: Database, addresses: &[(Kind, String)]) -> Vec<(String, String)> {
    let name_of = |kind: Kind| match kind == database.kind() {
        true => "WORKFLOW_DATABASE_URL",
        false => kind.variable(),
    };
    let mut environment: Vec<(String, String)> =
        addresses.iter().map(|(kind, address)| (name_of(*kind).to_owned(), address.clone())).collect();
    environment.push(("WORKFLOW_RELAY_SHARDS".to_owned(), RELAY_SHARDS.to_owned()));
    environment.push(("WORKFLOW_NAMESPACE".to_owned(), format!("cluster-{:08x}", fastrand::u32(..))));
    environment
}

/// Compiles the relay and the worker.
fn build(root: &Path, debug: bool) -> anyhow::Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(["build", "--quiet", "-p", "outbox-relay", "-p", "order-processor"]);
    command.args(["--features", "order-processor/cluster"]);
    if !debug {
        command.arg("--release");
    }
    let built = command.status().context("cannot run cargo")?;
    anyhow::ensure!(built.success(), "the relay and the worker do not compile");
    Ok(())
}

/// A program of the cluster.
pub(crate) fn program(root: &Path, state: &State, name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join(if state.debug { "debug" } else { "release" }).join(name)
}

/// Starts one more process of a cluster that runs.
pub(crate) fn add(root: &Path, role: Role) -> anyhow::Result<Member> {
    let mut state = State::load(root);
    anyhow::ensure!(!state.members.is_empty(), "no cluster runs: cargo xtask cluster up");
    start(root, &mut state, role)
}

fn start(root: &Path, state: &mut State, role: Role) -> anyhow::Result<Member> {
    let number = state.next_number(role);
    let mut command = match role {
        Role::Relay => Command::new(program(root, state, "outbox-relay")),
        Role::Worker => {
            let mut command = Command::new(program(root, state, "order-processor"));
            command.arg("worker").arg("-v");
            command
        }
    };
    let mut member = Member { role, number, pid: 0, started: 0, log: PathBuf::new() };
    command.envs(state.environment.iter().map(|(name, value)| (name, value)));
    command.env("WORKFLOW_INSTANCE_NAME", member.name());
    member.log = State::folder(root).join(format!("{}.log", member.name()));
    let mut child = spawn(command, &member.log)?;
    member.pid = child.id();
    member.started = process::started(member.pid).unwrap_or_default();
    state.members.push(member.clone());
    state.save(root)?;
    wait(&mut child, &member)?;
    Ok(member)
}

fn spawn(mut command: Command, log: &Path) -> anyhow::Result<Child> {
    let log = File::create(log).context("cannot write the log of a process")?;
    let errors = log.try_clone()?;
    // A group of its own: what is typed at the terminal is not for it.
    command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
    command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))
}

/// Waits until a process says that it works.
fn wait(child: &mut Child, member: &Member) -> anyhow::Result<()> {
    let sign = match member.role {
        Role::Relay => "relaying",
        Role::Worker => "works on",
    };
    let deadline = Instant::now() + START_MAX;
    while Instant::now() < deadline {
        let said = fs::read_to_string(&member.log).unwrap_or_default();
        if said.contains(sign) {
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            let last = said.lines().last().unwrap_or_default();
            anyhow::bail!("{} ended with {status}: {last}", member.name());
        }
        thread::sleep(LOOK_EVERY);
    }
    anyhow::bail!("{member} did not begin to work within {} s", START_MAX.as_secs())
}

/// Kills a worker as a crash would: it gives nothing back.
pub(crate) fn kill_worker(root: &Path, number: Option<u32>) -> anyhow::Result<Member> {
    let mut state = State::load(root);
    let wanted = |member: &&Member| {
        member.role == Role::Worker
            && number.is_none_or(|number| member.number == number)
            && process::runs(member)
    };
    let member = state.members.iter().find(wanted).cloned().context("there is no such worker")?;
    process::signal_to(&member, "KILL");
    while process::runs(&member) {
        thread::sleep(LOOK_EVERY);
    }
    state.members.retain(|each| *each != member);
    state.save(root)?;
    Ok(member)
}

/// Ends everything that was started.
pub(crate) fn down(root: &Path) -> anyhow::Result<()> {
    let state = State::load(root);
    thread::scope(|scope| {
        for member in &state.members {
            scope.spawn(|| process::end(member));
        }
    });
    if !state.services.is_empty() {
        services::end(root, &state.services)?;
    }
    State::default().save(root)
}
