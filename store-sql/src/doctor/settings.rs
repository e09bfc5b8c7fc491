//! The settings of a server, as it tells them itself.

use std::collections::HashMap;

use super::session::{Dialect, Session, number};

/// Settings by their names in lower case.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings(HashMap<String, String>);

impl Settings {
    /// Asks: MariaDB and MySQL for those of the whole server, PostgreSQL for those of this session, which has what was
    /// set for its user and database.
    pub(super) async fn gather(session: &mut Session) -> Result<Self, sqlx::Error> {
        let text = match session.dialect() {
            Dialect::MySql => "show global variables",
            Dialect::Postgres => "select name, setting from pg_settings",
            Dialect::Sqlite => "select 'journal_mode', journal_mode from pragma_journal_mode",
        };
        let pair = |row: Vec<Option<String>>| {
            let mut cells = row.into_iter().flatten();
            Some((cells.next()?.to_lowercase(), cells.next().unwrap_or_default()))
        };
        Ok(Self(session.rows(text).await?.into_iter().filter_map(pair).collect()))
    }

    #[cfg(test)]
    pub(super) fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// A setting as it is written; empty if the server has none of that name.
    pub(super) fn exact(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// A setting in lower case; empty if the server has none of that name.
    pub(super) fn get(&self, name: &str) -> String {
        self.0.get(name).map(|value| value.to_lowercase()).unwrap_or_default()
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        number(self.0.get(name).map(String::as_str))
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        matches!(self.get(name).as_str(), "on" | "1" | "true" | "yes")
    }

    pub(super) fn is_off(&self, name: &str) -> bool {
        matches!(self.get(name).as_str(), "off" | "0" | "false" | "no")
    }
}
