//! The statements of a transaction, many rows each.

use anyhow::ensure;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};
use workflow::{EventId, Version};

use super::rows::Move;
use crate::load;

/// How many rows a statement has. They stay prepared; the largest that fits is taken.
const SIZES: [usize; 9] = [256, 128, 64, 32, 16, 8, 4, 2, 1];

type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

/// One statement in all sizes.
struct Sized([&'static str; SIZES.len()]);

pub(super) struct Statements {
    insert: Sized,
    update: Sized,
    update_ended: Sized,
    outbox: Sized,
    history: Sized,
    delete: Sized,
}

impl Sized {
    fn new(before: &str, columns: usize, after: &str) -> Self {
        Self(SIZES.map(|size| {
            let row = format!("({})", vec!["?"; columns].join(","));
            let rows = vec![row; size].join(",");
            // A few dozen texts in the life of the program.
            Box::leak(format!("{before} (values {rows}) {after}").into_boxed_str()) as &'static str
        }))
    }

    /// Runs the statement for all rows; tells how many rows it changed.
    async fn run<R>(
        &self,
        connection: &mut SqliteConnection,
        mut rows: &[R],
        bind: impl for<'q> Fn(Bound<'q>, &'q R) -> Bound<'q>,
    ) -> Result<u64, sqlx::Error> {
        let mut changed = 0;
        while !rows.is_empty() {
            let at = SIZES.iter().position(|size| *size <= rows.len()).unwrap_or(SIZES.len() - 1);
            let (part, rest) = rows.split_at(SIZES[at]);
            let mut query = sqlx::query(AssertSqlSafe(self.0[at]));
            for row in part {
                query = bind(query, row);
            }
            changed += query.execute(&mut *connection).await?.rows_affected();
            rows = rest;
        }
        Ok(changed)
    }
}

impl Statements {
    pub(super) fn new() -> Self {
        let update = |set: &str| {
            let before = format!(
                "update workflow_records as r set {set} run_state = v.column3, status = v.column4, object = v.column5, \
                 updated_at = v.column6, meta = v.column7, version = v.column8, last_event_id = v.column9, paused_by = \
                 v.column10 from"
            );
            Sized::new(&before, 10, "as v where r.run_id = v.column1 and r.version = v.column2")
        };
        Self {
            insert: Sized::new(
                "insert into workflow_records (run_id, workflow_name, foreign_id, run_state, status, object, created_at, \
                 updated_at, meta, version, last_event_id, paused_by, start_key, live) select * from",
                14,
                "where true on conflict do nothing",
            ),
            update: update(""),
            update_ended: update("live = null,"),
            outbox: Sized::new(
                "insert into workflow_outbox (id, workflow_name, data, created_at, run_id, record_version, bucket) select \
                 * from",
                7,
                "",
            ),
            history: Sized::new(
                "insert into workflow_history (run_id, version, workflow_name, from_status, to_status, run_state, reason, \
                 actor, attempt, duration_us, at, object) select * from",
                12,
                "",
            ),
            delete: Sized::new("delete from workflow_outbox where id in", 1, ""),
        }
    }

    /// Writes all rows of a transaction.
    pub(super) async fn write(
        &self,
        connection: &mut SqliteConnection,
        moves: &[Move],
        acked: &[EventId],
    ) -> anyhow::Result<()> {
        let new: Vec<&Move> = moves.iter().filter(|each| each.before.is_none()).collect();
        let live: Vec<&Move> = moves.iter().filter(|each| each.before.is_some() && !each.is_last()).collect();
        let last: Vec<&Move> = moves.iter().filter(|each| each.is_last()).collect();
        let mut stored = self.insert.run(connection, &new, |q, each| bind_new(q, each)).await?;
        stored += self.update.run(connection, &live, |q, each| bind_update(q, each)).await?;
        stored += self.update_ended.run(connection, &last, |q, each| bind_update(q, each)).await?;
        ensure!(stored == moves.len() as u64, "{stored} of {} moves were stored", moves.len());
        self.outbox.run(connection, moves, bind_outbox).await?;
        self.history.run(connection, moves, bind_history).await?;
        let deleted = self.delete.run(connection, acked, |q, id| q.bind(id.to_string())).await?;
        ensure!(deleted == acked.len() as u64, "{deleted} of {} events were deleted", acked.len());
        Ok(())
    }
}

pub(crate) fn number(version: Version) -> i64 {
    i64::try_from(version.get()).unwrap_or(i64::MAX)
}

fn bind_new<'q>(query: Bound<'q>, each: &'q Move) -> Bound<'q> {
    query
        .bind(each.run.run_id.to_string())
        .bind(load::NAME)
        .bind(each.run.foreign_id.as_str())
        .bind(each.run_state.code())
        .bind(each.status().get())
        .bind(&each.object[..])
        .bind(each.created_at.as_millis())
        .bind(each.now.as_millis())
        .bind(&each.meta[..])
        .bind(number(each.version))
        .bind(each.event_id.to_string())
        .bind(None::<&str>)
        .bind(None::<&str>)
        .bind(1)
}

fn bind_update<'q>(query: Bound<'q>, each: &'q Move) -> Bound<'q> {
    query
        .bind(each.run.run_id.to_string())
        .bind(each.before.map(|(version, _)| number(version)))
        .bind(each.run_state.code())
        .bind(each.status().get())
        .bind(&each.object[..])
        .bind(each.now.as_millis())
        .bind(&each.meta[..])
        .bind(number(each.version))
        .bind(each.event_id.to_string())
        .bind(None::<&str>)
}

fn bind_outbox<'q>(query: Bound<'q>, each: &'q Move) -> Bound<'q> {
    query
        .bind(each.event_id.to_string())
        .bind(load::NAME)
        .bind(&each.event[..])
        .bind(each.now.as_millis())
        .bind(each.run.run_id.to_string())
        .bind(number(each.version))
        .bind(i32::from(each.run.run_id.bucket()))
}

fn bind_history<'q>(query: Bound<'q>, each: &'q Move) -> Bound<'q> {
    query
        .bind(each.run.run_id.to_string())
        .bind(number(each.version))
        .bind(load::NAME)
        .bind(each.before.map(|(_, status)| status.get()))
        .bind(each.status().get())
        .bind(each.run_state.code())
        .bind("")
        .bind(if each.before.is_some() { "step" } else { "trigger" })
        .bind(1i64)
        .bind(1i64)
        .bind(each.now.as_millis())
        .bind(None::<&[u8]>)
}
