//! A clock that runs while the machine is suspended.

use std::time::Duration;

/// The time since the machine was started, its suspensions included.
///
/// `Instant` stops in suspend, and with it a deadline judged by it would come too late.
pub(crate) fn boot_time() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
    }
    // Where there is no such clock, the one that cannot be set has to do: what is stored is judged by epochs anyway.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed()
    }
}
