//! The wish of somebody outside that the program ends.

/// Waits for an interrupt (Ctrl-C) or, where there is one, SIGTERM.
pub async fn asked() {
    let terminated = async {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            if let Ok(mut signal) = signal(SignalKind::terminate()) {
                signal.recv().await;
                return;
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => {
            if interrupted.is_err() {
                // Without a handler the system's own ends the program.
                std::future::pending().await
            }
        }
        () = terminated => {}
    }
}
