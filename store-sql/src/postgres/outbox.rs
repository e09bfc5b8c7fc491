//! The outbox, read in the order of its ids.

use std::sync::Arc;

use bytes::Bytes;
use sqlx::Row;
use sqlx::postgres::PgRow;
use workflow_core::adapter::{OutboxPage, StoredOutboxRow};
use workflow_core::{EventId, decode_outbox};

use super::connect::Conn;
use super::read::limit;
use super::stamp::instant;

const PAGE: &str =
    "select id, workflow_name, data, created_at from workflow_outbox where id > $1 order by id limit $2";

pub(super) async fn outbox(
    connection: &mut Conn<'_>,
    after: Option<&str>,
    count: usize,
) -> Result<OutboxPage, sqlx::Error> {
    let query = sqlx::query(connection.sql(PAGE)).bind(after.unwrap_or_default()).bind(limit(count));
    let rows = query.fetch_all(connection.raw()).await?;
    Ok(OutboxPage {
        more: rows.len() == count,
        rows: rows.iter().map(stored).collect::<Result<_, sqlx::Error>>()?,
    })
}

pub(super) fn stored(row: &PgRow) -> Result<StoredOutboxRow, sqlx::Error> {
    let id: String = row.try_get(0)?;
    let data: Option<Vec<u8>> = row.try_get(2)?;
    let event = match (id.parse::<EventId>(), data) {
        (_, None) => Err(("column data is NULL".into(), Bytes::new())),
        (Err(_), Some(data)) => {
            Err((format!("the id {id:?} is not `outbox-id-` and a UUID").into(), Bytes::from(data)))
        }
        (Ok(id), Some(data)) => match decode_outbox(&data) {
            Ok(event) => Ok((id, Arc::new(event))),
            Err(error) => Err((why(&error).into(), Bytes::from(data))),
        },
    };
    Ok(StoredOutboxRow {
        id: id.into(),
        event,
        workflow_name: row.try_get::<String, _>(1)?.into(),
        created_at: instant(row.try_get(3)?),
    })
}

/// An error with its cause, on one line.
fn why(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
