//! `doctor`: whether a database is fit to run workflows on, and what to change if it is not.

use store_sql::config::{Dsn, PoolOptions};
use store_sql::doctor::{DoctorOptions, Report, Verdict, examine};

use super::Answer;
use crate::args::DoctorArgs;
use crate::failure::Failure;
use crate::output::{Output, plain};
use crate::settings::Settings;

pub(crate) async fn run(args: &DoctorArgs, settings: &Settings, output: &Output) -> Result<Answer, Failure> {
    let report = examine(&settings.dsn, &options(args, settings)).await;
    output.show(&report, |report| human(report, &settings.dsn))?;
    Ok(match report.verdict() {
        Verdict::Healthy => Answer::Done,
        Verdict::Findings => Answer::Findings,
        Verdict::CouldNotCheck => Answer::CouldNotCheck,
    })
}

fn options(args: &DoctorArgs, settings: &Settings) -> DoctorOptions {
    let pool = PoolOptions::new().max_open(args.max_open.get()).max_lifetime(args.max_lifetime);
    let options = DoctorOptions::new()
        .tables(settings.tables.clone())
        .pool(pool)
        .processes(args.processes.get())
        .waiting_max(args.waiting_max)
        .quiet_max(args.quiet_max);
    let options = match args.object_bytes_max {
        Some(bytes) => options.object_bytes_max(bytes.get()),
        None => options,
    };
    if args.single_writer { options.single_writer() } else { options }
}

/// The report's own table, and of which database it is, without its password; what servers say must not steer a
/// terminal.
fn human(report: &Report, dsn: &Dsn) -> String {
    let text = format!("{report}database: {dsn}");
    text.lines().map(|line| plain(line) + "\n").collect()
}
