//! Lists of runs, with every filter.

use std::sync::Arc;

use sqlx::{QueryBuilder, Row};
use workflow_core::adapter::{Cursor, ListPage, ListQuery, Page};

use super::connect::Conn;
use super::create::{array, parse};
use super::read::{limit, record};
use super::stamp::{column, instant};
use crate::record_row::record_columns;

/// The runs of one workflow.
const OF_ONE: &str = concat!("select ", record_columns!(), " from workflow_records where workflow_name = ");

/// The runs of all workflows: the names of all, each found by a look into the index behind the one before, and what is
/// wanted of each.
const OF_ALL: &str = concat!(
    "with recursive names as ((select workflow_name as name from workflow_records order by workflow_name limit 1) union all \
     select (select workflow_name from workflow_records where workflow_name > n.name order by workflow_name limit 1) from \
     names n where n.name is not null) select ",
    record_columns!(),
    " from names n cross join lateral (select * from workflow_records where workflow_name = n.name"
);

type Text = QueryBuilder<sqlx::Postgres>;

pub(super) async fn list(connection: &mut Conn<'_>, query: &ListQuery) -> Result<ListPage, sqlx::Error> {
    let mut rows = text(connection, query).build().fetch_all(connection.raw()).await?;
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
        page.next = Some(Cursor { created_at: instant(last.try_get(6)?), run_id: parse(last.try_get(0)?)? });
    }
    Ok(page)
}

/// A list of one workflow walks the index of its runs by age; a list of all merges the first rows of each.
fn text(connection: &Conn<'_>, query: &ListQuery) -> Text {
    let skipped = match query.page {
        Page::Offset(skip) => i64::try_from(skip).unwrap_or(i64::MAX),
        Page::After(_) => 0,
    };
    // One row more than the page, to know whether there is another page.
    let rows = limit(query.limit).saturating_add(1);
    let mut text;
    if let Some(name) = &query.workflow_name {
        text = Text::new(connection.sql(OF_ONE).as_str());
        text.push_bind(name.as_str().to_owned());
        filters(&mut text, query);
        order(&mut text, query, rows);
    } else {
        text = Text::new(connection.sql(OF_ALL).as_str());
        filters(&mut text, query);
        order(&mut text, query, rows.saturating_add(skipped));
        text.push(") r");
        order(&mut text, query, rows);
    }
    if skipped > 0 {
        text.push(" offset ").push_bind(skipped);
    }
    text
}

fn order(text: &mut Text, query: &ListQuery, rows: i64) {
    let order = if query.newest_first { "desc" } else { "asc" };
    text.push(format!(" order by created_at {order}, run_id {order} limit ")).push_bind(rows);
}

fn filters(text: &mut Text, query: &ListQuery) {
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
    if let Page::After(cursor) = query.page {
        let beyond = if query.newest_first { "<" } else { ">" };
        text.push(format!(" and (created_at, run_id) {beyond} ("));
        text.push_bind(column(cursor.created_at)).push(", ").push_bind(cursor.run_id.to_string()).push(")");
    }
}
