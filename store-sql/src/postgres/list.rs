//! Lists of runs, with every filter.

use std::sync::Arc;

use sqlx::{PgConnection, QueryBuilder, Row};
use workflow_core::adapter::{Cursor, ListPage, ListQuery, Page};

use super::create::{array, parse};
use super::read::{RECORD, limit, record};
use super::stamp::{column, instant};

pub(super) async fn list(connection: &mut PgConnection, query: &ListQuery) -> Result<ListPage, sqlx::Error> {
    let mut rows = text(query).build().fetch_all(connection).await?;
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
        page.next = Some(Cursor { created_at: instant(last.try_get(6)?), run_id: parse(last.try_get(0)?)? });
    }
    Ok(page)
}

fn text(query: &ListQuery) -> QueryBuilder<sqlx::Postgres> {
    let mut text = QueryBuilder::new(format!("select {RECORD} from workflow_records where true"));
    filters(&mut text, query);
    let (order, beyond) = if query.newest_first { ("desc", "<") } else { ("asc", ">") };
    if let Page::After(cursor) = query.page {
        text.push(format!(" and (created_at, run_id) {beyond} ("));
        text.push_bind(column(cursor.created_at)).push(", ").push_bind(cursor.run_id.to_string()).push(")");
    }
    text.push(format!(" order by created_at {order}, run_id {order} limit "));
    text.push_bind(limit(query.limit).saturating_add(1));
    if let Page::Offset(skip) = query.page {
        text.push(" offset ").push_bind(i64::try_from(skip).unwrap_or(i64::MAX));
    }
    text
}

fn filters(text: &mut QueryBuilder<sqlx::Postgres>, query: &ListQuery) {
    if let Some(name) = &query.workflow_name {
        text.push(" and workflow_name = ").push_bind(name.as_str().to_owned());
    }
    if !query.foreign_ids.is_empty() {
        let ids = array(&query.foreign_ids, |id| id.as_str().to_owned());
        text.push(" and foreign_id = any(").push_bind(ids).push(")");
    }
    if !query.statuses.is_empty() {
        let statuses = array(&query.statuses, |status| status.get());
        text.push(" and status = any(").push_bind(statuses).push(")");
    }
    if !query.run_states.is_empty() {
        let states = array(&query.run_states, |state| state.code());
        text.push(" and run_state = any(").push_bind(states).push(")");
    }
    if let Some(from) = query.created_from {
        text.push(" and created_at >= ").push_bind(column(from));
    }
    if let Some(before) = query.created_before {
        text.push(" and created_at < ").push_bind(column(before));
    }
}
