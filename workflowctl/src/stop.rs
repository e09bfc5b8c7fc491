//! The wish of somebody outside that the work ends.

use std::time::Duration;

use tokio::sync::watch;

use crate::failure::Failure;
use crate::output::note;

/// Whether the work is to end after the batch that is under way.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens for an interrupt (Ctrl-C) or SIGTERM; the second one ends the program at once, which is safe too.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let mut signals = Signals::listen().map_err(|error| Failure::io("listen for signals", error))?;
        let (wish, wished) = watch::channel(false);
        tokio::spawn(async move {
            signals.next().await;
            note("stopping after this batch; once more stops at once");
            // Nobody may be working any more.
            let _ = wish.send(true);
            signals.next().await;
            std::process::exit(130);
        });
        Ok(Self(wished))
    }

    pub(crate) fn is_wished(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for so long, or until the work is to end.
    pub(crate) async fn or_after(&mut self, pause: Duration) {
        let wished = async {
            if self.0.wait_for(|wished| *wished).await.is_err() {
                std::future::pending().await
            }
        };
        // Either way it goes on.
        let _ = tokio::time::timeout(pause, wished).await;
    }
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
            // Without a handler the system's own ends the program.
            std::future::pending().await
        }
    }
}
