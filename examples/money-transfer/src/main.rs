//! Moves money between accounts, exactly once each time: kill it at any moment, start it again, and look at the sum.

use clap::Parser;
use money_transfer::accounts::Accounts;
use money_transfer::transfer::make;
use workflow::config::Dsn;
use workflow::prelude::*;

/// How many transfers may be under way at once.
const IN_FLIGHT: usize = 256;

/// Moves money between four accounts, in the transactions of the transfers' runs.
#[derive(Parser)]
struct Args {
    /// The database, as `sqlite:money.db`, `mysql://user:password@host/database` or `postgres://..`
    #[arg(short, long, default_value = "sqlite:money.db")]
    database: String,

    /// How many transfers there are to be, with those of earlier times
    #[arg(short, long, default_value_t = 200)]
    transfers: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let dsn: Dsn = args.database.parse()?;
    let database = Database::options().connect_to(&dsn).await?;
    let mut accounts = Accounts::open(&dsn).await?;
    println!("before, with {} transfers booked", accounts.booked().await?);
    show(&mut accounts).await?;
    make(database, args.transfers, IN_FLIGHT).await?;
    println!("after, with {} transfers booked", accounts.booked().await?);
    show(&mut accounts).await
}

async fn show(accounts: &mut Accounts) -> anyhow::Result<()> {
    let balances = accounts.balances().await?;
    for (name, cents) in &balances {
        println!("  {name:<6} {:>8}", in_units(*cents));
    }
    let sum = balances.iter().map(|(_, cents)| cents).sum();
    println!("  {:<6} {:>8}", "sum", in_units(sum));
    Ok(())
}

fn in_units(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
