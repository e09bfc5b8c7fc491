//! A hand-written loop: it knows the three steps, makes the rows and stores them, two transactions at a time.
//!
//! Tables, indexes, columns, durability and fence are the store's; the row of an event is deleted with the transition that
//! it asked for.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use store_sql::Postgres;
use store_sql::config::PostgresDsn;
use tokio::sync::mpsc;
use workflow_core::{
    Event, EventId, ForeignId, Meta, RunId, RunState, Status, Topic, Version, WorkflowName, encode_outbox,
};

use crate::engine::{Order, Progress};
use crate::{Failure, IN_FLIGHT, RUNS};

/// How many transactions are under way at once.
const COMMITTERS: usize = 2;

const INSERT: &str = "with r as (insert into workflow_records (run_id, workflow_name, foreign_id, run_state, status, object, \
    created_at, updated_at, meta, version, last_event_id) select d.run_id, 'load', d.foreign_id, 1, 1, d.object, now() at \
    time zone 'utc', now() at time zone 'utc', d.meta, 1, d.event_id from unnest($1::text[], $2::text[], $3::bytea[], \
    $4::bytea[], $5::text[], $6::bytea[], $7::smallint[]) as d(run_id, foreign_id, object, meta, event_id, event, bucket)), \
    h as (insert into workflow_history select d.run_id, 1, 'load', null, 1, 1, '', 'trigger', 0, 0, now() at time zone 'utc', \
    null from unnest($1::text[]) as d(run_id)) insert into workflow_outbox (id, workflow_name, data, created_at, run_id, \
    record_version, bucket) select d.event_id, 'load', d.event, now() at time zone 'utc', d.run_id, 1, d.bucket from \
    unnest($1::text[], $5::text[], $6::bytea[], $7::smallint[]) as d(run_id, event_id, event, bucket)";

const MOVE: &str = "with u as (update workflow_records r set run_state = d.run_state, status = d.status, object = d.object, \
    updated_at = now() at time zone 'utc', meta = d.meta, version = d.version, last_event_id = d.event_id from \
    unnest($1::text[], $2::integer[], $3::bytea[], $4::bytea[], $5::text[], $6::bytea[], $7::smallint[], $8::bigint[], \
    $9::integer[]) as d(run_id, status, object, meta, event_id, event, bucket, version, run_state) where r.run_id = \
    d.run_id and r.version = d.version - 1 returning d.*), h as (insert into workflow_history select run_id, version, 'load', \
    status - 1, status, run_state, '', 'step', 1, 1, now() at time zone 'utc', null from u) insert into workflow_outbox (id, \
    workflow_name, data, created_at, run_id, record_version, bucket) select event_id, 'load', event, now() at time zone \
    'utc', run_id, version, bucket from u";

struct Moving {
    run_id: RunId,
    foreign_id: ForeignId,
    order: Order,
    version: Version,
    last: Option<EventId>,
}

impl Moving {
    fn start(number: u64) -> Self {
        let foreign_id = ForeignId::new(format!("order-{number:012}")).expect("a number is a key");
        let order = Order::new(number);
        Self { run_id: RunId::generate(), foreign_id, order, version: Version::FIRST, last: None }
    }

    fn progress(&self) -> Progress {
        Progress::ALL[self.version.get() as usize - 1]
    }

    fn run_state(&self) -> RunState {
        match self.progress() {
            Progress::Placed => RunState::Initiated,
            Progress::Paid | Progress::Packed => RunState::Running,
            Progress::Sent => RunState::Completed,
        }
    }

    fn object(&self) -> Vec<u8> {
        serde_json::to_vec(&self.order).expect("an order is always JSON")
    }

    fn meta(&self) -> Vec<u8> {
        let meta = Meta {
            run_state_reason: "".into(),
            status_description: self.progress().name().into(),
            version: self.version.get(),
            trace_origin: "examples/postgres-throughput/limit.rs".into(),
        };
        meta.encode()
    }

    fn event(&self, id: EventId, name: &WorkflowName) -> Vec<u8> {
        let (status, run_state) = (self.progress().code(), self.run_state());
        encode_outbox(&Event {
            event_id: Some(id),
            workflow_name: name.clone(),
            foreign_id: self.foreign_id.clone(),
            run_id: self.run_id,
            status,
            run_state,
            version: Some(self.version),
            topic: Topic::of_record(name, run_state, status),
            headers: Vec::new(),
        })
    }
}

pub(crate) async fn measure(dsn: PostgresDsn) -> Result<Duration, Failure> {
    let options = dsn.connect_options();
    let backend = Postgres::options().connect_to(&dsn).await?;
    backend.store().close().await;
    let mut setting = PgConnection::connect_with(&options).await?;
    sqlx::query("insert into workflow_roles values ('load-1-consumer', 1)").execute(&mut setting).await?;
    setting.close().await?;
    let begun = Instant::now();
    let mut committers = tokio::task::JoinSet::new();
    for part in 0..COMMITTERS as u64 {
        let options = options.clone();
        committers.spawn(async move { drive(options, part).await });
    }
    while let Some(driven) = committers.join_next().await {
        driven??;
    }
    Ok(begun.elapsed())
}

/// One committer with its share of the runs, half of them in the transaction and half on their way back to it.
async fn drive(options: PgConnectOptions, part: u64) -> Result<(), Failure> {
    let mut connection = PgConnection::connect_with(&options).await?;
    let plans = "set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off";
    sqlx::raw_sql(plans).execute(&mut connection).await?;
    let (back, mut ready) = mpsc::unbounded_channel();
    let share = RUNS / COMMITTERS as u64;
    let (mut started, mut ended) = (0, 0);
    let room = IN_FLIGHT as u64 / COMMITTERS as u64;
    while started < room.min(share) {
        back.send(Moving::start(part * share + started))?;
        started += 1;
    }
    let mut batch = Vec::new();
    while ended < share {
        ready.recv_many(&mut batch, IN_FLIGHT).await;
        for moved in transaction(&mut connection, std::mem::take(&mut batch)).await? {
            if moved.run_state() != RunState::Completed {
                back.send(moved)?;
                continue;
            }
            ended += 1;
            if started < share {
                back.send(Moving::start(part * share + started))?;
                started += 1;
            }
        }
    }
    Ok(connection.close().await?)
}

async fn transaction(connection: &mut PgConnection, batch: Vec<Moving>) -> Result<Vec<Moving>, Failure> {
    let (mut new, mut old): (Vec<Moving>, Vec<Moving>) =
        batch.into_iter().partition(|run| run.last.is_none());
    sqlx::raw_sql("begin").execute(&mut *connection).await?;
    let fence = "select epoch from workflow_roles where role = any($1) order by role for share";
    let epoch: i64 =
        sqlx::query_scalar(fence).bind(vec!["load-1-consumer"]).fetch_one(&mut *connection).await?;
    if epoch != 1 {
        return Err("the role has another owner".into());
    }
    let mut acked = Vec::new();
    for run in &mut old {
        acked.extend(run.last.map(|id| id.to_string()));
        run.version = run.version.next();
        run.order.steps += 1;
    }
    store(connection, &mut new, true).await?;
    store(connection, &mut old, false).await?;
    sqlx::query("delete from workflow_outbox where id = any($1)")
        .bind(acked)
        .execute(&mut *connection)
        .await?;
    sqlx::raw_sql("commit").execute(connection).await?;
    new.append(&mut old);
    Ok(new)
}

async fn store(connection: &mut PgConnection, runs: &mut [Moving], new: bool) -> Result<(), Failure> {
    if runs.is_empty() {
        return Ok(());
    }
    let name = WorkflowName::new("load")?;
    let ids: Vec<EventId> = runs.iter().map(|run| EventId::after(run.last)).collect();
    let events: Vec<Vec<u8>> = runs.iter().zip(&ids).map(|(run, id)| run.event(*id, &name)).collect();
    let run_ids: Vec<String> = runs.iter().map(|run| run.run_id.to_string()).collect();
    let objects: Vec<Vec<u8>> = runs.iter().map(Moving::object).collect();
    let metas: Vec<Vec<u8>> = runs.iter().map(Moving::meta).collect();
    let event_ids: Vec<String> = ids.iter().map(EventId::to_string).collect();
    let buckets: Vec<i16> = runs.iter().map(|run| run.run_id.bucket() as i16).collect();
    let query = sqlx::query(if new { INSERT } else { MOVE }).bind(run_ids);
    let query = if new {
        query.bind(runs.iter().map(|run| run.foreign_id.as_str()).collect::<Vec<_>>())
    } else {
        query.bind(runs.iter().map(|run| run.progress().code().get()).collect::<Vec<_>>())
    };
    let query = query.bind(objects).bind(metas).bind(event_ids).bind(events).bind(buckets);
    let query = if new {
        query
    } else {
        query
            .bind(runs.iter().map(|run| run.version.get() as i64).collect::<Vec<_>>())
            .bind(runs.iter().map(|run| run.run_state().code()).collect::<Vec<_>>())
    };
    if query.execute(connection).await?.rows_affected() != runs.len() as u64 {
        return Err("somebody else moved a run".into());
    }
    for (run, id) in runs.iter_mut().zip(ids) {
        run.last = Some(id);
    }
    Ok(())
}
