//! Waiting for a condition, for as long as a broken test may take to say so.

use std::future::Future;
use std::time::Duration;

/// How long a condition may take before it counts as one that never comes. It is far longer than any takes.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until a condition holds.
///
/// # Panics
/// If it never does.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    patiently(what, wait).await;
}

/// Waits for something that comes.
///
/// # Panics
/// If it never does.
pub async fn patiently<V>(what: &str, wait: impl Future<Output = V>) -> V {
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(value) => value,
        Err(_) => panic!("it never came: {what}"),
    }
}
