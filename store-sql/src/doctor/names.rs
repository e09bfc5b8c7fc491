//! What the tables are called here. The doctor thinks in the default names: they become the tables' own where text goes
//! to the server or to a person, and the server's answers are brought back to them.

use super::session::Dialect;
use crate::names::{Keys, rendered};
use crate::schema::guard_name;
use crate::{Table, TableNames};

/// The names of the tables, in both directions.
#[derive(Clone, Debug)]
pub(super) struct Names {
    names: TableNames,
    local: TableNames,
    keys: Keys,
}

impl Names {
    pub(super) fn new(names: TableNames) -> Self {
        let local = names.without_schema();
        Self { names, local, keys: Keys::Plain }
    }

    /// Compares keys by the twins of their columns, as the store does on tables that have them.
    pub(super) fn compare_by_twins(&mut self) {
        self.keys = Keys::Twins;
    }

    /// A text with the tables' own names.
    pub(super) fn written(&self, text: &str) -> String {
        rendered(text, &self.names, self.keys)
    }

    /// The same for copies, which are in the session's own place and not in a schema.
    pub(super) fn in_copies(&self, text: &str) -> String {
        rendered(text, &self.local, self.keys)
    }

    /// The tables' names in quotes, for a look into the catalogue.
    pub(super) fn list(&self) -> String {
        let quoted = Table::ALL.map(|table| format!("'{}'", self.names.table(table).to_lowercase()));
        quoted.join(", ")
    }

    /// A question to the catalogue: `{tables}` is the list of names, `{schema}` where they are, `{guard}` what the guard is called, and `{visible}` whether
    /// the row `c` of PostgreSQL's `pg_class` is there.
    pub(super) fn question(&self, text: &str, dialect: Dialect) -> String {
        let (schema, visible) = match (self.names.schema(), dialect) {
            (Some(schema), _) => {
                (format!("'{schema}'"), format!("c.relnamespace = to_regnamespace('{schema}')"))
            }
            (None, Dialect::MySql) => ("database()".to_owned(), String::new()),
            (None, Dialect::Postgres | Dialect::Sqlite) => {
                (String::new(), "pg_table_is_visible(c.oid)".to_owned())
            }
        };
        let text = text.replace("{tables}", &self.list()).replace("{guard}", &guard_name(&self.names));
        text.replace("{schema}", &schema).replace("{visible}", &visible)
    }

    /// The default name of a table.
    pub(super) fn table(&self, own: &str) -> Option<&'static str> {
        let found = Table::ALL.into_iter().find(|table| self.names.table(*table).eq_ignore_ascii_case(own));
        found.map(Table::default_name)
    }

    /// The default name of an index, or its own if it is none of the store's.
    pub(super) fn index(&self, own: &str, dialect: Dialect) -> String {
        let indexes = super::expected::indexes(dialect).iter();
        let found =
            indexes.map(|index| &index.name).find(|name| self.names.index(name).eq_ignore_ascii_case(own));
        found.map_or_else(|| own.to_owned(), String::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() -> Result<(), crate::NameError> {
        let names = Names::new(TableNames::new("runs", "events")?.with_prefix("shop_")?.in_schema("sales")?);
        let text = "select 1 from workflow_records join workflow_history";
        assert_eq!(names.written(text), "select 1 from sales.runs join sales.shop_history");
        assert_eq!(names.in_copies(text), "select 1 from runs join shop_history");
        assert_eq!(names.table("Runs"), Some("workflow_records"));
        assert_eq!(names.table("workflow_records"), None);
        assert_eq!(names.index("shop_records_live", Dialect::Postgres), "workflow_records_live");
        assert_eq!(names.index("mine", Dialect::Postgres), "mine");
        let asked = names.question("c.relname in ({tables}) and {visible}", Dialect::Postgres);
        assert!(asked.contains("'runs', 'events', 'shop_timeouts'"), "{asked}");
        assert!(asked.ends_with("and c.relnamespace = to_regnamespace('sales')"), "{asked}");
        Ok(())
    }

    #[test]
    fn default_names_are_looked_for_where_the_session_is() {
        let names = Names::new(TableNames::default());
        assert_eq!(names.question("{schema}", Dialect::MySql), "database()");
        assert_eq!(names.question("{visible}", Dialect::Postgres), "pg_table_is_visible(c.oid)");
        assert_eq!(names.written("workflow_records"), "workflow_records");
    }
}
