//! What stands on the command line, and what shells make of it.

use std::io::Read;
use std::process::Stdio;

use crate::place::{Answer, Place, ctl};

/// Every command, as the help names them.
const COMMANDS: [&[&str]; 23] = [
    &["migrate"],
    &["schema"],
    &["archive"],
    &["prune-history"],
    &["outbox", "status"],
    &["outbox", "dead-letters", "list"],
    &["outbox", "dead-letters", "requeue"],
    &["outbox", "dead-letters", "discard"],
    &["sizes"],
    &["runs", "list"],
    &["runs", "show"],
    &["runs", "trigger"],
    &["runs", "pause"],
    &["runs", "resume"],
    &["runs", "cancel"],
    &["runs", "delete-data"],
    &["runs", "retry"],
    &["roles"],
    &["topics", "create"],
    &["topics", "list"],
    &["topics", "describe"],
    &["topics", "lag"],
    &["completions"],
];

fn run(args: &[&str]) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    Answer::of(&ctl(folder.path(), args).output().unwrap())
}

#[test]
fn every_command_has_help_with_examples() {
    for command in COMMANDS.into_iter().chain([&["runs", "history"][..]]) {
        let answer = run(&[command, &["--help"]].concat()).ended(0);
        let example = format!("workflowctl {}", command.join(" "));
        let examples = answer.out.split("Examples:").nth(1).unwrap_or_else(|| panic!("{command:?} has none"));
        assert!(examples.contains(&example), "{}", answer.out);
        assert!(
            answer.out.contains("--json") && answer.out.contains("WORKFLOW_DATABASE_URL"),
            "{}",
            answer.out
        );
    }
    let help = run(&["--help"]).ended(0).out;
    assert!(help.contains("Exit codes:") && help.contains("workflowctl.toml"), "{help}");
}

#[test]
fn help_prints_no_settings() {
    let folder = tempfile::tempdir().unwrap();
    let mut help = ctl(folder.path(), &["sizes", "--help"]);
    let answer = Answer::of(&help.env("WORKFLOW_DATABASE_URL", "mysql://a:hunter2@b/c").output().unwrap());
    assert!(!answer.ended(0).all().contains("hunter2"));
}

#[test]
fn completions_are_made_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]).ended(0).out;
        assert!(script.contains("dead-letters") && script.contains("older-than"), "{shell}: {script}");
        assert_eq!(run(&["completions", shell, "--json"]).ended(0).json()["script"], script);
    }
    assert!(run(&["completions", "tcsh"]).ended(2).error.contains("bash"));
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let cases: [(&[&str], &str); 20] = [
        (&[], "Usage"),
        (&["archive"], "--older-than"),
        (&["archive", "--older-than", "-3d"], "never negative"),
        (&["archive", "--older-than", "3"], "unit is missing"),
        (&["archive", "--older-than", "3d", "--state", "gone"], "no such run state"),
        (&["archive", "--older-than", "3d", "--state", "paused"], "have not ended"),
        (&["archive", "--older-than", "3d", "--state", "requested-data-deleted"], "still to be deleted"),
        (&["archive", "--older-than", "3d", "--into", "a'; drop table b; --"], "small letters, digits"),
        (&["archive", "--older-than", "3d", "--into", "workflow_history"], "store's own tables"),
        (&["archive", "--older-than", "3d", "--batch", "0"], "from 1 to 10000"),
        (&["archive", "--older-than", "3d", "--rate", "-1"], "rate"),
        (&["runs", "list", "--status", "-1"], "from 1 to 2147483647"),
        (&["runs", "list", "--status", "99999999999"], "from 1 to 2147483647"),
        (&["runs", "list", "--status", "paid"], "from 1 to 2147483647"),
        (&["doctor", "--max-lifetime", "0s"], "at least 1s"),
        (&["doctor", "--object-bytes-max", "0"], "from 1 on"),
        (&["doctor", "--max-open", "0"], "--max-open"),
        (&["runs", "list", "--after", "o12"], "no token of this list"),
        (&["runs", "show", "order-17"], "a UUID"),
        (&["outbox", "dead-letters", "discard", "x", "--all"], "cannot be used with"),
    ];
    for (args, told) in cases {
        let answer = run(args).ended(2);
        assert!(answer.error.contains(told), "{args:?}: {}", answer.error);
        assert_eq!(answer.out, "", "{args:?}");
    }
}

#[tokio::test]
async fn who_stops_reading_ends_it_in_peace() {
    let place = Place::fresh().await;
    place.ended_runs(400).await;
    let mut command = place.command(&["runs", "list", "--limit", "1000", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 1];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let answer = Answer::of(&child.wait_with_output().unwrap()).ended(0);
    assert_eq!(answer.error, "");
}
