//! What is printed: tables for people, JSON for programs.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write;

use serde::Serialize;

use crate::failure::Failure;

/// Standard output, in the form that was asked for.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a value as JSON, or what `human` makes of it.
    pub(crate) fn show<V: Serialize>(
        &self,
        value: &V,
        human: impl FnOnce(&V) -> String,
    ) -> Result<(), Failure> {
        let text = if self.json {
            let mut text = serde_json::to_string_pretty(value)
                .map_err(|error| Failure::io("write JSON", error.into()))?;
            text.push('\n');
            text
        } else {
            human(value)
        };
        self.raw(text.as_bytes())
    }

    /// Prints bytes as they are.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes)
            .and_then(|()| out.flush())
            .map_err(|error| Failure::io("write the output", error))
    }
}

/// Prints an error with its causes, each once.
pub(crate) fn complain(failure: &Failure) {
    let mut text = format!("error: {failure}");
    let mut cause = failure.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.contains(&told) {
            let _ = write!(text, "\n  caused by: {told}");
        }
        cause = error.source();
    }
    note(&text);
}

/// Prints a line to standard error; nobody may be reading it.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", plain_lines(line));
}

/// How a column is aligned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Text(&'static str),
    Number(&'static str),
}

/// Rows under headings, each column as wide as its widest value.
pub(crate) fn table(columns: &[Column], rows: &[Vec<String>]) -> String {
    let name = |column: &Column| match column {
        Column::Text(name) | Column::Number(name) => (*name).to_owned(),
    };
    let mut lines = vec![columns.iter().map(name).collect::<Vec<_>>()];
    lines.extend(rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()));
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| {
            lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in &lines {
        let mut shown = String::new();
        for ((cell, width), column) in line.iter().zip(&widths).zip(columns) {
            let gap = " ".repeat(width - cell.chars().count());
            match column {
                Column::Text(_) => shown.extend([cell.as_str(), &gap, "  "]),
                Column::Number(_) => shown.extend([&gap, cell.as_str(), "  "]),
            }
        }
        text.push_str(shown.trim_end());
        text.push('\n');
    }
    text
}

/// Names and values under each other.
pub(crate) fn fields(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    pairs.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name:<width$}  {}", plain(value));
        text
    })
}

/// A text without what would move a terminal's cursor or colour it: values are the users' own.
pub(crate) fn plain(text: &str) -> String {
    text.chars().fold(String::new(), |mut shown, c| {
        if c.is_control() || is_format(c) {
            shown.extend(c.escape_default())
        } else {
            shown.push(c)
        }
        shown
    })
}

/// The same, but for the ends of lines.
fn plain_lines(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// Characters that change the direction or the look of what follows.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A count with its digits in groups.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// So many things, in words.
pub(crate) fn of(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Bytes in the unit that fits.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (number as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let rows = vec![vec!["orders".to_owned(), "7".to_owned()], vec!["b".to_owned(), "1,200".to_owned()]];
        let text = table(&[Column::Text("WORKFLOW"), Column::Number("ROWS")], &rows);
        assert_eq!(text, "WORKFLOW   ROWS\norders        7\nb         1,200\n");
    }

    #[test]
    fn values_cannot_steer_a_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\nc\u{202e}d"), "a\\u{1b}[31mb\\nc\\u{202e}d");
        assert_eq!(plain("Größe ✓"), "Größe ✓");
    }

    #[test]
    fn numbers_are_grouped_and_bytes_have_units() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1023, 1536, 1 << 40].map(bytes), ["0 B", "1023 B", "1.5 KiB", "1.0 TiB"]);
        assert_eq!((of(1, "run", "runs"), of(0, "run", "runs")), ("1 run".to_owned(), "0 runs".to_owned()));
    }
}
