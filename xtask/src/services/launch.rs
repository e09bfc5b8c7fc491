//! Starts a server in a folder of its own, and waits until it answers.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::kind::Kind;
use super::packages;
use super::place::{self, User};
use super::process::LOOK_EVERY;
use super::recipe::{self, Recipe};
use super::state::Server;

/// How long a server may take until it answers; recovery after a crash is part of it.
const START_MAX: Duration = Duration::from_secs(120);

/// How often a start is tried: somebody else may take the free port first.
const STARTS_MAX: u32 = 3;

/// The name of the database user and of the database.
pub(crate) const NAME: &str = "workflow";

/// Where and as whom a server is to run, before it does.
pub(crate) struct Plan {
    /// The folder of the project.
    pub(crate) root: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) user: Option<User>,
    /// The port for clients.
    pub(crate) port: u16,
    /// The port for the other members of a cluster, for servers that have one.
    pub(crate) second_port: u16,
    pub(crate) password: String,
}

impl Plan {
    /// A plan whose ports and password are still open.
    pub(crate) fn at(root: &Path, folder: PathBuf, user: Option<User>) -> Self {
        Self { root: root.to_owned(), folder, user, port: 0, second_port: 0, password: String::new() }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A command of the server's package, run as the server's user.
    pub(crate) fn command(&self, program: &str) -> anyhow::Result<Command> {
        let mut command = User::runs(self.user, &packages::path(program)?);
        // The present folder may be one that the server's user cannot reach.
        command.current_dir(&self.folder).env("LC_ALL", "C");
        Ok(command)
    }

    fn choose_ports(&mut self) -> anyhow::Result<()> {
        // Both are held until both are known: else they could be the same.
        let (first, second) = (free_port()?, free_port()?);
        self.port = first.local_addr()?.port();
        self.second_port = second.local_addr()?.port();
        Ok(())
    }
}

/// Writes down that there is a server.
pub(crate) type Note<'a> = &'a (dyn Fn(&Server) -> anyhow::Result<()> + Sync);

/// Starts a server; it answers when this returns. It is noted as soon as there is a process to end.
pub(crate) fn start(kind: Kind, root: &Path, note: Note<'_>) -> anyhow::Result<Server> {
    let user = User::of(kind)?;
    let mut plan = Plan::at(root, place::base(root).join(kind.name()), user);
    plan.password = password();
    place::make(&plan.folder, user)?;
    let recipe = recipe::of(kind);
    plan.choose_ports()?;
    recipe.prepare(&plan)?;
    let mut tries = 0;
    loop {
        tries += 1;
        match run(kind, recipe, &plan, note) {
            Ok(server) => return Ok(server),
            Err(error) if tries == STARTS_MAX => {
                return Err(error.context(format!("{kind} did not start: {}", tail(&log_file(&plan)))));
            }
            Err(_) => plan.choose_ports()?,
        }
    }
}

fn run(kind: Kind, recipe: &dyn Recipe, plan: &Plan, note: Note<'_>) -> anyhow::Result<Server> {
    let mut child = spawn(recipe.server(plan)?, plan)?;
    let folder = plan.folder.clone();
    let (pid, address) = (child.id(), recipe.address(plan));
    let mut server = Server { kind, pid, port: plan.port, folder, address, ready: false };
    let ready =
        note(&server).and_then(|()| wait(recipe, plan, &mut child)).and_then(|()| recipe.finish(plan));
    if let Err(error) = ready {
        // It may have ended already; either way there is nothing left of it.
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    server.ready = true;
    note(&server)?;
    Ok(server)
}

fn spawn(mut command: Command, plan: &Plan) -> anyhow::Result<Child> {
    let log = File::create(log_file(plan)).context("cannot write the server's log")?;
    let errors = log.try_clone()?;
    // A group of its own: what is typed at the terminal is not for the server.
    command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
    command.spawn().context("cannot run the server")
}

fn wait(recipe: &dyn Recipe, plan: &Plan, child: &mut Child) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_MAX;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("the server ended with {status}");
        }
        if recipe.answers(plan)? {
            return Ok(());
        }
        thread::sleep(LOOK_EVERY);
    }
    anyhow::bail!("the server did not answer within {} s", START_MAX.as_secs())
}

/// Whether a server that was started earlier answers.
pub(crate) fn still_answers(server: &Server) -> bool {
    let mut plan = Plan::at(&server.folder, std::env::temp_dir(), None);
    plan.port = server.port;
    plan.password = password_in(&server.address).unwrap_or_default().to_owned();
    recipe::of(server.kind).answers(&plan).unwrap_or(false)
}

fn password_in(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (login, _) = rest.split_once('@')?;
    login.split_once(':').map(|(_, password)| password)
}

/// Runs a command of which nothing but its success is of interest.
pub(crate) fn succeeds(mut command: Command) -> anyhow::Result<bool> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.status().context("cannot ask the server")?.success())
}

/// Runs a command to its end; an error has what it said.
pub(crate) fn complete(mut command: Command, what: &str) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {what}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{what} failed: {}", said.trim());
    Ok(())
}

fn log_file(plan: &Plan) -> PathBuf {
    plan.folder.join("log")
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join(" | ")
}

fn free_port() -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")
}

fn password() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(16).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_found_in_an_address() {
        assert_eq!(password_in("postgres://workflow:Abc1@127.0.0.1:1/workflow"), Some("Abc1"));
        assert_eq!(password_in("postgres://127.0.0.1/workflow"), None);
        assert_eq!(password_in("127.0.0.1:9092"), None, "brokers ask for none");
    }

    #[test]
    fn only_the_end_of_a_log_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        fs::write(&log, "1\n2\n3\n4\n5\n6\n").unwrap();
        assert_eq!(tail(&log), "2 | 3 | 4 | 5 | 6");
        assert_eq!(tail(&folder.path().join("none")), "");
    }
}
