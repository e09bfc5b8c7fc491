//! How large the tables are.

/// How large one table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// The table.
    pub table: String,
    /// About how many rows it has, as far as the server has counted: `None` if it never has.
    pub rows_estimate: Option<u64>,
    /// The bytes of its rows.
    pub data_bytes: u64,
    /// The bytes of its indexes. The primary key of a MariaDB, MySQL or SQLite table is the table itself.
    pub index_bytes: u64,
}

impl TableSize {
    /// Rows and indexes together.
    ///
    /// ```
    /// use store_sql::maintenance::TableSize;
    /// let size = TableSize {
    ///     table: "workflow_records".to_owned(),
    ///     rows_estimate: Some(1),
    ///     data_bytes: 4096,
    ///     index_bytes: 8192,
    /// };
    /// assert_eq!(size.total_bytes(), 12_288);
    /// ```
    pub fn total_bytes(&self) -> u64 {
        self.data_bytes.saturating_add(self.index_bytes)
    }
}
