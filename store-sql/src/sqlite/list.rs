//! Lists of runs, with every filter.

use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use workflow_core::adapter::{Cursor, ListPage, ListQuery, Page};
use workflow_core::{RunId, Timestamp};

use super::damaged;
use super::open::Conn;
use super::read::record;
use crate::record_row::record_columns;

const RUNS: &str = concat!("select ", record_columns!(), " from workflow_records where true");

/// Before the newest run that there can be.
const NEWEST: Cursor =
    Cursor { created_at: Timestamp::from_millis(i64::MAX), run_id: RunId::from_uuid(uuid::Uuid::max()) };

pub(super) async fn list(connection: &mut Conn<'_>, query: &ListQuery) -> Result<ListPage, sqlx::Error> {
    let mut text = QueryBuilder::<Sqlite>::new(connection.sql(RUNS).as_str());
    filters(&mut text, query);
    let (order, beyond) = if query.newest_first { ("desc", "<") } else { ("asc", ">") };
    if let Page::After(cursor) = query.page {
        text.push(format!(" and (created_at, run_id) {beyond} ("));
        text.push_bind(cursor.created_at.as_millis())
            .push(", ")
            .push_bind(cursor.run_id.to_string())
            .push(")");
    }
    text.push(format!(" order by created_at {order}, run_id {order} limit "));
    text.push_bind(i64::try_from(query.limit).unwrap_or(i64::MAX).saturating_add(1));
    if let Page::Offset(skip) = query.page {
        text.push(" offset ").push_bind(i64::try_from(skip).unwrap_or(i64::MAX));
    }
    let mut rows = text.build().fetch_all(connection.raw()).await?;
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    let mut page = ListPage::default();
    for row in &rows {
        match record(row, connection.names()) {
            Ok(record) => page.records.push(Arc::new(record)),
            Err(error) => page.unreadable.push(error),
        }
    }
    if more {
        // What is no instant sorts after all instants: at the head of a list from the newest on.
        let head = query.newest_first && matches!(query.page, Page::Offset(_));
        page.next = rows.iter().rev().find_map(cursor).or_else(|| head.then_some(NEWEST));
    }
    Ok(page)
}

/// Where a page can go on; `None` if the row's place in the order cannot be read.
fn cursor(row: &SqliteRow) -> Option<Cursor> {
    let created_at = Timestamp::from_millis(row.try_get(6).ok()?);
    damaged::run_id(row, 0).map(|run_id| Cursor { created_at, run_id })
}

fn filters(text: &mut QueryBuilder<Sqlite>, query: &ListQuery) {
    if let Some(name) = &query.workflow_name {
        text.push(" and workflow_name = ").push_bind(name.as_str().to_owned());
    }
    if !query.foreign_ids.is_empty() {
        one_of(text, "foreign_id", query.foreign_ids.iter().map(|id| id.as_str().to_owned()));
    }
    if !query.statuses.is_empty() {
        one_of(text, "status", query.statuses.iter().map(|status| status.get()));
    }
    if !query.run_states.is_empty() {
        one_of(text, "run_state", query.run_states.iter().map(|state| state.code()));
    }
    if let Some(from) = query.created_from {
        text.push(" and created_at >= ").push_bind(from.as_millis());
    }
    if let Some(before) = query.created_before {
        text.push(" and created_at < ").push_bind(before.as_millis());
    }
}

fn one_of<V>(text: &mut QueryBuilder<Sqlite>, column: &str, values: impl Iterator<Item = V>)
where
    V: for<'q> sqlx::Encode<'q, Sqlite> + sqlx::Type<Sqlite>,
{
    text.push(format!(" and {column} in ("));
    let mut list = text.separated(", ");
    for value in values {
        list.push_bind(value);
    }
    text.push(")");
}
