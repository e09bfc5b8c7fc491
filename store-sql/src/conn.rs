//! A connection, and what the tables are called on it.

use sqlx::SqlStr;

use crate::names::{Keys, Statements, TableNames};

/// A connection with the texts of the statements that are sent on it.
pub(crate) struct Conn<'c, C> {
    connection: &'c mut C,
    statements: &'c Statements,
}

impl<'c, C> Conn<'c, C> {
    pub(crate) fn new(connection: &'c mut C, statements: &'c Statements) -> Self {
        Self { connection, statements }
    }

    /// The driver's connection.
    pub(crate) fn raw(&mut self) -> &mut C {
        self.connection
    }

    /// The text of a statement that is written with the default names.
    pub(crate) fn sql(&self, text: &'static str) -> SqlStr {
        self.statements.sql(text)
    }

    pub(crate) fn names(&self) -> &'c TableNames {
        self.statements.names()
    }

    pub(crate) fn keys(&self) -> Keys {
        self.statements.keys()
    }
}
