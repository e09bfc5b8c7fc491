//! `topics`: made, listed, described, and how far groups are behind.

use serde::Serialize;
use streamer_kafka::{Created, TopicDescription, Topics};
use workflow_core::{GroupName, Namespace, RunState, StatusCode, Topic, WorkflowName};

use super::Answer;
use crate::args::{CreateArgs, Global, LagArgs, TopicArgs, TopicsCommand};
use crate::failure::{Failure, Problems};
use crate::output::{Column, Output, count, note, of, table};
use crate::servers;

/// A topic, and the groups that a workflow may read it by.
struct Wanted {
    topic: Topic,
    groups: Vec<GroupName>,
}

pub(crate) async fn run(command: TopicsCommand, global: &Global, output: &Output) -> Result<Answer, Failure> {
    match command {
        TopicsCommand::Create(args) => create(&args, global, output).await,
        TopicsCommand::List(args) => list(&args, global, output).await,
        TopicsCommand::Describe(args) => describe(&args, global, output).await,
        TopicsCommand::Lag(args) => lag(&args, global, output).await,
    }
}

/// What became of a topic.
#[derive(Serialize)]
struct Made {
    topic: String,
    /// Whether it was made now.
    made: bool,
}

async fn create(args: &CreateArgs, global: &Global, output: &Output) -> Result<Answer, Failure> {
    let partitions = args.partitions.map(|number| ("partitions", i64::from(number)));
    let replication = args.replication.map(|number| ("replication", i64::from(number)));
    let more: Vec<_> = partitions.into_iter().chain(replication).collect();
    if args.topics.names.is_empty() && args.topics.statuses.is_empty() {
        return refuse("topics", "name them, or give --workflow and --statuses");
    }
    let topics = topics(&args.topics, global, &more)?;
    let mut made = Vec::new();
    for wanted in wanted(&args.topics, &topics).await? {
        let created = topics.create(&wanted.topic).await?;
        made.push(Made { topic: wanted.topic.to_string(), made: created == Created::Made });
    }
    output.show(&made, |made| {
        let line = |one: &Made| format!("{}: {}\n", one.topic, if one.made { "made" } else { "was there" });
        made.iter().map(line).collect()
    })?;
    Ok(Answer::Done)
}

/// Topics, by name.
#[derive(Serialize)]
struct Listed {
    topics: Vec<Counted>,
}

#[derive(Serialize)]
struct Counted {
    topic: String,
    partitions: usize,
}

async fn list(args: &TopicArgs, global: &Global, output: &Output) -> Result<Answer, Failure> {
    let topics = topics(args, global, &[])?;
    let all = topics.list().await?;
    let chosen = wanted(args, &topics).await?;
    let is_chosen = |topic: &Topic| {
        (args.names.is_empty() && args.workflow.is_none()) || chosen.iter().any(|one| one.topic == *topic)
    };
    let shown = all.into_iter().filter(|(topic, _)| is_chosen(topic));
    let topics = shown.map(|(topic, partitions)| Counted { topic: topic.to_string(), partitions }).collect();
    output.show(&Listed { topics }, |listed| {
        let row = |one: &Counted| vec![one.topic.clone(), one.partitions.to_string()];
        let rows: Vec<_> = listed.topics.iter().map(row).collect();
        table(&[Column::Text("TOPIC"), Column::Number("PARTITIONS")], &rows)
    })?;
    Ok(Answer::Done)
}

/// One partition.
#[derive(Serialize)]
struct Partition {
    topic: String,
    partition: u32,
    leader: Option<i32>,
    replicas: Vec<i32>,
    in_sync: Vec<i32>,
    oldest: u64,
    next: u64,
}

async fn describe(args: &TopicArgs, global: &Global, output: &Output) -> Result<Answer, Failure> {
    named(args)?;
    let topics = topics(args, global, &[])?;
    let (mut partitions, mut missing) = (Vec::new(), false);
    for wanted in wanted(args, &topics).await? {
        match topics.describe(&wanted.topic).await? {
            Some(found) => partitions.extend(described(found)),
            None => missing = tell_missing(&wanted.topic),
        }
    }
    output.show(&partitions, |partitions| {
        let columns = [
            Column::Text("TOPIC"),
            Column::Number("PARTITION"),
            Column::Number("LEADER"),
            Column::Text("REPLICAS"),
            Column::Text("IN SYNC"),
            Column::Number("OLDEST"),
            Column::Number("NEXT"),
        ];
        let ids = |ids: &[i32]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let row = |one: &Partition| {
            let leader = one.leader.map_or("-".to_owned(), |leader| leader.to_string());
            let place = [one.topic.clone(), one.partition.to_string(), leader];
            let kept = [ids(&one.replicas), ids(&one.in_sync), one.oldest.to_string(), one.next.to_string()];
            place.into_iter().chain(kept).collect()
        };
        table(&columns, &partitions.iter().map(row).collect::<Vec<Vec<_>>>())
    })?;
    Ok(Answer::unless(missing))
}

fn described(found: TopicDescription) -> impl Iterator<Item = Partition> {
    let topic = found.topic.to_string();
    found.partitions.into_iter().map(move |one| Partition {
        topic: topic.clone(),
        partition: one.partition,
        leader: one.leader,
        replicas: one.replicas,
        in_sync: one.in_sync,
        oldest: one.oldest,
        next: one.next,
    })
}

/// How far groups are behind.
#[derive(Serialize)]
struct Lags {
    /// All of it.
    events: u64,
    partitions: Vec<Lag>,
}

#[derive(Serialize)]
struct Lag {
    topic: String,
    group: String,
    partition: u32,
    committed: Option<u64>,
    next: u64,
    events: u64,
}

async fn lag(args: &LagArgs, global: &Global, output: &Output) -> Result<Answer, Failure> {
    named(&args.topics)?;
    if args.topics.workflow.is_none() && args.groups.is_empty() {
        return refuse("--group", "name the groups of topics that are not a workflow's");
    }
    let topics = topics(&args.topics, global, &[])?;
    let (mut lags, mut missing) = (Vec::new(), false);
    for Wanted { topic, groups } in wanted(&args.topics, &topics).await? {
        let is_asked = !args.groups.is_empty();
        let known: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
        let asked = args.groups.iter().map(String::as_str).collect();
        for group in if is_asked { asked } else { known } {
            let Some(found) = topics.lag(&topic, group).await? else {
                missing = tell_missing(&topic);
                break;
            };
            if is_asked || found.iter().any(|one| one.committed.is_some()) {
                lags.extend(found.into_iter().map(|one| Lag {
                    topic: topic.to_string(),
                    group: group.to_owned(),
                    partition: one.partition,
                    committed: one.committed,
                    next: one.next,
                    events: one.events(),
                }));
            }
        }
    }
    let lags = Lags { events: lags.iter().map(|lag| lag.events).sum(), partitions: lags };
    output.show(&lags, human_lags)?;
    Ok(Answer::unless(missing))
}

fn human_lags(lags: &Lags) -> String {
    if lags.partitions.is_empty() {
        return "no group has committed anything\n".to_owned();
    }
    let columns = [
        Column::Text("TOPIC"),
        Column::Text("GROUP"),
        Column::Number("PARTITION"),
        Column::Number("COMMITTED"),
        Column::Number("NEXT"),
        Column::Number("EVENTS"),
    ];
    let row = |one: &Lag| {
        let committed = one.committed.map_or("-".to_owned(), |at| at.to_string());
        let place = [one.topic.clone(), one.group.clone(), one.partition.to_string()];
        place.into_iter().chain([committed, one.next.to_string(), count(one.events)]).collect()
    };
    let rows: Vec<Vec<_>> = lags.partitions.iter().map(row).collect();
    format!("{}\n{} before the groups\n", table(&columns, &rows), of(lags.events, "event", "events"))
}

fn topics(args: &TopicArgs, global: &Global, more: &[(&str, i64)]) -> Result<Topics, Failure> {
    let config = servers::kafka(global, &args.kafka, more)?;
    Topics::new(config).or_else(|errors| refuse("kafka", &errors.to_string()))
}

fn refuse<V>(place: &str, problem: &str) -> Result<V, Failure> {
    let mut problems = Problems::default();
    problems.add(place, problem);
    problems.or(None)
}

fn named(args: &TopicArgs) -> Result<(), Failure> {
    if args.names.is_empty() && args.workflow.is_none() {
        return refuse("topics", "name them, or give --workflow");
    }
    Ok(())
}

fn tell_missing(topic: &Topic) -> bool {
    note(&format!("there is no topic {topic}"));
    true
}

/// The topics that are named; or those of a workflow, of the statuses that are given or that have a topic.
async fn wanted(args: &TopicArgs, topics: &Topics) -> Result<Vec<Wanted>, Failure> {
    let Some(workflow) = &args.workflow else {
        let plain = |name: &String| Wanted { topic: Topic::new(name.as_str()), groups: Vec::new() };
        return Ok(args.names.iter().map(plain).collect());
    };
    let namespace = args.namespace.clone().unwrap_or(Namespace::NONE);
    let mut statuses = args.statuses.clone();
    if statuses.is_empty() {
        for (topic, _) in topics.list().await? {
            statuses.extend(status_of(&topic, workflow, &namespace));
        }
        statuses.sort();
    }
    let mut wanted: Vec<Wanted> = statuses.into_iter().map(|status| of_status(workflow, status)).collect();
    let hook = |state| GroupName::of_hook(workflow, state);
    let ended = [RunState::Paused, RunState::Cancelled, RunState::Completed, RunState::DataDeleted];
    wanted.push(Wanted {
        topic: Topic::of_run_state_changes(workflow),
        groups: ended.into_iter().map(hook).collect(),
    });
    let groups = vec![GroupName::of_deletions(workflow), hook(RunState::RequestedDataDeleted)];
    wanted.push(Wanted { topic: Topic::of_deletions(workflow), groups });
    let within = |one: Wanted| Wanted {
        topic: one.topic.within(&namespace),
        groups: one.groups.into_iter().map(|group| group.within(&namespace)).collect(),
    };
    Ok(wanted.into_iter().map(within).collect())
}

fn of_status(workflow: &WorkflowName, status: StatusCode) -> Wanted {
    let groups = vec![
        GroupName::of_step(workflow, status),
        GroupName::of_inbox(workflow, status),
        GroupName::of_timeout_inserter(workflow, status),
    ];
    Wanted { topic: Topic::of_status(workflow, status), groups }
}

/// The status whose topic it is, if it is one of the workflow's.
fn status_of(topic: &Topic, workflow: &WorkflowName, namespace: &Namespace) -> Option<StatusCode> {
    let (_, number) = topic.as_str().rsplit_once('-')?;
    let status = StatusCode::new(number.parse().ok()?).ok()?;
    (Topic::of_status(workflow, status).within(namespace) == *topic).then_some(status)
}
