//! Lists of runs, with every filter.

use std::sync::Arc;

use sqlx::{MySql, MySqlConnection, QueryBuilder};
use workflow_core::adapter::{Cursor, ListPage, ListQuery, Page};

use super::read::{RECORD, record};
use super::rows::{datetime, instant, limit, run_id, value};

pub(super) async fn list(
    connection: &mut MySqlConnection,
    query: &ListQuery,
) -> Result<ListPage, sqlx::Error> {
    let mut text = text(query);
    // There are too many of them to keep each prepared.
    let mut rows = text.build().persistent(false).fetch_all(connection).await?;
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    let mut page = ListPage::default();
    for row in &rows {
        match record(row) {
            Ok(record) => page.records.push(Arc::new(record)),
            Err(error) => page.unreadable.push(error),
        }
    }
    if let Some(last) = rows.last().filter(|_| more) {
        page.next = Some(Cursor { created_at: instant(last, 6)?, run_id: run_id(value(last, 0)?)? });
    }
    Ok(page)
}

fn text(query: &ListQuery) -> QueryBuilder<MySql> {
    let mut text = QueryBuilder::<MySql>::new(format!("select {RECORD} from workflow_records where true"));
    filters(&mut text, query);
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

fn filters(text: &mut QueryBuilder<MySql>, query: &ListQuery) {
    if let Some(name) = &query.workflow_name {
        text.push(" and workflow_name = ").push_bind(name.as_str().to_owned());
    }
    if !query.foreign_ids.is_empty() {
        // Both values of the column that stands before the foreign id in its index.
        text.push(" and (live is null or live = 1)");
        one_of(text, "foreign_id", query.foreign_ids.iter().map(|id| id.as_str().to_owned()));
    }
    if !query.statuses.is_empty() {
        one_of(text, "status", query.statuses.iter().map(|status| status.get()));
    }
    if !query.run_states.is_empty() {
        one_of(text, "run_state", query.run_states.iter().map(|state| state.code()));
    }
    if let Some(from) = query.created_from {
        text.push(" and created_at >= ").push_bind(datetime(from));
    }
    if let Some(before) = query.created_before {
        text.push(" and created_at < ").push_bind(datetime(before));
    }
}

fn one_of<V>(text: &mut QueryBuilder<MySql>, column: &str, values: impl Iterator<Item = V>)
where
    V: for<'q> sqlx::Encode<'q, MySql> + sqlx::Type<MySql>,
{
    text.push(format!(" and {column} in ("));
    let mut list = text.separated(", ");
    for value in values {
        list.push_bind(value);
    }
    text.push(")");
}
