//! Orders from JSON lines.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::Path;

use anyhow::Context;
use tokio::sync::mpsc;

use crate::count;
use crate::order::Order;

/// The sample that is in the repository.
const SAMPLE: &str = include_str!("../sample/orders.jsonl");

/// The longest line that is taken, in bytes. Thousands of orders are in memory at once.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// The longest id of an order, in bytes: it is the run's foreign id and start key.
const ID_BYTES_MAX: usize = 255;

/// The longest reason that is shown, in characters: a line can carry a whole document in a wrong place.
const REASON_CHARS_MAX: usize = 200;

/// How many lines are read ahead.
const LINES_AHEAD: usize = 1000;

/// The lines of an input, one after the other.
pub struct Input {
    lines: Box<dyn BufRead + Send>,
    /// How many lines there are, if that is known.
    count: Option<u64>,
    number: u64,
    seen: Seen,
}

/// A line that is not empty.
#[derive(Debug)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// The order, or why it is none.
    pub order: Result<Box<Order>, String>,
}

impl Input {
    /// Opens a file, standard input (`-`), or the sample.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        match path {
            None => Ok(Self {
                count: count::lines(SAMPLE.as_bytes()).ok(),
                ..Self::of(Box::new(SAMPLE.as_bytes()))
            }),
            Some(path) if path == Path::new("-") => Ok(Self::of(Box::new(BufReader::new(std::io::stdin())))),
            Some(path) => {
                Self::in_file(path).with_context(|| format!("cannot open the orders in {}", path.display()))
            }
        }
    }

    fn in_file(path: &Path) -> std::io::Result<Self> {
        let mut file = File::open(path)?;
        let count = count::in_file(&file);
        if count.is_some() {
            file.rewind()?;
        }
        Ok(Self { count, ..Self::of(Box::new(BufReader::new(file))) })
    }

    /// How many of its lines are not empty, if that is known before they are read.
    pub fn count(&self) -> Option<u64> {
        self.count
    }

    /// Lines that are in memory.
    pub fn of_lines(lines: Vec<u8>) -> Self {
        Self { count: count::lines(&*lines).ok(), ..Self::of(Box::new(std::io::Cursor::new(lines))) }
    }

    /// The lines of any reader.
    pub fn of(lines: Box<dyn BufRead + Send>) -> Self {
        Self { lines, count: None, number: 0, seen: Seen::default() }
    }

    /// Reads on a thread of its own, so that a reader that waits holds up nothing else, the end of the program least.
    pub fn read(mut self) -> mpsc::Receiver<anyhow::Result<Line>> {
        let (read, lines) = mpsc::channel(LINES_AHEAD);
        std::thread::spawn(move || {
            while let Some(line) = self.next_line().transpose() {
                let failed = line.is_err();
                if read.blocking_send(line).is_err() || failed {
                    return;
                }
            }
        });
        lines
    }

    /// The next line that is not empty; `None` at the end.
    ///
    /// # Errors
    /// If the input cannot be read.
    pub fn next_line(&mut self) -> anyhow::Result<Option<Line>> {
        loop {
            let Some((bytes, length)) = self.bounded_line().context("cannot read the orders")? else {
                return Ok(None);
            };
            self.number += 1;
            let byte_order_mark = if self.number == 1 { &b"\xef\xbb\xbf"[..] } else { b"" };
            let bytes = bytes.strip_prefix(byte_order_mark).unwrap_or(&bytes);
            if length <= LINE_BYTES_MAX as u64 && bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let order = self.order(bytes, length).map(Box::new);
            return Ok(Some(Line { number: self.number, order }));
        }
    }

    /// The beginning of the next line, and how long all of it is: what is too long is passed over, not kept.
    fn bounded_line(&mut self) -> std::io::Result<Option<(Vec<u8>, u64)>> {
        let mut bytes = Vec::new();
        let mut length = 0;
        loop {
            let keep = bytes.len() <= LINE_BYTES_MAX;
            let mut rest = Vec::new();
            let piece = (&mut self.lines).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut rest)?;
            length += piece as u64;
            let ended = piece == 0 || rest.ends_with(b"\n");
            if keep {
                bytes.append(&mut rest);
            }
            if ended {
                return Ok((length > 0).then_some((bytes, length)));
            }
        }
    }

    fn order(&mut self, bytes: &[u8], length: u64) -> Result<Order, String> {
        if length > LINE_BYTES_MAX as u64 {
            return Err(format!("it has {length} bytes, {LINE_BYTES_MAX} are allowed"));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8: {error}"))?;
        if !text.trim_start().starts_with('{') {
            return Err("it is no JSON object".to_owned());
        }
        let order: Order = serde_json::from_str(text.trim_end()).map_err(|error| reason(&error))?;
        if order.id.is_empty() || order.id.len() > ID_BYTES_MAX {
            return Err(format!("its id has {} bytes, 1 to {ID_BYTES_MAX} are allowed", order.id.len()));
        }
        if let Some(control) = order.id.chars().find(|c| c.is_control()) {
            return Err(format!("its id has the control character {control:?}"));
        }
        if order.total_cents.is_some() || !order.log.is_empty() {
            return Err("`total_cents` and `log` are for the shop to fill in".to_owned());
        }
        match self.seen.before(&order.id, self.number) {
            Some(first) => Err(format!("order {:?} was on line {first} already", order.id)),
            None => Ok(order),
        }
    }
}

/// On which line an id was first seen. Of an id, 128 bits of hash are kept: a long input has many.
#[derive(Default)]
struct Seen {
    hashers: [RandomState; 2],
    lines: HashMap<[u64; 2], u64>,
}

impl Seen {
    /// The line on which the id was before; if on none, it now is on this one.
    fn before(&mut self, id: &str, line: u64) -> Option<u64> {
        let hash = self.hashers.each_ref().map(|hasher| hasher.hash_one(id));
        let first = *self.lines.entry(hash).or_insert(line);
        (first != line).then_some(first)
    }
}

/// What serde says, fit for a terminal: without the line number, which is always 1, and without a document in it.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let shown = text.chars().take(REASON_CHARS_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let more = if text.chars().nth(REASON_CHARS_MAX).is_some() { "…" } else { "" };
    format!("{}{more} at column {}", shown.collect::<String>(), error.column())
}
