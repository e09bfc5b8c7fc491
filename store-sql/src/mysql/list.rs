//! Lists of runs, with every filter.

use std::sync::Arc;

use sqlx::{MySql, QueryBuilder};
use workflow_core::adapter::{Cursor, ListPage, ListQuery, Page};

use super::read::record;
use super::rows::{datetime, instant, limit, run_id, value};
use super::server::Conn;
use crate::record_row::record_columns;

const RUNS: &str = concat!("select ", record_columns!(), " from workflow_records where true");

/// The same by age. If the index is not named, the server may read all runs of a workflow from one end, up to those that
/// were asked for.
const RUNS_BY_AGE: &str = concat!(
    "select ",
    record_columns!(),
    " from workflow_records force index (workflow_records_by_age) where true"
);

/// Both values of the column that stands before the foreign id in its index.
const OF_FOREIGN_IDS: &str = " and (live is null or live = 1) and workflow_records.foreign_id in (";

pub(super) async fn list(connection: &mut Conn<'_>, query: &ListQuery) -> Result<ListPage, sqlx::Error> {
    let mut text = text(connection, query);
    // There are too many of them to keep each prepared.
    let mut rows = text.build().persistent(false).fetch_all(connection.raw()).await?;
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    let mut page = ListPage::default();
    for row in &rows {
        match record(row, connection.names()) {
            Ok(record) => page.records.push(Arc::new(record)),
            Err(error) => page.unreadable.push(error),
        }
    }
    if let Some(last) = rows.last().filter(|_| more) {
        page.next = Some(Cursor { created_at: instant(last, 6)?, run_id: run_id(value(last, 0)?)? });
    }
    Ok(page)
}

/// Whether the runs of one workflow are asked for that were created before or after an instant.
fn is_range_by_age(query: &ListQuery) -> bool {
    let is_range =
        matches!(query.page, Page::After(_)) || query.created_from.or(query.created_before).is_some();
    is_range && query.workflow_name.is_some() && query.foreign_ids.is_empty()
}

fn text(connection: &Conn<'_>, query: &ListQuery) -> QueryBuilder<MySql> {
    let mut text = QueryBuilder::<MySql>::new(
        connection.sql(if is_range_by_age(query) { RUNS_BY_AGE } else { RUNS }).as_str(),
    );
    filters(&mut text, connection, query);
    let (order, beyond) = if query.newest_first { ("desc", "<") } else { ("asc", ">") };
    if let Page::After(cursor) = query.page {
        // A comparison of pairs would not be read as a range of the index.
        let at = datetime(cursor.created_at);
        text.push(format!(" and created_at {beyond}= ")).push_bind(at);
        text.push(format!(" and (created_at {beyond} ")).push_bind(at);
        text.push(format!(" or run_id {beyond} ")).push_bind(cursor.run_id.to_string()).push(")");
    }
    text.push(format!(" order by created_at {order}, run_id {order} limit "));
    text.push_bind(limit(query.limit).saturating_add(1));
    if let Page::Offset(skip) = query.page {
        text.push(" offset ").push_bind(i64::try_from(skip).unwrap_or(i64::MAX));
    }
    text
}

fn filters(text: &mut QueryBuilder<MySql>, connection: &Conn<'_>, query: &ListQuery) {
    if let Some(name) = &query.workflow_name {
        text.push(connection.sql(" and workflow_records.workflow_name = ").as_str())
            .push_bind(name.as_str().to_owned());
    }
    if !query.foreign_ids.is_empty() {
        text.push(connection.sql(OF_FOREIGN_IDS).as_str());
        values(text, query.foreign_ids.iter().map(|id| id.as_str().to_owned()));
    }
    if !query.statuses.is_empty() {
        text.push(" and status in (");
        values(text, query.statuses.iter().map(|status| status.get()));
    }
    if !query.run_states.is_empty() {
        text.push(" and run_state in (");
        values(text, query.run_states.iter().map(|state| state.code()));
    }
    if let Some(from) = query.created_from {
        text.push(" and created_at >= ").push_bind(datetime(from));
    }
    if let Some(before) = query.created_before {
        text.push(" and created_at < ").push_bind(datetime(before));
    }
}

/// The rest of a list of values.
fn values<V>(text: &mut QueryBuilder<MySql>, values: impl Iterator<Item = V>)
where
    V: for<'q> sqlx::Encode<'q, MySql> + sqlx::Type<MySql>,
{
    let mut list = text.separated(", ");
    for value in values {
        list.push_bind(value);
    }
    text.push(")");
}
