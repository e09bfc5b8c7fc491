//! Words that must not be in the repository.

use super::{Finding, Source};

/// Words that say that something is unfinished, put in two halves so that this file does not find itself.
const UNFINISHED: [(&str, &str); 3] = [("TO", "DO"), ("FIX", "ME"), ("XX", "X")];

/// Checks the words of any file.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let words: Vec<String> = UNFINISHED.iter().map(|(head, tail)| format!("{head}{tail}")).collect();
    let mut findings = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        let found =
            words.iter().find(|word| line.split(|c: char| !c.is_alphanumeric()).any(|part| part == **word));
        if let Some(word) = found {
            let what = format!("{word}: do it, or open an issue and leave the word out");
            findings.push(Finding::new(&source.path, at + 1, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_work_is_found_where_it_stands() {
        let text = format!("fine\n// {}{}: later\n", "TO", "DO");
        let findings = check(&Source { path: "a.rs".into(), text });
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 2);
    }
}
