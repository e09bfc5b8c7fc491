//! `sizes`: how large the tables are.

use serde::Serialize;
use store_sql::maintenance::Maintenance;

use super::Answer;
use crate::failure::Failure;
use crate::output::{Column, Output, bytes, count, table};
use crate::settings::Settings;

/// The sizes of all tables.
#[derive(Serialize)]
struct Sizes {
    tables: Vec<Size>,
    total_bytes: u64,
}

/// The size of one.
#[derive(Serialize)]
struct Size {
    table: String,
    rows_estimate: Option<u64>,
    data_bytes: u64,
    index_bytes: u64,
    total_bytes: u64,
}

pub(crate) async fn run(settings: &Settings, output: &Output) -> Result<Answer, Failure> {
    let found = Maintenance::of(&settings.connect().await?).sizes().await?;
    let mut tables: Vec<Size> = found
        .into_iter()
        .map(|size| Size {
            total_bytes: size.total_bytes(),
            table: size.table,
            rows_estimate: size.rows_estimate,
            data_bytes: size.data_bytes,
            index_bytes: size.index_bytes,
        })
        .collect();
    tables.sort_by_key(|size| std::cmp::Reverse(size.total_bytes));
    let total_bytes = tables.iter().map(|size| size.total_bytes).sum();
    output.show(&Sizes { tables, total_bytes }, human)?;
    Ok(Answer::Done)
}

fn human(sizes: &Sizes) -> String {
    let columns = [
        Column::Text("TABLE"),
        Column::Number("ROWS (ABOUT)"),
        Column::Number("DATA"),
        Column::Number("INDEXES"),
        Column::Number("TOTAL"),
    ];
    let row = |size: &Size| {
        let rows = size.rows_estimate.map_or("not counted".to_owned(), count);
        vec![
            size.table.clone(),
            rows,
            bytes(size.data_bytes),
            bytes(size.index_bytes),
            bytes(size.total_bytes),
        ]
    };
    let mut rows: Vec<Vec<String>> = sizes.tables.iter().map(row).collect();
    rows.push(vec![
        "total".to_owned(),
        String::new(),
        String::new(),
        String::new(),
        bytes(sizes.total_bytes),
    ]);
    table(&columns, &rows)
}
