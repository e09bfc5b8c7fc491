//! What the operating system says of this process.

use std::time::Duration;

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};

/// The processor time that all threads have used.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// The resident memory, in bytes.
pub(crate) fn resident_bytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    Ok(number(&status, "VmRSS:").context("/proc/self/status has no VmRSS")? * 1024)
}

/// How often a thread of this process has gone to sleep, since it began.
pub(crate) fn sleeps() -> anyhow::Result<u64> {
    let mut sum = 0;
    for task in std::fs::read_dir("/proc/self/task").context("cannot read /proc/self/task")? {
        let status = std::fs::read_to_string(task?.path().join("status"))?;
        sum += number(&status, "voluntary_ctxt_switches:").unwrap_or_default();
    }
    Ok(sum)
}

/// A number of `/proc/PID/status`.
pub(crate) fn status_of(pid: u32, name: &str) -> anyhow::Result<u64> {
    let file = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    number(&status, name).with_context(|| format!("{file} has no {name}"))
}

/// The processor time that another process has used.
pub(crate) fn cpu_time_of(pid: u32) -> anyhow::Result<Duration> {
    let file = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    // The program's name stands in parentheses and may hold anything.
    let after = text.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks: u64 =
        after.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum();
    // The kernel counts in hundredths of a second for every program.
    Ok(Duration::from_millis(ticks * 10))
}

fn number(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Waits until this process does next to nothing.
pub(crate) async fn at_rest() {
    const SLICE: Duration = Duration::from_millis(250);
    const BUSY_MAX: Duration = Duration::from_millis(5);
    let mut quiet = 0;
    while quiet < 4 {
        let before = cpu_time();
        tokio::time::sleep(SLICE).await;
        quiet = if cpu_time() - before < BUSY_MAX { quiet + 1 } else { 0 };
    }
}
