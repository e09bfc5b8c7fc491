//! Servers as processes of the system: whether one still runs, and how it is ended.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::state::Server;

/// How long a server may take to end by itself.
const END_MAX: Duration = Duration::from_secs(30);

/// How often a condition of the system is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Whether the process of a server is still that server: the system gives the number of an ended process to others.
pub(crate) fn runs(server: &Server) -> bool {
    let command_line = fs::read(format!("/proc/{}/cmdline", server.pid)).unwrap_or_default();
    names(&command_line, &server.folder)
}

/// Whether a command line (arguments that end with a zero byte) names a folder. That of an ended process is empty.
fn names(command_line: &[u8], folder: &Path) -> bool {
    let folder = folder.to_string_lossy();
    command_line.split(|byte| *byte == 0).any(|argument| {
        String::from_utf8_lossy(argument).split('=').any(|part| Path::new(part).starts_with(&*folder))
    })
}

/// Ends a server, by force if it does not end by itself.
pub(crate) fn end(server: &Server) {
    for signal in [server.kind.end_signal(), "KILL"] {
        if !runs(server) {
            return;
        }
        send(signal, server.pid);
        let deadline = Instant::now() + END_MAX;
        while runs(server) && Instant::now() < deadline {
            thread::sleep(LOOK_EVERY);
        }
    }
}

fn send(signal: &str, pid: u32) {
    // The shell's own `kill`: the program of that name is not everywhere.
    let script = format!("kill -{signal} {pid}");
    // If it has ended meanwhile there is nothing to say.
    let _ = Command::new("sh").args(["-c", &script]).output();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::kind::Kind;

    #[test]
    fn a_command_line_names_its_folder_in_either_form() {
        let folder = Path::new("/tmp/w/postgres");
        assert!(names(b"/usr/lib/postgres\0-D\0/tmp/w/postgres/data\0-p\x005433\0", folder));
        assert!(names(b"mariadbd\0--datadir=/tmp/w/postgres/data\0", folder));
        assert!(names(b"java\0kafka.Kafka\0/tmp/w/postgres/server.properties\0", folder));
    }

    #[test]
    fn another_process_under_the_same_number_is_not_the_server() {
        let folder = Path::new("/tmp/w/postgres");
        assert!(!names(b"", folder));
        assert!(!names(b"/usr/bin/vim\0notes\0", folder));
        assert!(!names(b"postgres\0-D\0/tmp/w/postgres-other/data\0", folder));
    }

    #[test]
    fn a_stranger_is_never_signalled() {
        let address = String::new();
        let pid = std::process::id();
        let folder = "/nowhere/at/all".into();
        let stranger = Server { kind: Kind::Postgres, pid, port: 1, folder, address, ready: true };
        assert!(!runs(&stranger));
        end(&stranger);
    }
}
