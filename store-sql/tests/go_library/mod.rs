//! What the Go library does with its two tables, once for every database: what it reads and writes, and what it makes of
//! the bytes. None of it is done by code of the project.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod flow;
pub(crate) mod suite;
pub(crate) mod wire;

use std::future::Future;

use serde::Deserialize;
use workflow_core::adapter::{Backend, Store};

use wire::{GoEvent, GoMeta};

/// A row of the table of records, with the columns that the Go library selects.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GoRecord {
    pub(crate) workflow_name: String,
    pub(crate) foreign_id: String,
    pub(crate) run_id: String,
    pub(crate) run_state: i32,
    pub(crate) status: i32,
    pub(crate) object: Vec<u8>,
    pub(crate) meta: GoMeta,
}

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GoOutboxRow {
    pub(crate) id: String,
    pub(crate) data: Vec<u8>,
}

impl GoRecord {
    /// A run that it has just triggered.
    pub(crate) fn triggered(foreign_id: &str) -> Self {
        Self {
            workflow_name: "wit1".to_owned(),
            foreign_id: foreign_id.to_owned(),
            run_id: uuid::Uuid::new_v4().to_string(),
            run_state: 1,
            status: 1,
            object: br#"{"count":0,"note":"go"}"#.to_vec(),
            meta: GoMeta {
                run_state_reason: String::new(),
                status_description: "One".to_owned(),
                version: 1,
                trace_origin: "\t/app/main.go:161 +0x145d\n".to_owned(),
            },
        }
    }

    /// The same run after a move of it.
    pub(crate) fn moved(&self, run_state: i32, status: i32) -> Self {
        let mut next = self.clone();
        (next.run_state, next.status) = (run_state, status);
        next.meta.version += 1;
        next
    }
}

/// A database with the tables of this project and sessions of the Go library, each with its driver's usual settings.
pub(crate) trait Shared: Sized + Send + Sync {
    /// Ours.
    type Store: Store;

    /// An empty one.
    fn fresh() -> impl Future<Output = Self> + Send;

    /// Our store over it.
    fn store(&self) -> impl Future<Output = Self::Store> + Send;

    /// Our backend over it, which sees what others wrote within 50 ms.
    fn backend(&self) -> impl Future<Output = Backend> + Send;

    /// The Go library's store: a record that is there is updated, any other inserted, and its event with it.
    fn go_store(&self, record: &GoRecord, row: &GoOutboxRow)
    -> impl Future<Output = Result<(), sqlx::Error>>;

    /// Its select of records by a condition, which is `run_id`, `workflow_name` or so and a value.
    fn go_records(&self, column: &'static str, value: &str) -> impl Future<Output = Vec<GoRecord>>;

    /// Its select of the newest run of a foreign id.
    fn go_latest(&self, workflow_name: &str, foreign_id: &str) -> impl Future<Output = Option<GoRecord>>;

    /// Its select of unsent events.
    fn go_outbox(&self, workflow_name: &str) -> impl Future<Output = Vec<GoOutboxRow>>;

    /// Its deletion of an event that it has sent.
    fn go_sent(&self, id: &str) -> impl Future<Output = ()>;

    /// The one number of a query of the test's own.
    fn number(&self, query: &'static str) -> impl Future<Output = i64>;
}

/// Stores a record as the Go library does, with a new event.
pub(crate) async fn store(database: &impl Shared, record: &GoRecord) {
    let row =
        GoOutboxRow { id: format!("outbox-id-{}", uuid::Uuid::new_v4()), data: GoEvent::of(record).encode() };
    database.go_store(record, &row).await.unwrap();
}

/// The record of a run as the Go library sees it.
pub(crate) async fn lookup(database: &impl Shared, run_id: &str) -> GoRecord {
    database.go_records("run_id", run_id).await.pop().expect("it is there")
}

/// What the Go library wrote in fact: three runs that were triggered, with their events.
pub(crate) fn golden() -> (Vec<GoRecord>, Vec<GoOutboxRow>) {
    #[derive(Deserialize)]
    struct Golden {
        records: Vec<Record>,
        outbox: Vec<Outbox>,
    }
    #[derive(Deserialize)]
    struct Record {
        workflow_name: String,
        foreign_id: String,
        run_id: String,
        run_state: i32,
        status: i32,
        object: String,
        meta: String,
    }
    #[derive(Deserialize)]
    struct Outbox {
        id: String,
        data_hex: String,
    }
    let text = include_str!("../../../workflow-core/tests/golden/go_library.json");
    let golden: Golden = serde_json::from_str(text).unwrap();
    let records = golden.records.into_iter().filter(|record| record.workflow_name == "wit1");
    let records = records.map(|record| GoRecord {
        workflow_name: record.workflow_name,
        foreign_id: record.foreign_id,
        run_id: record.run_id,
        run_state: record.run_state,
        status: record.status,
        object: record.object.into_bytes(),
        meta: GoMeta::decode(record.meta.as_bytes()),
    });
    let byte = |hex: &str, at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let rows = golden.outbox.into_iter().map(|row| GoOutboxRow {
        data: (0..row.data_hex.len()).step_by(2).map(|at| byte(&row.data_hex, at)).collect(),
        id: row.id,
    });
    (records.collect(), rows.collect())
}
