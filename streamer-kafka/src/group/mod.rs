//! One consumer group of one topic in this process: a client that all receivers of the group share, with the union of
//! their partitions.
//!
//! The client subscribes to nothing and the group has no members: roles say who reads. A task owns the client; it hands
//! messages to the receivers by partition, commits what they have settled, and looks now and then whether the topic has
//! grown or a stranger has joined the group.

mod actor;
mod state;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::{Notify, mpsc, oneshot};
use workflow_core::adapter::{BackendError, Generation, Position, StartAt};
use workflow_core::{GroupName, Topic};

use crate::client::{Context, Kept};
use crate::cluster::{Cluster, blocking, committed, lock, number};
use crate::error::{failed, not_run};
pub(crate) use state::State;

pub(crate) type Client = Arc<Kept<StreamConsumer<Context>>>;

/// What becomes of a message before it is handed to a receiver.
pub(crate) type Decode<M> = Box<dyn FnMut(&BorrowedMessage<'_>) -> M + Send>;

/// A partition, and where its owner is in it.
pub(super) type At = (u32, u64);

pub(crate) struct Shared<M> {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) topic: Topic,
    pub(crate) group: GroupName,
    pub(crate) start: StartAt,
    pub(super) state: std::sync::Mutex<State<M>>,
    /// A receiver that was full has room again.
    pub(super) room: Notify,
}

enum Command {
    Take {
        receiver: u64,
        partitions: Vec<u32>,
        generation: Generation,
        reply: oneshot::Sender<Result<Taken, BackendError>>,
    },
    Start {
        receiver: u64,
        generation: Generation,
        starts: Vec<Start>,
        reply: oneshot::Sender<Result<(), BackendError>>,
    },
    Release {
        receiver: u64,
        reply: oneshot::Sender<(Option<Client>, Vec<At>)>,
    },
    Leave {
        receiver: u64,
    },
}

/// Partitions that have changed hands; nothing is read of them yet.
struct Taken {
    client: Client,
    /// Where owners in this process were in them.
    known: Vec<At>,
    /// Where the receiver was in those that it has no more.
    left: Vec<At>,
}

/// Where reading of a partition starts; `None` is the oldest message, wherever that is.
struct Start {
    partition: u32,
    at: Option<u64>,
}

/// Opens receivers of one group.
pub(crate) struct Group<M: Send + 'static> {
    shared: Arc<Shared<M>>,
    commands: mpsc::UnboundedSender<Command>,
    receivers: AtomicU64,
}

impl<M: Send + 'static> Group<M> {
    pub(crate) fn new(
        cluster: &Arc<Cluster>,
        topic: &Topic,
        group: &GroupName,
        start: StartAt,
        decode: Decode<M>,
    ) -> Arc<Self> {
        let shared = Arc::new(Shared {
            cluster: Arc::clone(cluster),
            topic: topic.clone(),
            group: group.clone(),
            start,
            state: std::sync::Mutex::new(State::default()),
            room: Notify::new(),
        });
        // Each receiver has one command under way at most.
        let (commands, received) = mpsc::unbounded_channel();
        tokio::spawn(actor::Actor::new(Arc::clone(&shared), decode).run(received));
        Arc::new(Self { shared, commands, receivers: AtomicU64::new(0) })
    }

    pub(crate) fn open(self: &Arc<Self>) -> GroupReceiver<M> {
        let id = self.receivers.fetch_add(1, Ordering::Relaxed);
        let wake = lock(&self.shared.state).open(id);
        GroupReceiver { group: Arc::clone(self), id, wake, generation: Generation(0) }
    }

    async fn ask<V>(&self, command: impl FnOnce(oneshot::Sender<V>) -> Command) -> Result<V, BackendError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(command(reply));
        sent.map_err(|_| not_run("the consumer of a topic"))?;
        answer.await.map_err(|_| not_run("the consumer of a topic"))
    }
}

/// What one receiver of a group does.
pub(crate) struct GroupReceiver<M: Send + 'static> {
    group: Arc<Group<M>>,
    id: u64,
    wake: Arc<Notify>,
    generation: Generation,
}

impl<M: Send + 'static> GroupReceiver<M> {
    /// Takes over partitions: from whoever has them in this process, else from where the group has committed.
    pub(crate) async fn assign(
        &mut self,
        partitions: Vec<u32>,
        generation: Generation,
    ) -> Result<(), BackendError> {
        self.generation = generation;
        let assigned = self.take_over(partitions, generation).await;
        if assigned.is_err() {
            self.release().await?;
        }
        assigned
    }

    async fn take_over(&self, partitions: Vec<u32>, generation: Generation) -> Result<(), BackendError> {
        let shared = &self.group.shared;
        let groups = watch::Groups::of(shared).await?;
        groups.refuse_strangers(&shared.group)?;
        let receiver = self.id;
        let asked = partitions.clone();
        let taken = self
            .group
            .ask(|reply| Command::Take { receiver, partitions: asked, generation, reply })
            .await??;
        let starts = starts(shared, &taken, partitions, &groups).await?;
        // What is committed again does not expire while the topic is quiet, and heals what an owner before has rewound.
        let mut positions: Vec<At> =
            starts.iter().filter_map(|start| Some((start.partition, start.at?))).collect();
        positions.extend(taken.left);
        commit(shared, taken.client, positions).await?;
        self.group.ask(|reply| Command::Start { receiver, generation, starts, reply }).await?
    }

    /// Waits for messages; gives at least one and at most `max`.
    pub(crate) async fn next(&self, max: usize) -> Result<Vec<(Position, M)>, BackendError> {
        loop {
            let taken = lock(&self.group.shared.state).take(self.id, max)?;
            if taken.has_room {
                self.group.shared.room.notify_one();
            }
            if !taken.messages.is_empty() {
                return Ok(taken.messages);
            }
            self.wake.notified().await;
        }
    }

    /// Marks messages as dealt with, unless they were delivered under another generation.
    pub(crate) fn settle(&self, positions: &[Position], generation: Generation) {
        if generation == self.generation {
            lock(&self.group.shared.state).settle(self.id, positions, generation);
        }
    }

    /// Gives its partitions back, with what is settled of them committed.
    pub(crate) async fn release(&self) -> Result<(), BackendError> {
        let receiver = self.id;
        match self.group.ask(|reply| Command::Release { receiver, reply }).await? {
            (Some(client), positions) => commit(&self.group.shared, client, positions).await,
            (None, _) => Ok(()),
        }
    }
}

impl<M: Send + 'static> Drop for GroupReceiver<M> {
    fn drop(&mut self) {
        // Without the task nobody reads, and nothing is to be given back.
        let _ = self.group.commands.send(Command::Leave { receiver: self.id });
    }
}

/// Where reading of each partition starts: where this process knows that it was left, else where the group has committed,
/// else where the Go library's groups of the same process are, else where the receiver wants it.
async fn starts<M: Send + 'static>(
    shared: &Arc<Shared<M>>,
    taken: &Taken,
    partitions: Vec<u32>,
    groups: &watch::Groups,
) -> Result<Vec<Start>, BackendError> {
    let known =
        |partition: &u32| taken.known.iter().find(|(number, _)| number == partition).map(|(_, at)| *at);
    let mut starts: Vec<Start> =
        partitions.iter().map(|partition| Start { partition: *partition, at: known(partition) }).collect();
    fill(&mut starts, async |missing| {
        let (client, asked) = (Arc::clone(&taken.client), Arc::clone(shared));
        blocking("committed offsets", move || {
            let patience = asked.cluster.config.request();
            committed(&**client, asked.group.as_str(), &asked.topic, &missing, patience)
        })
        .await
    })
    .await?;
    fill(&mut starts, async |missing| groups.lowest_of_originals(shared, missing).await).await?;
    if shared.start == StartAt::Latest {
        fill(&mut starts, async |missing| {
            let ends = shared.cluster.ends(&shared.topic, missing).await?;
            Ok(ends.into_iter().map(|(_, next)| Some(next)).collect())
        })
        .await?;
    }
    Ok(starts)
}

/// Asks for the starts that are not known yet.
async fn fill(
    starts: &mut [Start],
    ask: impl AsyncFnOnce(Vec<u32>) -> Result<Vec<Option<u64>>, BackendError>,
) -> Result<(), BackendError> {
    let missing: Vec<u32> =
        starts.iter().filter(|start| start.at.is_none()).map(|start| start.partition).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let answers = ask(missing).await?;
    let unknown = starts.iter_mut().filter(|start| start.at.is_none());
    unknown.zip(answers).for_each(|(start, answer)| start.at = answer);
    Ok(())
}

/// Commits positions and waits; the client bounds how long that takes.
async fn commit<M: Send + 'static>(
    shared: &Arc<Shared<M>>,
    client: Client,
    positions: Vec<At>,
) -> Result<(), BackendError> {
    if positions.is_empty() {
        return Ok(());
    }
    let (patience, asked) = (shared.cluster.config.request(), Arc::clone(shared));
    let answer = on_its_own(move || commit_now(&asked, &client, &positions));
    let committed = tokio::time::timeout(patience, answer).await;
    committed
        .unwrap_or(Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::OperationTimedOut)))
        .map_err(|error| not_committed(shared, error))
}

/// Runs a commit on a thread that nobody joins: librdkafka waits in it for as long as no broker answers, and a runtime
/// cannot end before its own threads have.
pub(super) async fn on_its_own(
    call: impl FnOnce() -> Result<(), KafkaError> + Send + 'static,
) -> Result<(), KafkaError> {
    let (sender, answer) = oneshot::channel();
    let run = move || {
        // Whoever waited may have given up.
        let _ = sender.send(call());
    };
    if std::thread::Builder::new().name("kafka-commit".into()).spawn(run).is_err() {
        return Err(KafkaError::Canceled);
    }
    answer.await.unwrap_or(Err(KafkaError::Canceled))
}

fn not_committed<M>(shared: &Shared<M>, error: KafkaError) -> BackendError {
    let (group, topic) = (&shared.group, &shared.topic);
    failed(format!("what group {group} has settled of topic {topic} cannot be committed"), error)
}

fn commit_now<M>(shared: &Shared<M>, client: &Client, positions: &[At]) -> Result<(), KafkaError> {
    let list = list(&shared.topic, positions.iter().map(|(partition, at)| (*partition, offset(Some(*at)))))?;
    client.commit(&list, CommitMode::Sync)
}

fn list(
    topic: &Topic,
    partitions: impl IntoIterator<Item = (u32, Offset)>,
) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in partitions {
        list.add_partition_offset(topic.as_str(), number(partition), offset)?;
    }
    Ok(list)
}

fn offset(at: Option<u64>) -> Offset {
    at.map_or(Offset::Beginning, |at| Offset::Offset(i64::try_from(at).unwrap_or(i64::MAX)))
}
