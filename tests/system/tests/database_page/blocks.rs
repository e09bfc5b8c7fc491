//! The fenced blocks of a page, with the words that say what they are.

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The words after the fence: the language, then what it is for.
    pub(crate) words: Vec<String>,
    pub(crate) text: String,
    /// The line of the page that its fence stands in.
    pub(crate) line: usize,
}

impl Block {
    /// Whether it is in a language, for a purpose; `""` is every purpose.
    pub(crate) fn is(&self, language: &str, purpose: &str) -> bool {
        let mut words = self.words.iter().map(String::as_str);
        words.next() == Some(language) && (purpose.is_empty() || words.any(|word| word == purpose))
    }
}

/// All blocks of a page, in its order.
pub(crate) fn of(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (number, line) in page.lines().enumerate() {
        if let Some(words) = line.strip_prefix("```") {
            open = !open;
            if open {
                let words = words.split_whitespace().map(str::to_owned).collect();
                blocks.push(Block { words, text: String::new(), line: number + 1 });
            }
        } else if open && let Some(block) = blocks.last_mut() {
            block.text.push_str(line);
            block.text.push('\n');
        }
    }
    assert!(!open, "the last block of the page has no end");
    blocks
}
