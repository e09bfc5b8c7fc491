//! Many due timers on a MariaDB or MySQL server.
#![cfg(feature = "mysql")]
#![allow(missing_docs, clippy::unwrap_used)]

mod mysql_support;
mod scale;

use mysql_support::Database;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_due_timers_are_taken_in_pages_and_fire_once() {
    let database = Database::fresh().await;
    let backend = database.open().await;
    let store = backend.store().clone();
    scale::many_due_timers_are_taken_in_pages_and_fire_once(store, backend.into()).await;
}
