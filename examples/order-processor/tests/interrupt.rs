//! A program that is told to end does so, and goes on at its next start.
#![allow(missing_docs, clippy::unwrap_used)]
#![cfg(unix)]

mod program;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use program::{ORDER, Program, Ran};

fn tell(child: &Child, signal: &str) {
    let told = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(told.success());
}

/// Starts it on an input that has orders and then waits for more; gives it once it works on them.
fn waiting_for_more(
    program: &Program,
) -> (Child, std::process::ChildStdin, BufReader<std::process::ChildStderr>) {
    let mut child = program.command(&["-i", "-", "-v"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{ORDER}\nno order").unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("line 2 is no order") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended before it was told");
    }
    (child, input, log)
}

#[test]
fn both_signals_end_it_with_a_report_though_its_input_does_not_end() {
    for signal in ["-INT", "-TERM"] {
        let program = Program::new();
        let (child, input, mut log) = waiting_for_more(&program);
        tell(&child, signal);
        let rest = std::thread::spawn(move || std::io::read_to_string(&mut log).unwrap());
        let ended = Ran::of(child.wait_with_output().unwrap());
        drop(input);
        let rest = rest.join().unwrap();
        assert_eq!(ended.code, 4, "{signal}: {rest}");
        assert!(rest.contains("interrupted: run it again to go on"), "{signal}: {rest}");
        assert!(ended.out.contains("\n1 line was no order\n"), "{signal}: {}", ended.out);

        let again = program.run_with(&["-i", "-", "--json"], ORDER);
        assert_eq!(again.code, 0, "{signal}: {}", again.err);
        assert_eq!(again.json()["by_status"]["Fulfilled"], 1, "{signal}");
    }
}

#[test]
fn a_second_program_on_the_same_file_is_refused() {
    let program = Program::new();
    let (child, input, mut log) = waiting_for_more(&program);
    let second = program.run(&["-i", "-"]);
    assert_eq!(second.code, 1);
    assert!(second.err.contains("another engine runs on"), "{}", second.err);
    let rest = std::thread::spawn(move || std::io::read_to_string(&mut log).unwrap());
    drop(input);
    assert_eq!(Ran::of(child.wait_with_output().unwrap()).code, 3);
    rest.join().unwrap();
}
