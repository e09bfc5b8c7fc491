//! The program of the database guide (`docs/database.md`): two steps, on whichever database a connection string names.
//!
//! `DATABASE_URL=mysql://user:password@localhost/workflow_db cargo run -p example-task-processor`

use std::time::Duration;

use serde::{Deserialize, Serialize};
use workflow::config::PoolOptions;
use workflow::prelude::*;

#[derive(Status, Clone, Copy, Debug, PartialEq)]
enum TaskStatus {
    Created = 1,
    Processed = 2,
    Completed = 3,
}
use TaskStatus::{Completed, Created, Processed};

#[derive(Serialize, Deserialize)]
struct Task {
    name: String,
}

async fn process(run: &mut Run<Task, TaskStatus>) -> Step<TaskStatus> {
    println!("processing: {}", run.object.name);
    Ok(Processed)
}

async fn complete(run: &mut Run<Task, TaskStatus>) -> Step<TaskStatus> {
    println!("completed: {}", run.object.name);
    Ok(Completed)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // 1. How the database is connected to, and with how many connections.
    let url = std::env::var("DATABASE_URL").map_err(|_| "DATABASE_URL names no database")?;
    let pool = PoolOptions::new()
        .max_open(25)
        .min_idle(5)
        .max_lifetime(Duration::from_secs(5 * 60))
        .idle_time(Duration::from_secs(60));
    let database = Database::options().pool(pool).connect(&url).await?;
    println!("connected to {}", database.place());

    // 2. What leads where.
    let tasks = Workflow::builder("task-processor")
        .step(Created, process, [Processed])
        .step(Processed, complete, [Completed])
        .build()?;

    // 3. Run it on the database, start a run, and wait for its end.
    let running = tasks.run(&database).await?;
    let run = running.trigger("task-1", Task { name: "Process Invoice".to_owned() }).await?;
    let done = running.wait_for(&run).finished().await?;
    println!("{} is {:?} in version {}", run, done.status(), done.version());

    running.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
