//! Lines that are no orders are named with number and reason, and stop nothing.
#![allow(missing_docs, clippy::unwrap_used)]

mod program;

use program::{ORDER, Program};

/// The only item of the order, and how it is paid.
const ITEM: &str = r#"{"sku":"TEA","quantity":1,"unit_cents":5}"#;
const PAYMENT: &str = r#"{"method":"invoice"}"#;

/// Runs one bad line between two good ones; gives what is said of it.
fn said_of(line: &[u8]) -> String {
    let program = Program::new();
    let mut input = ORDER.as_bytes().to_vec();
    input.push(b'\n');
    input.extend_from_slice(line);
    input.extend_from_slice(format!("\n{}\n", ORDER.replace("a-1", "a-2")).as_bytes());
    let ran = program.run_with(&["-i", "-", "--json"], &input);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert_eq!((&ran.json()["orders"], &ran.json()["rejected_lines"]), (&2.into(), &1.into()));
    let said = ran.err.lines().next().unwrap().to_owned();
    said.strip_prefix("line 2 is no order: ").unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[test]
fn each_kind_of_bad_line_has_its_reason() {
    let with = |from: &str, to: &str| ORDER.replace("a-1", "b").replace(from, to).into_bytes();
    for (line, reason) in [
        (b"garbage".to_vec(), "it is no JSON object"),
        (br#"["b","ada",[],{"method":"invoice"}]"#.to_vec(), "it is no JSON object"),
        (b"[1,2".to_vec(), "it is no JSON object"),
        (b" \"an order\"".to_vec(), "it is no JSON object"),
        (b"{garbage}".to_vec(), "key must be a string at column 2"),
        (b"{\"id\":\"b\"".to_vec(), "EOF while parsing an object"),
        (with(r#""quantity":1"#, r#""quantity":1.5"#), "floating point `1.5`, expected u32"),
        (with(r#""quantity":1"#, r#""quantity":-1"#), "integer `-1`, expected u32"),
        (with(r#""unit_cents":5"#, r#""unit_cents":1e30"#), "expected u64"),
        (with(ITEM, r#"["TEA",1,5]"#), "invalid type: sequence, expected an object"),
        (with(ITEM, "7"), "invalid type: integer `7`, expected an object"),
        (with(PAYMENT, r#"["invoice"]"#), "invalid type: sequence, expected an object"),
        (with(PAYMENT, r#"["card",{"last_four":"1234"}]"#), "invalid type: sequence, expected an object"),
        (with(PAYMENT, r#"{"method":"invoice","code":"x"}"#), "unknown field `code`"),
        (with(PAYMENT, r#"{"method":"card","last_four":"1234","pin":1}"#), "unknown field `pin`"),
        (with("invoice", "promise"), "unknown variant `promise`"),
        (with(r#""customer":"ada","#, ""), "missing field `customer`"),
        (with(r#""customer""#, r#""courrier":"lost","customer""#), "unknown field `courrier`"),
        (with(r#""customer""#, r#""log":["paid"],"customer""#), "`total_cents` and `log` are for the shop"),
        (with(r#""b""#, r#""""#), "its id has 0 bytes"),
        (with(r#""b""#, &format!("{:?}", "é".repeat(128))), "its id has 256 bytes, 1 to 255 are allowed"),
        (with(r#""b""#, r#""b\u0007""#), "its id has the control character"),
        (ORDER.into(), "order \"a-1\" was on line 1 already"),
        (b"\xff\xfe\x00".to_vec(), "it is not UTF-8"),
        ("[".repeat(5000).into_bytes(), "it is no JSON object"),
        (with(r#""customer":"ada""#, &format!("\"customer\":{}", "[".repeat(5000))), "expected a string"),
        (vec![b' '; 65_536], "it has 65537 bytes, 65536 are allowed"),
    ] {
        let said = said_of(&line);
        assert!(said.contains(reason), "{:?}: {said}", String::from_utf8_lossy(&line));
    }
}

#[test]
fn a_reason_carries_no_document_and_no_control_characters() {
    let said = said_of(format!("{{\"{}\":1}}", "x".repeat(60_000)).as_bytes());
    assert!(said.len() < 300, "{} bytes", said.len());
    let said = said_of(br#"{"\u001b[31mred":1}"#);
    assert!(!said.contains('\u{1b}'), "{said:?}");
}

#[test]
fn the_longest_id_and_the_longest_line_are_orders() {
    let program = Program::new();
    let id = ORDER.replace("a-1", &"x".repeat(255));
    let line = format!("{ORDER}{}", " ".repeat(65_535 - ORDER.len()));
    let ran = program.run_with(&["-i", "-", "--json"], format!("\u{feff}{id}\n\n  \n{line}\n"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.json()["by_status"]["Fulfilled"], 2);
}

#[test]
fn sums_that_cannot_be_counted_are_rejected_by_the_shop_not_by_a_panic() {
    let program = Program::new();
    let order = ORDER
        .replace(r#""quantity":1"#, r#""quantity":4294967295"#)
        .replace(r#""unit_cents":5"#, r#""unit_cents":18446744073709551615"#);
    let ran = program.run_with(&["-i", "-", "--json"], order);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.json()["by_status"]["Rejected"], 1);
}

#[test]
fn an_empty_input_is_no_error_and_binary_input_is_rejected_line_by_line() {
    let program = Program::new();
    assert_eq!(program.run_with(&["-i", "-"], "").code, 0);
    let binary: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let ran = program.run_with(&["-i", "-", "--json"], binary);
    assert_eq!(ran.code, 3);
    assert!(ran.json()["rejected_lines"].as_u64().unwrap() > 300);
}
