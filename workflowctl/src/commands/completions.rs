//! `completions`: what shells read.

use clap::CommandFactory;
use clap_complete::generate;
use clap_complete::shells;

use super::Answer;
use crate::args::{Cli, CompletionsArgs, Shell};
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(args: &CompletionsArgs, output: &Output) -> Result<Answer, Failure> {
    let (mut command, mut script) = (Cli::command(), Vec::new());
    match args.shell {
        Shell::Bash => generate(shells::Bash, &mut command, "workflowctl", &mut script),
        Shell::Zsh => generate(shells::Zsh, &mut command, "workflowctl", &mut script),
        Shell::Fish => generate(shells::Fish, &mut command, "workflowctl", &mut script),
    }
    output.raw(&script)?;
    Ok(Answer::Done)
}
