//! Whether every order took each of its transitions once, by its history.

use futures_util::{StreamExt, TryStreamExt};
use serde::Serialize;
use workflow::adapter::{ListQuery, Page};
use workflow::prelude::*;
use workflow::{Error, HistoryEntry, Timestamp};

use crate::order::{Order, OrderStatus};

/// How many runs one query gives.
const PAGE: usize = 500;

/// How many histories are read at once.
const READ_AT_ONCE: usize = 8;

/// How many broken runs are named.
const BROKEN_SHOWN_MAX: usize = 20;

/// What the histories say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// How many orders were looked at.
    pub orders: u64,
    /// How many transitions they took, their arrival among them.
    pub transitions: u64,
    /// How many orders missed a transition or took one twice.
    pub broken: u64,
    /// The first of those, with what is wrong.
    pub broken_shown: Vec<String>,
}

impl Audit {
    /// Looks at every order that arrived since an instant.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn of(client: &Client<Order, OrderStatus>, since: Timestamp) -> Result<Self, Error> {
        let mut audit = Self::default();
        let mut query = ListQuery { created_from: Some(since), limit: PAGE, ..ListQuery::default() };
        loop {
            let page = client.list(query.clone()).await?;
            let histories = futures_util::stream::iter(page.runs).map(|run| async move {
                let history = client.history(&run.id()).await?;
                Ok::<_, Error>((run, history))
            });
            let mut histories = histories.buffer_unordered(READ_AT_ONCE);
            while let Some((run, history)) = histories.try_next().await? {
                audit.look_at(run.foreign_id().as_str(), run.version().get(), &history);
            }
            match page.next {
                Some(cursor) => query.page = Page::After(cursor),
                None => return Ok(audit),
            }
        }
    }

    fn look_at(&mut self, order: &str, version: u64, history: &[HistoryEntry]) {
        self.orders += 1;
        self.transitions += history.len() as u64;
        let Some(fault) = fault_in(version, history) else { return };
        self.broken += 1;
        if self.broken_shown.len() < BROKEN_SHOWN_MAX {
            self.broken_shown.push(format!("{order}: {fault}"));
        }
    }

    /// As a line of text.
    pub fn in_words(&self) -> String {
        let Self { orders, transitions, broken, broken_shown } = self;
        match broken {
            0 => format!("every transition once: {transitions} transitions of {orders} orders\n"),
            broken => {
                format!(
                    "{broken} of {orders} orders did not take every transition once:\n  {}\n",
                    broken_shown.join("\n  ")
                )
            }
        }
    }
}

/// What is wrong with a history: its versions are to be dense, and each transition is to begin where the one before ended.
fn fault_in(version: u64, history: &[HistoryEntry]) -> Option<String> {
    let versions: Vec<u64> = history.iter().map(|entry| entry.version.get()).collect();
    if !versions.iter().copied().eq(1..=version) {
        return Some(format!("it has version {version}, and a history of {versions:?}"));
    }
    let broken = history.windows(2).find(|pair| pair[1].from_status != Some(pair[0].to_status))?;
    Some(format!("version {} does not begin where the one before it ended", broken[1].version))
}
