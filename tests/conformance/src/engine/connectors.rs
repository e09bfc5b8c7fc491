//! Events from elsewhere.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use workflow_core::adapter::{Backend, BackendError, BoxFuture, ConnectorEvent};
use workflow_core::testing::Kit;
use workflow_core::{
    Api, ConnectorReceiver, ConnectorSource, Error, GroupName, Options, Shard, StepError, fnv1a_32,
    retryable, terminal,
};

use super::{Desk, Office, Parcel, Place, Stage, close, pack, parcels, skip_until};

/// A foreign stream: what was not settled is given again to the next receiver of the shard.
#[derive(Clone, Default)]
struct Stream(Arc<Shared>);

#[derive(Default)]
struct Shared {
    events: Mutex<Vec<(ConnectorEvent, bool)>>,
    arrived: Notify,
}

impl Stream {
    fn put(&self, id: &str, key: &str) {
        let event = ConnectorEvent { id: id.into(), key: key.into(), ..ConnectorEvent::default() };
        self.0.events.lock().unwrap().push((event, false));
        self.0.arrived.notify_waiters();
    }

    fn unsettled(&self) -> usize {
        self.0.events.lock().unwrap().iter().filter(|(_, settled)| !settled).count()
    }
}

struct Receiver {
    stream: Stream,
    shard: Shard,
    given: VecDeque<String>,
}

impl ConnectorSource for Stream {
    fn open<'a>(
        &'a self,
        _: &'a Backend,
        _: &'a GroupName,
        shard: Shard,
    ) -> BoxFuture<'a, Result<Box<dyn ConnectorReceiver>, BackendError>> {
        let receiver = Receiver { stream: self.clone(), shard, given: VecDeque::new() };
        Box::pin(async move { Ok(Box::new(receiver) as Box<dyn ConnectorReceiver>) })
    }
}

impl ConnectorReceiver for Receiver {
    fn next_batch<'a>(&'a mut self, max: usize) -> BoxFuture<'a, Result<Vec<ConnectorEvent>, BackendError>> {
        Box::pin(async move {
            loop {
                let stream = self.stream.clone();
                let arrived = stream.0.arrived.notified();
                let batch: Vec<ConnectorEvent> = {
                    let events = self.stream.0.events.lock().unwrap();
                    let ours =
                        |event: &ConnectorEvent| self.shard.has_partition(fnv1a_32(event.key.as_bytes()));
                    let open = events.iter().filter(|(event, settled)| !settled && ours(event));
                    open.take(max).map(|(event, _)| event.clone()).collect()
                };
                if !batch.is_empty() {
                    self.given.extend(batch.iter().map(|event| event.id.clone()));
                    return Ok(batch);
                }
                arrived.await;
            }
        })
    }

    fn settle<'a>(&'a mut self) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(async move {
            for (event, settled) in self.stream.0.events.lock().unwrap().iter_mut() {
                *settled |= self.given.contains(&event.id);
            }
            self.given.clear();
            Ok(())
        })
    }
}

async fn order(api: &Api<Parcel, Stage>, event: &ConnectorEvent, desk: &Desk) -> Result<(), StepError> {
    desk.log(format!("take {}", event.id));
    tokio::task::yield_now().await;
    desk.work()?;
    match &*event.key {
        "nonsense" => return Err(terminal("there is no such parcel")),
        "panic" => panic!("the stream is on fire"),
        _ => {}
    }
    match api.trigger_once(&event.id, &event.id, Parcel::labelled(&event.key)).await {
        Ok(_) => Ok(()),
        Err(error) => Err(retryable(error)),
    }
}

async fn office(place: &Place, desk: &Desk, stream: &Stream, options: Options) -> (Kit, Office) {
    let flow =
        parcels().step(Stage::Placed, pack, [Stage::Packed]).connector("orders", stream.clone(), order);
    let kit = place.kit();
    let office = flow.with(options).state(desk.clone()).build().unwrap().run(&kit).await.unwrap();
    (kit, office)
}

async fn settled(kit: &Kit, stream: &Stream) {
    skip_until(kit, "a settled stream", async || stream.unsettled() == 0).await;
}

/// Whatever the number of shards, the one by default too, each event starts one run.
pub async fn no_event_is_lost_whatever_the_number_of_shards(place: Place) {
    for options in [Options::new(), Options::new().shards(3), Options::new().shards(7)] {
        let (desk, stream) = (Desk::new(), Stream::default());
        let name = format!("{options:?}").len();
        for number in 0..60 {
            stream.put(&format!("e-{name}-{number}-{}", options == Options::new()), &format!("key {number}"));
        }
        let (kit, office) = office(&place, &desk, &stream, options).await;
        settled(&kit, &stream).await;
        let events = stream.0.events.lock().unwrap().clone();
        for (event, _) in events {
            assert!(office.latest(&event.id).await.unwrap().is_some(), "{} is lost", event.id);
        }
        close(&kit, office).await;
    }
}

/// Events of one key keep their order, also over retries.
pub async fn events_of_one_key_keep_their_order(place: Place) {
    let (desk, stream) = (Desk::new(), Stream::default());
    for number in 0..5 {
        stream.put(&format!("e-{number}"), "one key");
    }
    desk.fail(3);
    let (kit, _office) = office(&place, &desk, &stream, Options::new()).await;
    settled(&kit, &stream).await;
    let mut lines: Vec<String> = desk.lines().into_iter().filter(|line| line.starts_with("take")).collect();
    lines.dedup();
    assert_eq!(lines, ["take e-0", "take e-1", "take e-2", "take e-3", "take e-4"]);
    assert_eq!(desk.count("take e-0"), 4);
}

/// An event that no attempt can take, or whose function panics, is set aside with the reason; the next ones are taken.
pub async fn an_event_that_cannot_be_taken_is_set_aside(place: Place) {
    let (desk, stream) = (Desk::new(), Stream::default());
    stream.put("e-1", "nonsense");
    stream.put("e-2", "panic");
    stream.put("e-3", "sense");
    let (kit, office) = office(&place, &desk, &stream, Options::new().pause_after(2)).await;
    settled(&kit, &stream).await;
    let letters = office.dead_letters(9).await.unwrap();
    let mut reasons: Vec<&str> = letters.iter().map(|letter| &*letter.reason).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["the function panicked: the stream is on fire", "there is no such parcel"]);
    assert_eq!((desk.count("take e-1"), desk.count("take e-2")), (1, 2));
    assert!(office.latest("e-3").await.unwrap().is_some());
}

/// What was not settled when the process ended is taken again, and starts no second run.
pub async fn an_event_that_is_taken_again_starts_no_second_run(place: Place) {
    let (desk, stream) = (Desk::new(), Stream::default());
    for _ in 0..2 {
        let (kit, office) = office(&place, &desk, &stream, Options::new()).await;
        if stream.0.events.lock().unwrap().is_empty() {
            stream.put("e-1", "key");
        }
        settled(&kit, &stream).await;
        let run = office.latest("e-1").await.unwrap().unwrap().id();
        kit.finish(&office, &run).await.unwrap();
        // As if the settlement had been lost.
        stream.0.events.lock().unwrap()[0].1 = false;
        close(&kit, office).await;
    }
    assert_eq!(desk.count("take e-1"), 2);
    let (_, office) = office(&place, &desk, &Stream::default(), Options::new()).await;
    assert_eq!(office.list(Default::default()).await.unwrap().runs.len(), 1);
}

/// The function can call back and cancel too.
pub async fn a_connector_can_call_back_and_cancel(place: Place) {
    async fn act(api: &Api<Parcel, Stage>, event: &ConnectorEvent) -> Result<(), Error> {
        if event.key == "cancel" {
            let run = event.id.parse().expect("the id of a run");
            return api.cancel(run, "by the stream").await;
        }
        api.callback(Stage::Placed, &event.key, Bytes::new(), Some(&event.id)).await.map(drop)
    }
    async fn go(_: &mut super::Case, _: workflow_core::Payload) -> Stage {
        Stage::Sent
    }
    let stream = Stream::default();
    let flow = parcels().callback(Stage::Placed, go, [Stage::Sent]).connector("acts", stream.clone(), act);
    let kit = place.kit();
    let office = flow.state(Desk::new()).build().unwrap().run(&kit).await.unwrap();
    let called = office.trigger("called", Parcel::default()).await.unwrap();
    let cancelled = office.trigger("cancelled", Parcel::default()).await.unwrap();
    stream.put("e-1", "called");
    stream.put(&cancelled.to_string(), "cancel");
    assert_eq!(kit.finish(&office, &called).await.unwrap().status(), Stage::Sent);
    assert_eq!(kit.finish(&office, &cancelled).await.unwrap().reason(), "by the stream");
    kit.clock().advance(Duration::from_secs(1)).await;
}
