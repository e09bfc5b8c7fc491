//! Waiting for a condition, never for a time.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use tokio::task::yield_now;
use workflow_core::adapter::Store;

/// How often a condition is looked at before the test has failed.
const LOOKS_MAX: usize = 200_000;

/// Looks at a condition again and again until it holds.
pub(crate) async fn eventually<Fut>(what: &str, mut holds: impl FnMut() -> Fut)
where
    Fut: Future<Output = bool>,
{
    for _ in 0..LOOKS_MAX {
        if holds().await {
            return;
        }
        yield_now().await;
    }
    panic!("it never came about that {what}");
}

/// Waits until the store's clock shows a later millisecond, so that what is stored next is younger than what is there.
pub(crate) async fn tick(store: &impl Store) {
    let clock = store.clock();
    let start = clock.now();
    while clock.now().since(start).as_millis() < 2 {
        yield_now().await;
    }
}

/// Lets other tasks go on for a while.
pub(crate) async fn let_others_run() {
    for _ in 0..100 {
        yield_now().await;
    }
}

/// Polls a future once; gives what it ended with, if it did.
pub(crate) async fn poll_once<V>(mut future: Pin<&mut impl Future<Output = V>>) -> Option<V> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
