//! The statements of the loop on PostgreSQL, over arrays.

use anyhow::ensure;
use sqlx::{Connection, PgConnection};
use workflow::EventId;

use super::{ROLES, Writer};
use crate::limit::{Move, number};
use crate::load;

/// All new rows of runs that start.
const INSERT: &str = "with r as (insert into workflow_records (run_id, workflow_name, foreign_id, run_state, status, object, \
    created_at, updated_at, meta, version, last_event_id) select d.run_id, $1, d.foreign_id, 1, 1, d.object, now() at time \
    zone 'utc', now() at time zone 'utc', d.meta, 1, d.event_id from unnest($2::text[], $3::text[], $4::bytea[], \
    $5::bytea[], $6::text[]) as d(run_id, foreign_id, object, meta, event_id)), h as (insert into workflow_history select \
    d.run_id, 1, $1, null, 1, 1, '', 'trigger', 1, 1, now() at time zone 'utc', null from unnest($2::text[]) as d(run_id)) \
    insert into workflow_outbox (id, workflow_name, data, created_at, run_id, record_version, bucket) select d.event_id, $1, \
    d.event, now() at time zone 'utc', d.run_id, 1, d.bucket from unnest($2::text[], $6::text[], $7::bytea[], \
    $8::smallint[]) as d(run_id, event_id, event, bucket)";

/// All rows of runs that go on, where nobody else has moved them.
const MOVE: &str = "with u as (update workflow_records r set run_state = d.run_state, status = d.status, object = d.object, \
    updated_at = now() at time zone 'utc', meta = d.meta, version = d.version, last_event_id = d.event_id, paused_by = null \
    from unnest($2::text[], $3::integer[], $4::bytea[], $5::bytea[], $6::text[], $7::bytea[], $8::smallint[], \
    $9::bigint[], $10::integer[]) as d(run_id, status, object, meta, event_id, event, bucket, version, run_state) where \
    r.run_id = d.run_id and r.version = d.version - 1 returning d.*), h as (insert into workflow_history select run_id, \
    version, $1, status - 1, status, run_state, '', 'step', 1, 1, now() at time zone 'utc', null from u), gone as (delete \
    from workflow_outbox where id = any($11)) insert into workflow_outbox (id, workflow_name, data, created_at, run_id, \
    record_version, bucket) select event_id, $1, event, now() at time zone 'utc', run_id, version, bucket from u";

const FENCE: &str = "select epoch from workflow_roles where role = any($1) order by role for share";

/// As in the store's sessions: a plan that is kept must not be one for empty tables.
const SESSION: &str = "set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off";

/// Writes on one connection.
pub(crate) struct PostgresWriter(PgConnection);

impl PostgresWriter {
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql(SESSION).execute(&mut connection).await?;
        Ok(Self(connection))
    }

    async fn check_fence(&mut self) -> anyhow::Result<()> {
        let epochs: Vec<i64> = sqlx::query_scalar(FENCE).bind(&ROLES[..]).fetch_all(&mut self.0).await?;
        ensure!(epochs.iter().all(|epoch| *epoch == 1), "the role has another owner");
        Ok(())
    }

    async fn start(&mut self, new: &[&Move]) -> anyhow::Result<()> {
        if new.is_empty() {
            return Ok(());
        }
        let query = sqlx::query(INSERT)
            .bind(load::NAME)
            .bind(array(new, |each| each.run.run_id.to_string()))
            .bind(array(new, |each| each.run.foreign_id.as_str()))
            .bind(array(new, |each| &each.object[..]))
            .bind(array(new, |each| &each.meta[..]))
            .bind(array(new, |each| each.event_id.to_string()))
            .bind(array(new, |each| &each.event[..]))
            .bind(array(new, bucket));
        let stored = query.execute(&mut self.0).await?.rows_affected();
        ensure!(stored == new.len() as u64, "{stored} of {} runs were stored", new.len());
        Ok(())
    }

    async fn go_on(&mut self, moves: &[&Move], acked: &[EventId]) -> anyhow::Result<()> {
        if moves.is_empty() && acked.is_empty() {
            return Ok(());
        }
        let query = sqlx::query(MOVE)
            .bind(load::NAME)
            .bind(array(moves, |each| each.run.run_id.to_string()))
            .bind(array(moves, |each| each.status().get()))
            .bind(array(moves, |each| &each.object[..]))
            .bind(array(moves, |each| &each.meta[..]))
            .bind(array(moves, |each| each.event_id.to_string()))
            .bind(array(moves, |each| &each.event[..]))
            .bind(array(moves, bucket))
            .bind(array(moves, |each| number(each.version)))
            .bind(array(moves, |each| each.run_state.code()))
            .bind(acked.iter().map(EventId::to_string).collect::<Vec<_>>());
        let stored = query.execute(&mut self.0).await?.rows_affected();
        ensure!(stored == moves.len() as u64, "{stored} of {} moves were stored", moves.len());
        Ok(())
    }
}

impl Writer for PostgresWriter {
    const CHANGES: usize = 500;

    async fn store(&mut self, moves: &[Move], acked: &[EventId]) -> anyhow::Result<()> {
        let (new, old): (Vec<&Move>, Vec<&Move>) = moves.iter().partition(|each| each.before.is_none());
        sqlx::raw_sql("begin").execute(&mut self.0).await?;
        self.check_fence().await?;
        self.start(&new).await?;
        self.go_on(&old, acked).await?;
        sqlx::raw_sql("commit").execute(&mut self.0).await?;
        Ok(())
    }
}

fn array<'m, V>(moves: &[&'m Move], value: impl Fn(&'m Move) -> V) -> Vec<V> {
    moves.iter().copied().map(value).collect()
}

fn bucket(each: &Move) -> i16 {
    i16::try_from(each.run.run_id.bucket()).unwrap_or(i16::MAX)
}
