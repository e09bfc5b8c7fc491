//! Many due timers on a PostgreSQL server.
#![allow(missing_docs, clippy::unwrap_used)]

mod scale;
mod schemas;

use schemas::Schema;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_due_timers_are_taken_in_pages_and_fire_once() {
    let schema = Schema::fresh().await;
    let backend = schema.backend().await;
    let store = backend.store().clone();
    scale::many_due_timers_are_taken_in_pages_and_fire_once(store, backend.into()).await;
}
