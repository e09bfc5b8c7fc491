//! Relays and workers as processes of the system.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::state::Member;

/// How long a process may take to end by itself: a little more than it gives what is in flight.
const END_MAX: Duration = Duration::from_secs(35);

/// How often a condition of the system is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Whether the process still runs, and is the one that was started.
pub(crate) fn runs(member: &Member) -> bool {
    started(member.pid) == Some(member.started)
}

/// When the system started a process, in its own units; `None` if it has ended.
pub(crate) fn started(pid: u32) -> Option<u64> {
    started_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The state and the time of start in a line of `/proc/<pid>/stat`. The name, in parentheses, can have anything in it; a process
/// that has ended and was not waited for is a zombie.
fn started_in(line: &str) -> Option<u64> {
    let (_, rest) = line.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Ends a process, by force if it does not end by itself.
pub(crate) fn end(member: &Member) {
    for signal in ["TERM", "KILL"] {
        signal_to(member, signal);
        let deadline = Instant::now() + END_MAX;
        while runs(member) && Instant::now() < deadline {
            thread::sleep(LOOK_EVERY);
        }
    }
}

/// Sends a signal, if it is still the same process.
pub(crate) fn signal_to(member: &Member, signal: &str) {
    if runs(member) {
        // The shell's own `kill`: the program of that name is not everywhere. If it has ended meanwhile there is nothing to say.
        let script = format!("kill -{signal} {}", member.pid);
        let _ = Command::new("sh").args(["-c", &script]).output();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cluster::state::Role;

    #[test]
    fn the_time_of_start_stands_behind_any_name() {
        let fields = "S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 424242 99 1";
        assert_eq!(started_in(&format!("7 (a) b) {fields}")), Some(424_242));
        assert_eq!(started_in(&format!("7 (x) {}", fields.replacen('S', "Z", 1))), None);
        assert_eq!(started_in(""), None);
    }

    #[test]
    fn a_process_of_another_time_is_a_stranger() {
        let pid = std::process::id();
        let started = started(pid).unwrap();
        let member = Member { role: Role::Worker, number: 1, pid, started, log: "/none".into() };
        assert!(runs(&member));
        let stranger = Member { started: started + 1, ..member };
        assert!(!runs(&stranger));
        end(&stranger);
    }
}
