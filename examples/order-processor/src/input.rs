//! Orders from JSON lines.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;

use crate::order::Order;

/// The sample that is in the repository.
const SAMPLE: &str = include_str!("../sample/orders.jsonl");

/// The longest line that is looked at, in bytes.
const LINE_BYTES_MAX: usize = 1 << 20;

/// The longest id of an order, in bytes: it is the run's foreign id and start key.
const ID_BYTES_MAX: usize = 255;

/// The lines of an input, one after the other.
pub struct Input {
    lines: Box<dyn BufRead + Send>,
    number: usize,
    seen: HashMap<String, usize>,
}

/// What a line is.
#[derive(Debug)]
pub enum Line {
    /// An order.
    Order(Box<Order>),
    /// None, with its number and the reason.
    Rejected(usize, String),
}

impl Input {
    /// Opens a file, standard input (`-`), or the sample.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let lines: Box<dyn BufRead + Send> = match path {
            None => Box::new(SAMPLE.as_bytes()),
            Some(path) if path == Path::new("-") => Box::new(BufReader::new(std::io::stdin())),
            Some(path) => {
                let file = File::open(path)
                    .with_context(|| format!("cannot open the orders in {}", path.display()))?;
                Box::new(BufReader::new(file))
            }
        };
        Ok(Self::of(lines))
    }

    /// The lines of any reader.
    pub fn of(lines: Box<dyn BufRead + Send>) -> Self {
        Self { lines, number: 0, seen: HashMap::new() }
    }

    /// The next line that is not empty; `None` at the end.
    ///
    /// # Errors
    /// If the input cannot be read.
    pub fn next_line(&mut self) -> anyhow::Result<Option<Line>> {
        loop {
            let mut bytes = Vec::new();
            let read = self.lines.read_until(b'\n', &mut bytes).context("cannot read the orders")?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return Ok(Some(match self.order(&bytes) {
                Ok(order) => Line::Order(Box::new(order)),
                Err(reason) => Line::Rejected(self.number, reason),
            }));
        }
    }

    fn order(&mut self, bytes: &[u8]) -> Result<Order, String> {
        if bytes.len() > LINE_BYTES_MAX {
            return Err(format!("it has {} bytes, {LINE_BYTES_MAX} are allowed", bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8: {error}"))?;
        let order: Order = serde_json::from_str(text.trim_end()).map_err(|error| reason(&error))?;
        if order.id.is_empty() || order.id.len() > ID_BYTES_MAX {
            return Err(format!("its id has {} bytes, 1 to {ID_BYTES_MAX} are allowed", order.id.len()));
        }
        if let Some(control) = order.id.chars().find(|c| c.is_control()) {
            return Err(format!("its id has the control character {control:?}"));
        }
        if let Some(first) = self.seen.insert(order.id.clone(), self.number) {
            self.seen.insert(order.id.clone(), first);
            return Err(format!("order {:?} was on line {first} already", order.id));
        }
        Ok(order)
    }
}

/// What serde says, without the line number, which is always 1.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((text, _)) => format!("{text} at column {}", error.column()),
        None => text,
    }
}
