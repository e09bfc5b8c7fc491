//! PostgreSQL's keyword form: `host=localhost dbname=orders password='it''s'`.

use super::postgres::NO_DATABASE;
use super::postgres_params::UNKNOWN;
use super::problem::{DsnError, DsnProblem, Problems};

/// Keywords by which the form is known.
const KEYWORDS: [&str; 18] = [
    "host",
    "hostaddr",
    "port",
    "user",
    "password",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "connect_timeout",
    "application_name",
    "options",
    "service",
    "passfile",
    "target_session_attrs",
    "client_encoding",
    "sslpassword",
];

/// Whether a string has this form: it begins with a keyword and an equals sign.
pub(super) fn is_keyword_form(text: &str) -> bool {
    let Some((name, _)) = text.split_once('=') else { return false };
    KEYWORDS.contains(&name.trim())
}

/// The pairs, with quotes and backslashes taken away; `None` if they cannot be told apart to the end, which leaves
/// nothing to judge.
pub(super) fn pairs(text: &str, problems: &mut Problems) -> Option<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let name_end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let name = rest[..name_end].to_owned();
        let after = rest[name_end..].trim_start();
        let Some(after) = after.strip_prefix('=') else {
            // What stands there may be a part of a password with a space in it, so it is not shown.
            problems.add(PART, "a name without = was found: put values with spaces into ' '");
            return None;
        };
        let Some((value, end)) = value(after.trim_start()) else {
            // Another name may be a part of a password, too.
            let part = if KEYWORDS.contains(&name.as_str()) { &name } else { PART };
            problems.add(
                part,
                "a closing ' is missing: put values with spaces into ' ', and write \\' for a ' in one",
            );
            return None;
        };
        rest = end.trim_start();
        if pairs.iter().any(|(known, _)| *known == name) {
            problems.add(name, "it is there twice");
        } else {
            pairs.push((name, value));
        }
    }
    Some(pairs)
}

/// The part of the string that a problem with an unnamed part is about.
const PART: &str = "keywords";

/// Tells the problems in the words of this form. A name that is no parameter behind a password is hidden: it may be a
/// piece of that.
pub(super) fn in_keywords(error: DsnError, text: &str) -> DsnError {
    let behind = text.split_once("password").map_or("", |(_, behind)| behind);
    error.told_otherwise(|problem| {
        if problem.reason == NO_DATABASE {
            let reason = "it is missing: name the database, as in dbname=orders".to_owned();
            return Some(DsnProblem { part: "dbname".to_owned(), reason });
        }
        let may_be_a_piece = problem.reason == UNKNOWN && behind.contains(&problem.part);
        let reason = "what follows the password is no parameter: put values with spaces into ' ', and write \\' for a ' in one";
        may_be_a_piece.then(|| DsnProblem { part: PART.to_owned(), reason: reason.to_owned() })
    })
}

/// A value and what follows it; `None` if its quote is not closed.
fn value(text: &str) -> Option<(String, &str)> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.push(chars.next().map_or('\\', |(_, escaped)| escaped)),
            '\'' if quoted && text[at + 1..].starts_with('\'') => {
                chars.next();
                value.push('\'');
            }
            '\'' if quoted => return Some((value, &text[at + 1..])),
            c if c.is_whitespace() && !quoted => return Some((value, &text[at..])),
            c => value.push(c),
        }
    }
    (!quoted).then_some((value, ""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_and_backslashes_are_taken_away() {
        let mut problems = Problems::default();
        let text = r"host = a  password='it''s \'so\' \\' dbname=x\ y user=''";
        let pairs = pairs(text, &mut problems);
        let expected = [("host", "a"), ("password", r"it's 'so' \"), ("dbname", "x y"), ("user", "")];
        let expected: Vec<_> = expected.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        assert_eq!(pairs, Some(expected));
        assert!(problems.or(()).is_ok());
    }

    #[test]
    fn open_quotes_and_bare_words_are_refused() {
        for text in ["host='a", "host=a word", "host=a host=b", "host"] {
            let mut problems = Problems::default();
            pairs(text, &mut problems);
            assert!(problems.or(()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in ".*") {
            pairs(&text, &mut Problems::default());
        }

        #[test]
        fn a_quoted_value_reads_as_it_was(word in ".*") {
            let quoted = format!("password='{}'", word.replace('\\', r"\\").replace('\'', r"\'"));
            let pairs = pairs(&quoted, &mut Problems::default());
            prop_assert_eq!(pairs, Some(vec![("password".to_owned(), word)]));
        }
    }
}
