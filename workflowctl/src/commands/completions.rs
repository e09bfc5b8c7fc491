//! `completions`: what shells read.

use clap::CommandFactory;
use clap_complete::generate;
use clap_complete::shells;
use serde::Serialize;

use super::Answer;
use crate::args::{Cli, CompletionsArgs, Shell};
use crate::failure::Failure;
use crate::output::Output;

/// What a shell reads.
#[derive(Serialize)]
struct Completions {
    script: String,
}

pub(crate) fn run(args: &CompletionsArgs, output: &Output) -> Result<Answer, Failure> {
    let (mut command, mut script) = (Cli::command(), Vec::new());
    match args.shell {
        Shell::Bash => generate(shells::Bash, &mut command, "workflowctl", &mut script),
        Shell::Zsh => generate(shells::Zsh, &mut command, "workflowctl", &mut script),
        Shell::Fish => generate(shells::Fish, &mut command, "workflowctl", &mut script),
    }
    let script = String::from_utf8_lossy(&script).into_owned();
    output.show(&Completions { script }, |completions| completions.script.clone())?;
    Ok(Answer::Done)
}
