//! The statements of the loop on MariaDB, many rows each.

use anyhow::ensure;
use sqlx::mysql::MySqlArguments;
use sqlx::query::Query;
use sqlx::types::chrono::NaiveDateTime;
use sqlx::{AssertSqlSafe, Connection, MySql, MySqlConnection};
use workflow::{EventId, Timestamp};

use super::{ROLES, Writer};
use crate::limit::{Move, number};
use crate::load;

/// How many rows a statement has. They stay prepared; the largest that fits is taken.
const SIZES: [usize; 10] = [512, 256, 128, 64, 32, 16, 8, 4, 2, 1];

/// New runs are inserted; those that go on meet their own row, which is moved if nobody else has moved it.
const RECORDS: &str = "insert into workflow_records (run_id, workflow_name, foreign_id, run_state, status, object, created_at, \
    updated_at, meta, version, last_event_id, paused_by, start_key) values";

/// The order matters: what is set first is what the next column's condition sees.
const MOVED: [&str; 8] =
    ["run_state", "status", "object", "updated_at", "meta", "last_event_id", "paused_by", "version"];

const OUTBOX: &str = "insert into workflow_outbox (id, workflow_name, data, created_at, run_id, record_version, bucket) values";

const HISTORY: &str = "insert into workflow_history (run_id, version, workflow_name, from_status, to_status, run_state, \
    reason, actor, attempt, duration_us, at, object) values";

const DELETE: &str = "delete o from workflow_outbox o force index (primary) where o.id in";

/// What the store's sessions are set to.
const SESSION: &str = "set session transaction isolation level read committed";

type Bound<'q> = Query<'q, MySql, MySqlArguments>;

/// One statement in all sizes.
struct Sized([String; SIZES.len()]);

impl Sized {
    fn new(before: &str, columns: usize, after: &str) -> Self {
        let row = format!("({})", vec!["?"; columns].join(","));
        Self(SIZES.map(|size| format!("{before} {} {after}", vec![row.as_str(); size].join(","))))
    }

    /// Runs the statement for all rows; tells how many rows it changed.
    async fn run<R>(
        &self,
        connection: &mut MySqlConnection,
        mut rows: &[R],
        bind: impl for<'q> Fn(Bound<'q>, &'q R) -> Bound<'q>,
    ) -> Result<u64, sqlx::Error> {
        let mut changed = 0;
        while !rows.is_empty() {
            let at = SIZES.iter().position(|size| *size <= rows.len()).unwrap_or(SIZES.len() - 1);
            let (part, rest) = rows.split_at(SIZES[at]);
            let query = sqlx::query(AssertSqlSafe(self.0[at].as_str()));
            changed += part.iter().fold(query, &bind).execute(&mut *connection).await?.rows_affected();
            rows = rest;
        }
        Ok(changed)
    }
}

/// Writes on one connection.
pub(crate) struct MariaDbWriter {
    connection: MySqlConnection,
    records: Sized,
    outbox: Sized,
    history: Sized,
    delete: Sized,
}

impl MariaDbWriter {
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let options: sqlx::mysql::MySqlConnectOptions = url.parse()?;
        let mut connection = MySqlConnection::connect_with(&options.statement_cache_capacity(200)).await?;
        sqlx::raw_sql(SESSION).execute(&mut connection).await?;
        let is_own = "version = values(version) - 1 and run_id = values(run_id)";
        let moved = MOVED.map(|column| format!("{column} = if({is_own}, values({column}), {column})"));
        let moved = format!("on duplicate key update {}", moved.join(", "));
        Ok(Self {
            connection,
            records: Sized::new(RECORDS, 13, &moved),
            outbox: Sized::new(OUTBOX, 7, ""),
            history: Sized::new(HISTORY, 12, ""),
            delete: Sized::new(&format!("{DELETE} ("), 1, ")"),
        })
    }

    async fn check_fence(&mut self) -> anyhow::Result<()> {
        let text =
            "select epoch from workflow_roles where role in (?, ?, ?) order by role lock in share mode";
        let query = ROLES.iter().fold(sqlx::query_scalar::<_, i64>(text), |query, role| query.bind(role));
        let epochs = query.fetch_all(&mut self.connection).await?;
        ensure!(epochs.iter().all(|epoch| *epoch == 1), "the role has another owner");
        Ok(())
    }
}

impl Writer for MariaDbWriter {
    const CHANGES: usize = 256;

    async fn store(&mut self, moves: &[Move], acked: &[EventId]) -> anyhow::Result<()> {
        let moved = moves.iter().filter(|each| each.before.is_some()).count();
        let wanted = (moves.len() + moved) as u64;
        sqlx::raw_sql("start transaction").execute(&mut self.connection).await?;
        self.check_fence().await?;
        let connection = &mut self.connection;
        // In the order of the primary key, as the store does: two transactions never wait for each other.
        let mut sorted: Vec<&Move> = moves.iter().collect();
        sorted.sort_unstable_by_key(|each| each.run.run_id);
        let stored = self.records.run(connection, &sorted, |query, each| bind_record(query, each)).await?;
        ensure!(stored == wanted, "{stored} rows were affected instead of {wanted}");
        self.outbox.run(connection, moves, bind_outbox).await?;
        self.history.run(connection, moves, bind_history).await?;
        let mut acked = acked.to_vec();
        acked.sort_unstable();
        let deleted = self.delete.run(connection, &acked, |query, id| query.bind(id.to_string())).await?;
        ensure!(deleted == acked.len() as u64, "{deleted} of {} events were deleted", acked.len());
        sqlx::raw_sql("commit").execute(connection).await?;
        Ok(())
    }
}

fn datetime(at: Timestamp) -> NaiveDateTime {
    at.to_datetime().naive_utc()
}

fn bind_record<'q>(query: Bound<'q>, each: &'q Move) -> Bound<'q> {
    query
        .bind(each.run.run_id.to_string())
        .bind(load::NAME)
        .bind(each.run.foreign_id.as_str())
        .bind(each.run_state.code())
        .bind(each.status().get())
        .bind(&each.object[..])
        .bind(datetime(each.created_at))
        .bind(datetime(each.now))
        .bind(&each.meta[..])
        .bind(number(each.version))
        .bind(each.event_id.to_string())
        .bind(None::<&str>)
        .bind(None::<&str>)
}

fn bind_outbox<'q>(query: Bound<'q>, each: &'q Move) -> Bound<'q> {
    query
        .bind(each.event_id.to_string())
        .bind(load::NAME)
        .bind(&each.event[..])
        .bind(datetime(each.now))
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
        .bind(datetime(each.now))
        .bind(None::<&[u8]>)
}
