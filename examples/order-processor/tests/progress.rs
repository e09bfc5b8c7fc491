//! How far it is, and how much there is to do.
#![allow(missing_docs, clippy::unwrap_used)]

mod program;

use std::io::BufReader;

use order_processor::count;
use order_processor::input::Input;
use order_processor::progress::Standing;
use program::{ORDER, Program};

#[test]
fn lines_are_counted_as_they_are_read_whatever_the_buffer() {
    for (text, lines) in [("", 0), ("\n \r\n", 0), ("a", 1), ("a\n", 1), ("a\n\n  b\r\n\t\nc", 3)] {
        for buffer in [1, 2, 4096] {
            let counted = count::lines(BufReader::with_capacity(buffer, text.as_bytes())).unwrap();
            assert_eq!(counted, lines, "{text:?} through {buffer} bytes");
        }
        let mut input = Input::of(Box::new(text.as_bytes()));
        let read = std::iter::from_fn(|| input.next_line().unwrap()).count();
        assert_eq!(read as u64, lines, "{text:?}");
    }
}

#[test]
fn the_sample_and_files_are_counted_and_still_read_from_their_beginning() {
    assert_eq!(Input::open(None).unwrap().count(), Some(1000));
    let program = Program::new();
    std::fs::write(program.path("orders.jsonl"), format!("{ORDER}\n\nno order\n")).unwrap();
    let mut input = Input::open(Some(&program.path("orders.jsonl"))).unwrap();
    assert_eq!(input.count(), Some(2));
    assert_eq!(input.next_line().unwrap().unwrap().order.unwrap().id, "a-1");
}

#[test]
fn standard_input_is_not_counted() {
    assert_eq!(Input::open(Some("-".as_ref())).unwrap().count(), None);
}

#[test]
fn lines_say_of_how_many_as_far_as_that_is_known() {
    let standing = Standing { ended: 3, paused: 0, arrived: 5, expected: Some(9) };
    assert_eq!(standing.in_words(), "orders at their end: 3 of 9");
    let unknown = Standing { expected: None, paused: 1, ..standing };
    assert_eq!(unknown.in_words(), "orders at their end: 3 of 5 read so far; paused: 1");
}

#[test]
fn the_last_line_leaves_out_what_is_paused_and_what_is_no_order() {
    let program = Program::new();
    let paused = ORDER.replace("a-1", "a-2").replace("invoice\"", r#"card","last_four":"12""#);
    std::fs::write(program.path("orders.jsonl"), format!("{ORDER}\n{paused}\nno order\n")).unwrap();
    let ran = program.run(&["-i", "orders.jsonl"]);
    assert_eq!(ran.code, 4, "{}", ran.err);
    assert!(ran.err.ends_with("\norders at their end: 1 of 2; paused: 1\n"), "{}", ran.err);
    assert!(ran.out.contains("\n1 line was no order\n"), "{}", ran.out);
    let again = program.run_with(&["-i", "-"], format!("{ORDER}\nno order\nnor this\n"));
    assert!(again.out.contains("\n1 of the orders was there already, 1 of them"), "{}", again.out);
    assert!(again.out.contains("\n2 lines were no orders\n"), "{}", again.out);
}
