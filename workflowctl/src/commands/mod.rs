//! What each command does.

mod completions;
mod doctor;
mod expiring;
mod letters;
mod migrate;
mod operate;
mod outbox;
mod records;
mod roles;
mod runs;
mod schema;
mod sizes;
mod topics;

use crate::args::{Cli, Command, OutboxCommand, RunsCommand};
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::Settings;
use operate::Wish;

/// How a command ended that could be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// All is as it should be.
    Done,
    /// Something was refused, is missing, is left over or needs attention.
    Findings,
    /// What was to be looked at could not be, which the output says.
    CouldNotCheck,
}

impl Answer {
    pub(crate) fn unless(findings: bool) -> Self {
        if findings { Answer::Findings } else { Answer::Done }
    }
}

/// Does what the command line asks for.
pub(crate) async fn run(cli: Cli, output: &Output) -> Result<Answer, Failure> {
    let settings = || Settings::resolve(&cli.global);
    match cli.command {
        Command::Doctor(args) => doctor::run(&args, &settings()?, output).await,
        Command::Migrate(args) => migrate::run(&args, &settings()?, output).await,
        Command::Schema(args) => schema::run(&args, &cli.global, output),
        Command::Archive(args) => expiring::archive(&args, &settings()?, output).await,
        Command::PruneHistory(args) => expiring::prune(&args, &settings()?, output).await,
        Command::Outbox(OutboxCommand::Status) => outbox::status(&settings()?, output).await,
        Command::Outbox(OutboxCommand::DeadLetters(command)) => {
            letters::run(command, &settings()?, output).await
        }
        Command::Sizes => sizes::run(&settings()?, output).await,
        Command::Runs(command) => about_runs(command, &settings()?, output).await,
        Command::Roles(args) => roles::run(&args, &cli.global, output).await,
        Command::Topics(command) => topics::run(command, &cli.global, output).await,
        Command::Completions(args) => completions::run(&args, output),
    }
}

async fn about_runs(command: RunsCommand, settings: &Settings, output: &Output) -> Result<Answer, Failure> {
    match command {
        RunsCommand::List(args) => runs::list(&args, settings, output).await,
        RunsCommand::Show(args) => runs::show(&args, settings, output).await,
        RunsCommand::History(args) => runs::history(&args, settings, output).await,
        RunsCommand::Trigger(args) => operate::trigger(&args, settings, output).await,
        RunsCommand::Pause(args) => operate::act(Wish::Pause(&args), settings, output).await,
        RunsCommand::Resume(args) => operate::act(Wish::Resume(&args), settings, output).await,
        RunsCommand::Cancel(args) => operate::act(Wish::Cancel(&args), settings, output).await,
        RunsCommand::DeleteData(args) => operate::act(Wish::DeleteData(&args), settings, output).await,
        RunsCommand::Retry(args) => operate::retry(&args, settings, output).await,
    }
}
