//! Reading the topics of the steps, all partitions, in a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use tokio::sync::mpsc::UnboundedSender;
use workflow::RunId;

use super::owner;
use super::producer::{TOPICS, full};
use crate::stack::PARTITIONS;

/// How long one look for a message may take.
const LOOK: Duration = Duration::from_millis(100);

/// Ends when it is dropped.
pub(crate) struct Consumer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Consumer {
    /// Gives the run of each event to the committer that holds it.
    pub(crate) fn open(
        brokers: &str,
        namespace: &str,
        committers: Vec<UnboundedSender<RunId>>,
    ) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("group.id", full(namespace, "limit"));
        config.set("enable.auto.commit", "true").set("socket.nagle.disable", "true");
        config.set("fetch.queue.backoff.ms", "20").set("queued.min.messages", "10000");
        let consumer: BaseConsumer = config.create()?;
        let mut partitions = TopicPartitionList::new();
        for topic in TOPICS.iter().take(3) {
            for partition in 0..i32::try_from(PARTITIONS)? {
                partitions.add_partition_offset(&full(namespace, topic), partition, Offset::Beginning)?;
            }
        }
        consumer.assign(&partitions)?;
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let read = move || {
            while !stopped.load(Ordering::Relaxed) {
                match consumer.poll(LOOK) {
                    Some(Ok(message)) => {
                        let Some(run_id) = message.key().and_then(run_id) else { continue };
                        // Nobody listens between two drives' ends and starts but the channels.
                        let _ = committers[owner(run_id)].send(run_id);
                    }
                    Some(Err(error)) => eprintln!("  the consumer: {error}"),
                    None => {}
                }
            }
        };
        let thread = std::thread::Builder::new().name("consumer".into()).spawn(read);
        Ok(Self { stop, thread: Some(thread.context("cannot start a thread")?) })
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A panic in it was told already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn run_id(key: &[u8]) -> Option<RunId> {
    std::str::from_utf8(key).ok()?.parse().ok()
}
