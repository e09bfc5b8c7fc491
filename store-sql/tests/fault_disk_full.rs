//! A disk that is full: an error that says so, nothing lost that was answered, and all well once there is room.
#![cfg(all(feature = "mysql", feature = "postgres"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod held;
mod servers;

use std::fs::{self, File};
use std::io::{ErrorKind as IoError, Write};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use held::{Held, filled};
use servers::{Kind, Server, Spec};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};
use store_sql::{MySql, Postgres};
use tokio::task::block_in_place;
use workflow_conformance::samples::{creation, found, new_run};
use workflow_core::adapter::{Backend, BackendError, ErrorKind, Outcome, Store};
use workflow_core::{Record, RunId};

/// How large the disk of the tables is, in MiB.
const DISK_MIB: u32 = 64;

/// How large an object is, in bytes. InnoDB ends its server when it cannot take back a row that needs pages of its own, for
/// want of room: these rows need none.
const LARGE: usize = 4000;

/// A file that takes what room there is.
struct Filling(PathBuf);

impl Filling {
    fn of(server: &Server) -> Self {
        let path = server.small_from_outside().join("filling");
        let (mut file, block) = (File::create(&path).unwrap(), vec![0; 4096]);
        loop {
            match file.write_all(&block) {
                Ok(()) => {}
                Err(error) if error.kind() == IoError::StorageFull => return Self(path),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn remove(self) {
        fs::remove_file(self.0).unwrap();
    }
}

fn large(number: usize) -> Record {
    let mut record = new_run(&format!("order-{number}"));
    record.object = format!("{:?}", filled(LARGE)).into();
    record
}

async fn store_one(store: &impl Store, number: usize) -> Result<RunId, BackendError> {
    let record = large(number);
    let outcomes = store.commit(vec![creation(&record)], Vec::new()).await?;
    assert!(matches!(outcomes[..], [Outcome::Stored(_)]), "{outcomes:?}");
    Ok(record.run_id)
}

/// Stores until the disk is full, and tells what was answered.
async fn store_until_full(store: &impl Store, from: usize) -> Vec<RunId> {
    let mut stored = Vec::new();
    loop {
        match store_one(store, from + stored.len()).await {
            Ok(run_id) => stored.push(run_id),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Transient, "{error}: {error:?}");
                assert!(
                    error.to_string().contains("the server's disk is full: make room"),
                    "{error}: {error:?}"
                );
                return stored;
            }
        }
    }
}

async fn filled_and_emptied(server: &Server, store: impl Store, backend: Backend) {
    let held = Held::start(backend, LARGE).await;
    let mut stored = vec![store_one(&store, 0).await.unwrap()];
    let filling = block_in_place(|| Filling::of(server));
    stored.extend(store_until_full(&store, 1).await);
    // The engine's runs are to be stored while there is no room.
    held.release();
    stored.extend(store_until_full(&store, stored.len()).await);
    for run_id in &stored {
        assert!(found(&store, *run_id).await.is_some_and(|record| record.object.len() > LARGE / 2));
    }
    filling.remove();
    store_one(&store, stored.len()).await.unwrap();
    held.all_done().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_postgres_loses_nothing_and_is_used_again() {
    let server = block_in_place(|| Spec::new(Kind::Postgres).disk_mib(DISK_MIB).start());
    let mut session = PgConnection::connect(&server.url()).await.unwrap();
    let create = format!("create tablespace small location '{}'", server.small().display());
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut session).await.unwrap();
    let url = format!("{}?options=-c%20default_tablespace=small", server.url());
    let backend = Postgres::connect(&url).await.unwrap();
    filled_and_emptied(&server, backend.store().clone(), Backend::from(&backend)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_mariadb_loses_nothing_and_is_used_again() {
    let server = block_in_place(|| Spec::new(Kind::MariaDb).disk_mib(DISK_MIB).start());
    // A database is a folder, which may lie on another disk.
    symlink(server.small(), server.folder().join("data/small")).unwrap();
    let url = format!("{}small", server.url().strip_suffix("workflow").unwrap());
    let mut session = MySqlConnection::connect(&server.url()).await.unwrap();
    sqlx::raw_sql("alter database small character set utf8mb4").execute(&mut session).await.unwrap();
    let backend = MySql::connect(&url).await.unwrap();
    filled_and_emptied(&server, backend.store().clone(), Backend::from(&backend)).await;
}
