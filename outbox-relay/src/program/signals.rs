//! The wish of somebody outside that the work ends.

use tokio_util::sync::CancellationToken;

/// What a process has as exit status that a signal ended.
const AT_ONCE: i32 = 130;

/// Cancelled by the first SIGTERM or interrupt; the second one ends the program at once, which loses nothing.
pub(crate) fn stop() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut signals = Signals::listen()?;
    let wish = stop.clone();
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("stopping: what is under way is ended; once more ends at once");
        wish.cancel();
        signals.next().await;
        std::process::exit(AT_ONCE);
    });
    Ok(stop)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
