//! What the benchmarks need of a database server.

mod counter;
mod database;
mod fill;
mod limit;
mod plans;
mod tuned;

pub(crate) use counter::Counter;
pub(crate) use database::{Database, Kind};
pub(crate) use fill::{backlog, foreign_id, records, run_id};
pub(crate) use limit::{Limit, MariaDbWriter, PostgresWriter, Writer, make_tables};
pub(crate) use plans::Explained;
pub(crate) use tuned::{How, backend};
