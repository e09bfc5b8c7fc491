//! The store's statements, for tables of these names.
//!
//! Statements are written with the default names and go to the server as they stand if the tables have them. For other
//! names a statement's text is made once and kept, so that the hot path formats nothing.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::table::INDEXES;
use super::{Table, TableNames};

/// How the key columns of the records are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Keys {
    /// As they are: their own collation tells any two texts apart.
    Plain,
    /// By their twins: their own collation takes `Case` and `case` for the same, so that a generated column beside each
    /// has the same text in a collation that does not. A statement asks for it by naming the column with its table,
    /// `workflow_records.foreign_id`.
    Twins,
}

/// What the name of a column's twin ends in.
pub(crate) const TWIN: &str = "_bin";

/// The columns of the records that have a twin where they need one.
pub(crate) const TWINNED: [&str; 2] = ["workflow_name", "foreign_id"];

/// The texts of statements. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Statements(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    names: TableNames,
    keys: Keys,
    /// `None` where statements go as they stand.
    renamed: Option<Renamed>,
}

#[derive(Debug)]
struct Renamed {
    names: HashMap<&'static str, Box<str>>,
    /// By the place of a static text in memory, which is its own for the whole life of the program.
    texts: RwLock<HashMap<(usize, usize), Arc<str>>>,
}

impl Statements {
    pub(crate) fn new(names: TableNames, keys: Keys) -> Self {
        let plain = names.is_default() && keys == Keys::Plain;
        let renamed = (!plain).then(|| Renamed { names: renamings(&names), texts: RwLock::default() });
        Self(Arc::new(Inner { names, keys, renamed }))
    }

    pub(crate) fn names(&self) -> &TableNames {
        &self.0.names
    }

    pub(crate) fn keys(&self) -> Keys {
        self.0.keys
    }

    /// A statement for the driver.
    pub(crate) fn sql(&self, text: &'static str) -> SqlStr {
        match &self.0.renamed {
            None => SqlStr::from_static(text),
            Some(renamed) => AssertSqlSafe(renamed.text(text, self.0.keys)).into_sql_str(),
        }
    }
}

impl Renamed {
    fn text(&self, text: &'static str, keys: Keys) -> Arc<str> {
        let place = (text.as_ptr() as usize, text.len());
        let known = self.texts.read().unwrap_or_else(PoisonError::into_inner).get(&place).cloned();
        known.unwrap_or_else(|| {
            let made: Arc<str> = render(text, &self.names, keys).into();
            self.texts.write().unwrap_or_else(PoisonError::into_inner).insert(place, Arc::clone(&made));
            made
        })
    }
}

/// What each name of a table or index becomes.
fn renamings(names: &TableNames) -> HashMap<&'static str, Box<str>> {
    let tables = Table::ALL.map(|table| (table.default_name(), names.qualified(table).into()));
    let indexes = INDEXES.map(|(index, _)| (index, names.index(index).into()));
    tables.into_iter().chain(indexes).collect()
}

/// Replaces the names in a text, word by word: nothing else in a statement has the name of a table or index.
fn render(text: &str, names: &HashMap<&'static str, Box<str>>, keys: Keys) -> String {
    let mut made = String::with_capacity(text.len() + 64);
    let mut rest = text;
    let mut of_records = false;
    while !rest.is_empty() {
        let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        if word == 0 {
            let gap = rest.find(is_word).unwrap_or(rest.len());
            of_records &= &rest[..gap] == ".";
            made.push_str(&rest[..gap]);
            rest = &rest[gap..];
            continue;
        }
        let (name, after) = rest.split_at(word);
        made.push_str(names.get(name).map_or(name, |name| name));
        if of_records && keys == Keys::Twins && TWINNED.contains(&name) {
            made.push_str(TWIN);
        }
        of_records = name == Table::Records.default_name();
        rest = after;
    }
    made
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// A text with the names in it, once: for what is not on the hot path.
pub(crate) fn rendered(text: &str, names: &TableNames, keys: Keys) -> String {
    render(text, &renamings(names), keys)
}
