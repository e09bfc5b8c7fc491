//! Servers as processes of the system.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use super::Kind;

/// Where Debian puts the programs of each version of PostgreSQL.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";

/// Runs a server until it ends, or a line names a signal, or the test is gone: then it is ended. What runs in the background
/// of a shell ignores INT and QUIT, unless it asks for them. The first line of its output is the server's number.
const GUARD: &str = "default=$1; shift; exec 3<&0; \"$@\" </dev/null 3<&- & server=$!; echo \"server $server\" >&2; (read -r \
                     signal <&3; kill -\"${signal:-$default}\" $server) 2>/dev/null & watch=$!; wait $server; kill $watch";

/// Gives the server a file system of its own that is gone with it.
const MOUNT: &str = "mount -t tmpfs -o \"$1\" tmpfs \"$2\" && shift 2 && exec \"$@\"";

/// A user of the system.
#[derive(Clone, Copy, Debug)]
pub(super) struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// As whom a server runs: its package's user if this is root, who must not; otherwise this user.
    pub(super) fn of(kind: Kind) -> Option<Self> {
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            return None;
        }
        let name = match kind {
            Kind::Postgres => "postgres",
            Kind::MariaDb => "mysql",
        };
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let found = users.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields[0] == name).then(|| (fields[2].parse().unwrap(), fields[3].parse().unwrap()))
        });
        let (uid, gid) = found.unwrap_or_else(|| panic!("there is no user {name}: {}", advice(kind)));
        Some(Self { uid, gid })
    }
}

fn advice(kind: Kind) -> &'static str {
    match kind {
        Kind::Postgres => "install the Debian package postgresql, as `cargo xtask test` does",
        Kind::MariaDb => "install the Debian package mariadb-server, as `cargo xtask test` does",
    }
}

/// The path of a program of a server's package.
pub(super) fn find(program: &str, kind: Kind) -> PathBuf {
    let versions = fs::read_dir(POSTGRES_VERSIONS).into_iter().flatten().flatten();
    let packaged = versions
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|version| Some((version.parse::<u32>().ok()?, version)))
        .map(|(number, version)| {
            (number, Path::new(POSTGRES_VERSIONS).join(version).join("bin").join(program))
        })
        .filter(|(_, path)| path.exists())
        .max();
    packaged
        .map(|(_, path)| path)
        .or_else(|| in_path(program))
        .unwrap_or_else(|| panic!("{program} is not there: {}", advice(kind)))
}

/// A program that is in the path, or where root's are.
pub(super) fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.exists())
}

/// A port that the system gives to no connection by itself, so that it is still free after a restart.
pub(super) fn free_port() -> u16 {
    let candidates = std::iter::repeat_with(|| 10_000 + uuid::Uuid::new_v4().as_u128() as u16 % 20_000);
    candidates.take(1000).find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).unwrap()
}

pub(super) fn run_as(command: &mut Command, user: Option<User>) {
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
}

pub(super) fn own(path: &Path, user: Option<User>) {
    if let Some(user) = user {
        std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid)).unwrap();
    }
}

pub(super) fn write(path: &Path, text: &str, user: Option<User>) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    own(path, user);
}

/// A server with a shell that ends it when the test is gone.
pub(super) struct Guarded {
    guard: Child,
    server: u32,
}

impl Guarded {
    /// Starts a server, and waits until it says that it is ready.
    pub(super) fn spawn(
        server: &[String],
        ready: &str,
        default_end: &str,
        small: Option<(PathBuf, u32)>,
        user: Option<User>,
    ) -> Self {
        let mut arguments: Vec<String> = Vec::new();
        if let Some((folder, mib)) = &small {
            fs::create_dir_all(folder).unwrap();
            own(folder, user);
            // Only root may mount; who is not root is root of a name space of its own.
            arguments.extend(["unshare", "--mount"].map(str::to_owned));
            if user.is_none() {
                arguments.push("--map-root-user".to_owned());
            }
            arguments.extend(["sh", "-c", MOUNT, "mount"].map(str::to_owned));
            let User { uid, gid } = user.unwrap_or(User { uid: 0, gid: 0 });
            let options = format!("size={mib}m,mode=0700,uid={uid},gid={gid}");
            arguments.extend([options, folder.display().to_string()]);
            match user {
                Some(User { uid, gid }) => {
                    let become_user =
                        ["setpriv", "--clear-groups", &format!("--reuid={uid}"), &format!("--regid={gid}")];
                    arguments.extend(become_user.map(str::to_owned));
                }
                None => arguments.extend(["unshare", "--map-user=1000"].map(str::to_owned)),
            }
        }
        arguments.extend(server.iter().cloned());
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "guard", default_end]).args(arguments).env("LC_ALL", "C");
        if small.is_none() {
            run_as(&mut command, user);
        }
        // The present folder may be one that the server's user cannot reach; and keys at the terminal are not for it.
        command.current_dir("/").process_group(0);
        let mut guard =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = guard.stderr.take().unwrap();
        let server = wait_for(said, ready);
        Self { guard, server }
    }

    /// Ends the server by a signal, and waits.
    pub(super) fn end(mut self, signal: &str) {
        if let Some(mut line) = self.guard.stdin.take() {
            // It may have ended by itself.
            let _ = writeln!(line, "{signal}");
        }
        self.guard.wait().unwrap();
    }

    /// A folder as the server sees it.
    pub(super) fn seen(&self, folder: &Path) -> PathBuf {
        let root = format!("/proc/{}/root", self.server);
        Path::new(&root).join(folder.strip_prefix("/").unwrap())
    }
}

/// Reads what a server says until it is ready; goes on reading after that, so that it can go on saying things.
fn wait_for(said: impl std::io::Read + Send + 'static, ready: &str) -> u32 {
    let (sender, receiver) = mpsc::channel();
    let ready = ready.to_owned();
    std::thread::spawn(move || {
        let (mut number, mut told, mut told_ready) = (None, Vec::new(), false);
        for line in BufReader::new(said).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if let Some(rest) = line.strip_prefix("server ") {
                number = rest.parse::<u32>().ok();
            }
            if !told_ready && line.contains(&ready) {
                told_ready = true;
                let _ = sender.send(Ok(number));
            }
            if !told_ready {
                told.push(line);
            }
        }
        // If it has been ready nobody listens any more.
        let _ = sender.send(Err(told.join("\n")));
    });
    match receiver.recv().unwrap() {
        Ok(number) => number.unwrap(),
        Err(told) => panic!("the server did not start: {told}"),
    }
}
