//! The task that owns the client of a group.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::BorrowedMessage;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use workflow_core::adapter::{BackendError, ErrorKind, Generation};

use super::state::{Positions, Received};
use super::watch::{self, Change};
use super::{
    At, Client, Command, Decode, Shared, Start, Taken, commit_now, list, not_committed, offset, on_its_own,
};
use crate::client::{Context, Kept};
use crate::cluster::lock;
use crate::error::{failed, is_missing, missing_topic};
use crate::wire::position_of;

/// How often what is settled is committed.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// How long a client stays when nothing is assigned: a role that comes back at once finds it warm.
const LINGER: Duration = Duration::from_secs(5);

/// How many messages are handed on together at most.
const BURST: usize = 512;

pub(super) struct Actor<M> {
    shared: Arc<Shared<M>>,
    decode: Decode<M>,
    client: Option<Client>,
    /// When the client goes, if nothing is assigned until then.
    idle_since: Option<Instant>,
    /// Commits and looks that are under way: one of each at most.
    jobs: JoinSet<Done>,
    committing: bool,
    looking: bool,
    /// How many partitions the topic had when the first of them was taken.
    partitions: Option<u32>,
}

/// What a job found.
enum Done {
    Commit(Vec<At>, Result<(), KafkaError>),
    Look(Result<Option<Change>, BackendError>),
}

impl<M: Send + 'static> Actor<M> {
    pub(super) fn new(shared: Arc<Shared<M>>, decode: Decode<M>) -> Self {
        Self {
            shared,
            decode,
            client: None,
            idle_since: None,
            jobs: JoinSet::new(),
            committing: false,
            looking: false,
            partitions: None,
        }
    }

    /// Works until the last receiver has gone.
    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let start = Instant::now();
        let watch_every = Duration::from_millis(self.shared.cluster.config.watch_interval_ms);
        let mut commit = interval_at(start + COMMIT_EVERY, COMMIT_EVERY);
        let mut look = interval_at(start + watch_every, watch_every);
        commit.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shared = Arc::clone(&self.shared);
        loop {
            let client = self.client.clone();
            let reads = client.is_some();
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => break,
                },
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => self.done(done.ok()),
                () = shared.room.notified(), if reads => self.resume(),
                _ = commit.tick(), if reads => self.commit(),
                _ = look.tick(), if reads => self.look_again(),
                () = until(self.idle_since), if reads => self.client = None,
                message = receive(client.as_ref()), if reads => self.received(message, client.as_ref()),
            }
        }
        let patience = self.shared.cluster.config.close();
        let last = async {
            while let Some(done) = self.jobs.join_next().await {
                self.done(done.ok());
            }
        };
        if tokio::time::timeout(patience, last).await.is_err() {
            tracing::warn!("what was settled last could not be committed before the end");
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Take { receiver, partitions, generation, reply } => {
                // Whoever asked and has gone sends `Leave`.
                let _ = reply.send(self.take(receiver, &partitions, generation));
            }
            Command::Start { receiver, generation, starts, reply } => {
                let _ = reply.send(self.start(receiver, generation, &starts));
            }
            Command::Release { receiver, reply } => {
                let positions = self.give_back(receiver);
                let _ = reply.send((self.client.clone(), positions));
            }
            Command::Leave { receiver } => {
                let positions = self.give_back(receiver);
                lock(&self.shared.state).close(receiver);
                self.commit_positions(positions);
            }
        }
        self.idle_since = match lock(&self.shared.state).is_idle() {
            true => self.idle_since.or_else(|| Some(Instant::now() + LINGER)),
            false => None,
        };
    }

    fn take(
        &mut self,
        receiver: u64,
        partitions: &[u32],
        generation: Generation,
    ) -> Result<Taken, BackendError> {
        let client = self.client()?;
        let (left, known, read) = {
            let mut state = lock(&self.shared.state);
            let (left, mut read) = state.give_back(receiver, partitions);
            let (known, more) = state.take_over(receiver, partitions, generation);
            read.extend(more);
            (left, known, read)
        };
        self.unread(&read);
        self.partitions = self.shared.cluster.known_partitions(&self.shared.topic);
        Ok(Taken { client, known, left })
    }

    /// The client, made when it is first wanted.
    fn client(&mut self) -> Result<Client, BackendError> {
        if let Some(client) = &self.client {
            return Ok(Arc::clone(client));
        }
        let Shared { cluster, group, start, .. } = &*self.shared;
        let context = Context(Arc::clone(&cluster.clients));
        let made: StreamConsumer<Context> = StreamConsumer::from_config_and_context(
            &cluster.config.consumer(group.as_str(), *start),
            context,
        )
        .map_err(|error| failed(format!("the Kafka consumer of group {group} cannot be made"), error))?;
        Ok(Arc::clone(self.client.insert(Arc::new(Kept::new(made, &cluster.clients)))))
    }

    fn start(&mut self, receiver: u64, generation: Generation, starts: &[Start]) -> Result<(), BackendError> {
        let what = || format!("topic {} cannot be read", self.shared.topic);
        let own: Vec<&Start> = {
            let mut state = lock(&self.shared.state);
            let own = |start: &&Start| state.start(receiver, generation, start.partition, start.at);
            starts.iter().filter(own).collect()
        };
        let Some(client) = self.client.as_ref().filter(|_| !own.is_empty()) else { return Ok(()) };
        let list = list(&self.shared.topic, own.iter().map(|start| (start.partition, offset(start.at))));
        let list = list.map_err(|error| failed(what(), error))?;
        client.incremental_assign(&list).map_err(|error| failed(what(), error))
    }

    fn give_back(&mut self, receiver: u64) -> Vec<At> {
        let (positions, read) = lock(&self.shared.state).give_back(receiver, &[]);
        self.unread(&read);
        positions
    }

    /// Partitions are no longer read. A pause would outlive that: whoever is given them next would wait for ever.
    fn unread(&self, partitions: &[u32]) {
        self.switch(partitions, "resume", |client, list| client.resume(list));
        self.switch(partitions, "unassign", |client, list| client.incremental_unassign(list));
    }

    fn resume(&mut self) {
        let partitions = lock(&self.shared.state).resumable();
        self.switch(&partitions, "resume", |client, list| client.resume(list));
    }

    fn switch(
        &self,
        partitions: &[u32],
        what: &str,
        call: impl Fn(&StreamConsumer<Context>, &rdkafka::TopicPartitionList) -> KafkaResult<()>,
    ) {
        let Some(client) = self.client.as_ref().filter(|_| !partitions.is_empty()) else { return };
        let all = partitions.iter().map(|partition| (*partition, rdkafka::Offset::Invalid));
        let called = list(&self.shared.topic, all).and_then(|list| call(client, &list));
        if let Err(error) = called {
            tracing::warn!(topic = %self.shared.topic, group = %self.shared.group, %error, what, "the client refused");
        }
    }

    /// Hands on a message, and those that are there with it.
    fn received(&mut self, first: KafkaResult<BorrowedMessage<'_>>, client: Option<&Client>) {
        let Some(client) = client else { return };
        let (mut burst, mut next) = (Vec::new(), Some(first));
        while let Some(message) = next {
            match message {
                Ok(message) => burst.push(Received {
                    position: position_of(&message),
                    bytes: message.payload_len() + message.key_len(),
                    message: (self.decode)(&message),
                }),
                Err(error) => {
                    self.failed(&error);
                    break;
                }
            }
            next = if burst.len() < BURST { client.recv().now_or_never() } else { None };
        }
        let dispatched = lock(&self.shared.state).dispatch(burst);
        match dispatched {
            Ok(full) => self.switch(&full, "pause", |client, list| client.pause(list)),
            Err(position) => {
                let (topic, partition, offset) = (&self.shared.topic, position.partition, position.offset);
                let context = format!(
                    "topic {topic}, partition {partition}, went back to offset {offset}: it was made again, or its log was cut"
                );
                self.end_all(&BackendError::new(ErrorKind::Transient, context), Positions::Void);
            }
        }
    }

    /// Most errors of a client end by themselves.
    fn failed(&mut self, error: &KafkaError) {
        self.shared.cluster.clients.met(error, "a consumer");
        if is_missing(error.rdkafka_error_code()) {
            let cluster = &self.shared.cluster;
            cluster.forget(&self.shared.topic);
            let error = missing_topic(&self.shared.topic, cluster.config.partitions);
            self.end_all(&error, Positions::Void);
        }
    }

    /// Every receiver begins again, and says why.
    fn end_all(&mut self, error: &BackendError, positions: Positions) {
        tracing::warn!(topic = %self.shared.topic, group = %self.shared.group, %error, "the readers begin again");
        let read = lock(&self.shared.state).end_all(error, positions);
        self.unread(&read);
    }

    fn commit(&mut self) {
        if !self.committing {
            let positions = lock(&self.shared.state).take_uncommitted();
            self.commit_positions(positions);
        }
    }

    fn commit_positions(&mut self, positions: Vec<At>) {
        let Some(client) = self.client.clone().filter(|_| !positions.is_empty()) else { return };
        self.committing = true;
        let shared = Arc::clone(&self.shared);
        self.jobs.spawn(async move {
            let named = positions.clone();
            let committed = on_its_own(move || commit_now(&shared, &client, &named)).await;
            Done::Commit(positions, committed)
        });
    }

    /// The minute's look: is everything still as it was? And all positions are committed once more.
    fn look_again(&mut self) {
        lock(&self.shared.state).commit_again(None);
        if !self.looking {
            self.looking = true;
            let (shared, partitions) = (Arc::clone(&self.shared), self.partitions);
            self.jobs.spawn(async move { Done::Look(watch::look(&shared, partitions).await) });
        }
    }

    fn done(&mut self, done: Option<Done>) {
        match done {
            Some(Done::Commit(_, Ok(()))) => self.committing = false,
            Some(Done::Commit(positions, Err(error))) => {
                self.committing = false;
                lock(&self.shared.state).commit_again(Some(&positions));
                match error.rdkafka_error_code() {
                    Some(Code::UnknownMemberId | Code::IllegalGeneration | Code::RebalanceInProgress) => {
                        self.end_all(&watch::has_members(&self.shared.group), Positions::Void);
                    }
                    _ => {
                        let error = not_committed(&self.shared, error);
                        tracing::warn!(error = %error, "it is committed again in a moment");
                    }
                }
            }
            Some(Done::Look(found)) => {
                self.looking = false;
                match found {
                    Ok(None) => {}
                    Ok(Some(Change::Void(error))) => self.end_all(&error, Positions::Void),
                    Ok(Some(Change::Grown(error))) => self.end_all(&error, Positions::Hold),
                    Err(error) => tracing::warn!(%error, "the group and its topic cannot be looked at now"),
                }
            }
            // A job panicked or was aborted with the runtime.
            None => (self.committing, self.looking) = (false, false),
        }
    }
}

async fn receive(client: Option<&Client>) -> KafkaResult<BorrowedMessage<'_>> {
    match client {
        Some(client) => client.recv().await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
