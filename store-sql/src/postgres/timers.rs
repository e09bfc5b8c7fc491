//! Timers: written, held, completed, cancelled.

use workflow_core::Timestamp;
use workflow_core::adapter::{NewTimer, TimerKey};

use super::connect::Conn;
use super::create::array;
use super::effects::{Effects, of_runs};
use super::stamp::column;
use crate::record_row::as_i64;

/// States of a timer in its table; 0 is open, 3 cancelled.
pub(super) const HELD: i16 = 1;
pub(super) const COMPLETED: i16 = 2;

const SET: &str = "update workflow_timeouts t set state = d.state from unnest($1::text[], $2::bigint[], $3::text[], \
    $4::smallint[]) as d(run_id, entered, name, state) where t.run_id = d.run_id and t.entered = d.entered and t.name = \
    d.name and t.state in (0, 1)";

const CANCEL: &str = "update workflow_timeouts t set state = 3 from unnest($1::text[], $2::bigint[]) as d(run_id, entered) \
    where t.run_id = d.run_id and (d.entered is null or t.entered = d.entered) and t.state in (0, 1)";

const RELEASE: &str = "update workflow_timeouts set state = 0 where state = 1 and run_id = any($1)";

const PUT: &str = "insert into workflow_timeouts (run_id, entered, name, status, expire_at, created_at, workflow_name, \
    foreign_id) select d.run_id, d.entered, d.name, d.status, d.expire_at, $6, r.workflow_name, r.foreign_id from \
    unnest($1::text[], $2::bigint[], $3::text[], $4::integer[], $5::timestamp[]) as d(run_id, entered, name, status, \
    expire_at) join workflow_records r on r.run_id = d.run_id on conflict do nothing";

/// Writes what changes do to timers: those of the status that is left first.
pub(super) async fn write(
    connection: &mut Conn<'_>,
    effects: &Effects<'_>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    set(connection, &effects.set_timers).await?;
    let cancel = &effects.cancel_timers;
    if !cancel.is_empty() {
        let query = sqlx::query(connection.sql(CANCEL))
            .bind(array(cancel, |(run_id, _)| run_id.to_string()))
            .bind(array(cancel, |(_, entered)| entered.map(|version| as_i64(version.get()))));
        query.execute(connection.raw()).await?;
    }
    of_runs(connection, RELEASE, &effects.release_timers).await?;
    put(connection, &effects.put_timers, now).await
}

async fn set(connection: &mut Conn<'_>, timers: &[(&TimerKey, i16)]) -> Result<(), sqlx::Error> {
    if timers.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(connection.sql(SET))
        .bind(array(timers, |(key, _)| key.run_id.to_string()))
        .bind(array(timers, |(key, _)| as_i64(key.entered.get())))
        .bind(array(timers, |(key, _)| key.name.as_str()))
        .bind(array(timers, |(_, state)| *state));
    query.execute(connection.raw()).await.map(drop)
}

async fn put(connection: &mut Conn<'_>, timers: &[&NewTimer], now: Timestamp) -> Result<(), sqlx::Error> {
    if timers.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(connection.sql(PUT))
        .bind(array(timers, |timer| timer.key.run_id.to_string()))
        .bind(array(timers, |timer| as_i64(timer.key.entered.get())))
        .bind(array(timers, |timer| timer.key.name.as_str()))
        .bind(array(timers, |timer| timer.status.get()))
        .bind(array(timers, |timer| column(timer.due.resolve(now))))
        .bind(column(now));
    query.execute(connection.raw()).await.map(drop)
}
