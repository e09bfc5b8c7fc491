//! How many lines an input has, before it is read.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

/// How much of a file is counted, in bytes: some 2 million orders. A larger one would keep the work waiting.
const COUNTED_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The lines of a file that are not empty; `None` if it is no regular file, too large, or cannot be read: then nobody
/// knows beforehand.
pub fn in_file(file: &File) -> Option<u64> {
    let about = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    if about.len() > COUNTED_BYTES_MAX {
        return None;
    }
    // It may grow meanwhile.
    lines(BufReader::new(file.take(COUNTED_BYTES_MAX))).ok()
}

/// The lines that are not empty. No more than a buffer of them is in memory.
///
/// # Errors
/// If they cannot be read.
pub fn lines(mut input: impl BufRead) -> std::io::Result<u64> {
    let (mut lines, mut blank) = (0, true);
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(lines + u64::from(!blank));
        }
        for byte in bytes {
            if *byte == b'\n' {
                lines += u64::from(!blank);
                blank = true;
            } else if blank && !byte.is_ascii_whitespace() {
                blank = false;
            }
        }
        let read = bytes.len();
        input.consume(read);
    }
}
