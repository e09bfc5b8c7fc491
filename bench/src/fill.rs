//! A file full of runs that finished long ago, made by SQL alone.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection};

use crate::load::Keys;

/// Finished runs of the load: time-ordered ids, business keys of either kind, an object and a meta of the usual size.
const RECORDS: &str = "
insert into workflow_records (run_id, workflow_name, foreign_id, run_state, status, object, created_at, updated_at, meta,
    version, last_event_id, paused_by, start_key, live)
with recursive n (i) as (select 1 union all select i + 1 from n where i < ?),
made (i, at, id) as (
    select i, 1700000000000 + i, printf('%012x', 1700000000000 + i) from n
)
select substr(id, 1, 8) || '-' || substr(id, 9, 4) || '-7000-8000-' || printf('%012x', abs(random()) % 281474976710656),
    'load', case ? when 1 then printf('order-%012d', i) else printf('%016x', random()) end, 5, 4,
    cast(printf('{\"customer\":\"customer-%09d\",\"article\":\"a box of 12 pencils, soft, with a rubber\",\"pieces\":1,\
\"cents\":4200,\"steps\":3}', i) as blob),
    at, at + 3,
    cast('{\"RunStateReason\":\"\",\"StatusDescription\":\"Sent\",\"Version\":4,\"TraceOrigin\":\"bench/src/load.rs:100:50\"}'
        as blob),
    4, 'outbox-id-' || substr(id, 1, 8) || '-' || substr(id, 9, 4) || '-7000-9000-' ||
        printf('%012x', abs(random()) % 281474976710656),
    null, null, null
from made";

const HISTORY: &str = "
insert into workflow_history (run_id, version, workflow_name, from_status, to_status, run_state, reason, actor, attempt,
    duration_us, at, object)
select run_id, v.column1, workflow_name, nullif(v.column1 - 1, 0), v.column1,
    case v.column1 when 1 then 1 when 4 then 5 else 2 end, '', case v.column1 when 1 then 'trigger' else 'step' end, 1, 12,
    created_at + v.column1, null
from workflow_records cross join (values (1), (2), (3), (4)) as v";

/// Makes the file, with so many finished runs in it.
pub(crate) async fn finished_runs(file: &Path, keys: Keys, runs: i64) -> anyhow::Result<()> {
    drop(workflow::sqlite::Sqlite::open(file).await?);
    let options = SqliteConnectOptions::new()
        .filename(file)
        .synchronous(SqliteSynchronous::Off)
        .pragma("cache_size", "-524288");
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let rising = matches!(keys, Keys::Rising);
    sqlx::query(RECORDS).bind(runs).bind(rising).execute(&mut connection).await?;
    sqlx::query(HISTORY).execute(&mut connection).await?;
    sqlx::query("pragma wal_checkpoint(truncate)").fetch_all(&mut connection).await?;
    connection.close().await?;
    // What the file system has yet to write is not to be paid for by what is measured next.
    std::fs::File::open(file)?.sync_all()?;
    Ok(())
}
