//! Topics that are missing, made, grown, deleted, and what is on them that should not be.
#![allow(missing_docs, clippy::unwrap_used, reason = "this is test code: what cannot be had fails the test")]

mod common;

use std::time::Duration;

use common::{
    admin, brokers, config, event, publication, receive, send_all, stranger, streamer, unique, until,
};
use rdkafka::admin::{AdminOptions, NewPartitions};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::producer::FutureRecord;
use streamer_kafka::{Created, KafkaStreamer};
use workflow_core::adapter::{EventReceiver, EventStreamer, Generation, SendOutcome, StartAt};
use workflow_core::{GroupName, StatusCode, Topic, WorkflowName};

fn group() -> GroupName {
    let workflow = WorkflowName::new(unique("orders")).unwrap();
    GroupName::of_step(&workflow, StatusCode::new(2).unwrap())
}

fn topic() -> Topic {
    Topic::new(unique("topic"))
}

#[tokio::test]
async fn a_missing_topic_is_an_error_that_says_what_to_do() {
    let (streamer, topic) = (KafkaStreamer::new(config()).unwrap(), topic());
    let errors = [
        streamer.partitions(&topic).await.unwrap_err(),
        streamer.open(&topic, &group(), StartAt::Earliest).await.err().unwrap(),
        streamer.send(vec![publication(&event(&topic))]).await.unwrap_err(),
    ];
    for error in errors {
        let told = error.to_string();
        assert!(error.is_retryable(), "it may be made meanwhile");
        for part in [topic.as_str(), "create_topics", "workflowctl topics create"] {
            assert!(told.contains(part), "{told} does not say {part}");
        }
    }
}

#[tokio::test]
async fn topics_are_made_described_and_made_no_second_time() {
    let config = config().partitions(3).retention(Duration::from_hours(1)).replication(1);
    let (topics, topic) = (streamer_kafka::Topics::new(config).unwrap(), topic());
    assert_eq!(topics.describe(&topic).await.unwrap(), None);
    assert_eq!(topics.lag(&topic, "nobody").await.unwrap(), None);
    assert_eq!(topics.create(&topic).await.unwrap(), Created::Made);
    assert_eq!(topics.create(&topic).await.unwrap(), Created::WasThere);
    let described = topics.describe(&topic).await.unwrap().unwrap();
    assert_eq!(described.partitions.len(), 3);
    assert!(described.partitions.iter().all(|each| each.leader.is_some() && each.in_sync.len() == 1));
    let refused = topics.create(&Topic::new("a/b")).await.unwrap_err();
    assert!(!refused.is_retryable(), "{refused}");
}

#[tokio::test]
async fn the_lag_of_a_group_is_told_for_each_partition() {
    let (streamer, topic, group) = (streamer(2), topic(), group());
    let mut receiver = streamer.open(&topic, &group, StartAt::Earliest).await.unwrap();
    receiver.assign(vec![0, 1], Generation(1)).await.unwrap();
    let events: Vec<_> = (0..40).map(|_| event(&topic)).collect();
    send_all(&streamer, &events).await;
    let delivered = receive(&mut receiver, 40).await;
    let lags = streamer.topics().lag(&topic, group.as_str()).await.unwrap().unwrap();
    assert_eq!(lags.iter().map(streamer_kafka::PartitionLag::events).sum::<u64>(), 40);
    let positions: Vec<_> = delivered.iter().map(|each| each.position).collect();
    receiver.settle(&positions, Generation(1)).await.unwrap();
    until("all is committed, without a release", async || {
        let lags = streamer.topics().lag(&topic, group.as_str()).await.unwrap().unwrap();
        lags.iter().all(|lag| lag.events() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_run_goes_to_the_partition_that_the_go_library_chooses() {
    let (streamer, topic) = (streamer(7), topic());
    let mut receiver = streamer.open(&topic, &group(), StartAt::Earliest).await.unwrap();
    receiver.assign((0..7).collect(), Generation(1)).await.unwrap();
    let events: Vec<_> = (0..200).map(|_| event(&topic)).collect();
    send_all(&streamer, &events).await;
    for delivery in receive(&mut receiver, 200).await {
        let key = delivery.event.run_id.to_string();
        let hash = key
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        // As sarama has it: the remainder of a signed number, made positive.
        let chosen = (hash.cast_signed() % 7).unsigned_abs();
        assert_eq!(delivery.position.partition, chosen, "{key}");
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_and_those_around_it_are_kept() {
    let (streamer, topic) = (streamer(1), topic());
    let mut receiver = streamer.open(&topic, &group(), StartAt::Earliest).await.unwrap();
    receiver.assign(vec![0], Generation(1)).await.unwrap();
    let mut events: Vec<_> = (0..5).map(|_| event(&topic)).collect();
    let large = std::sync::Arc::make_mut(&mut events[2]);
    large.set_header("tracestate", "x".repeat(2_000_000));
    let outcomes = streamer.send(events.iter().map(publication).collect()).await.unwrap();
    for (at, outcome) in outcomes.iter().enumerate() {
        match outcome {
            SendOutcome::Refused(reason) if at == 2 => {
                assert!(reason.contains("max.message.bytes") && reason.contains(topic.as_str()), "{reason}");
            }
            outcome => assert_eq!((*outcome == SendOutcome::Durable, at == 2), (true, false)),
        }
    }
    assert_eq!(receive(&mut receiver, 4).await.len(), 4);
}

#[tokio::test]
async fn a_message_that_is_no_event_stops_nothing() {
    let (streamer, topic) = (streamer(1), topic());
    let mut receiver = streamer.open(&topic, &group(), StartAt::Earliest).await.unwrap();
    receiver.assign(vec![0], Generation(1)).await.unwrap();
    let poison = "{".repeat(5000);
    let record = FutureRecord::to(topic.as_str()).key("k").payload(&poison);
    stranger().send(record, Duration::from_secs(30)).await.unwrap();
    send_all(&streamer, &[event(&topic)]).await;
    let (mut met, mut delivered) = (Vec::new(), Vec::new());
    while met.is_empty() || delivered.is_empty() {
        delivered.extend(receiver.next_batch(10).await.unwrap());
        met.extend(receiver.unreadable());
    }
    assert_eq!((met.len(), delivered.len()), (1, 1));
    assert_eq!((met[0].position.partition, met[0].position.offset, met[0].data.len()), (0, 0, 1024));
    assert_eq!(met[0].topic, topic);
    receiver.settle(&[delivered[0].position], Generation(1)).await.unwrap();
    receiver.assign(vec![0], Generation(2)).await.unwrap();
    let again = until("it comes again, as it is not settled", async || {
        receiver.next_batch(10).await.unwrap();
        receiver.unreadable().pop()
    })
    .await;
    assert_eq!(again, met[0]);
}

#[tokio::test]
async fn a_topic_that_has_grown_has_its_readers_begin_again() {
    let quick = config().create_topics(true).partitions(1).watch_interval(Duration::from_millis(200));
    let (streamer, topic) = (KafkaStreamer::new(quick).unwrap(), topic());
    let mut receiver = streamer.open(&topic, &group(), StartAt::Earliest).await.unwrap();
    receiver.assign(vec![0], Generation(1)).await.unwrap();
    let more = NewPartitions::new(topic.as_str(), 3);
    admin(&brokers()).create_partitions([&more], &AdminOptions::new()).await.unwrap();
    let told = receiver.next_batch(1).await.unwrap_err();
    assert!(told.is_retryable() && told.to_string().contains("from 1 to 3 partitions"), "{told}");
    receiver.release().await.unwrap();
    let partitions = streamer.partitions(&topic).await.unwrap().get();
    receiver.assign((0..partitions).collect(), Generation(2)).await.unwrap();
    let events: Vec<_> = (0..30).map(|_| event(&topic)).collect();
    until("the producer knows the new partitions", async || {
        send_all(&streamer, &events).await;
        let delivered = receive(&mut receiver, 30).await;
        delivered.iter().any(|each| each.position.partition == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_topic_that_was_made_again_is_read_from_its_beginning() {
    let quick = config().create_topics(true).partitions(1).watch_interval(Duration::from_millis(200));
    let (streamer, topic) = (KafkaStreamer::new(quick).unwrap(), topic());
    let mut receiver = streamer.open(&topic, &group(), StartAt::Earliest).await.unwrap();
    receiver.assign(vec![0], Generation(1)).await.unwrap();
    send_all(&streamer, &[event(&topic), event(&topic), event(&topic)]).await;
    let delivered = receive(&mut receiver, 3).await;
    receiver.settle(&[delivered[0].position, delivered[1].position], Generation(1)).await.unwrap();
    admin(&brokers()).delete_topics(&[topic.as_str()], &AdminOptions::new()).await.unwrap();
    let told = receiver.next_batch(1).await.unwrap_err();
    assert!(told.to_string().contains(topic.as_str()), "{told}");
    receiver.release().await.unwrap();
    until("the topic is there again", async || streamer.partitions(&topic).await.ok()).await;
    receiver.assign(vec![0], Generation(2)).await.unwrap();
    let new = event(&topic);
    until("the producer takes it", async || streamer.send(vec![publication(&new)]).await.ok()).await;
    let delivered = receive(&mut receiver, 1).await;
    assert_eq!((delivered[0].event.run_id, delivered[0].position.offset), (new.run_id, 0));
}

#[tokio::test]
async fn a_stranger_in_the_group_is_refused_until_it_has_gone() {
    let quick = config().create_topics(true).partitions(1).watch_interval(Duration::from_millis(200));
    let (streamer, topic, group) = (KafkaStreamer::new(quick).unwrap(), topic(), group());
    let mut receiver = streamer.open(&topic, &group, StartAt::Earliest).await.unwrap();
    receiver.assign(vec![0], Generation(1)).await.unwrap();
    let theirs = format!("{group}-1-of-2");
    let join = || {
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", brokers()).set("group.id", &theirs);
        let consumer: StreamConsumer = config.create().unwrap();
        consumer.subscribe(&[topic.as_str()]).unwrap();
        consumer
    };
    let stranger = join();
    let told = tokio::select! {
        told = receiver.next_batch(1) => told.unwrap_err(),
        message = stranger.recv() => panic!("nothing was sent: {:?}", message.map(|_| ())),
    };
    assert!(told.to_string().contains(&theirs), "{told}");
    let refused = receiver.assign(vec![0], Generation(2)).await.unwrap_err();
    assert!(refused.to_string().contains("stop the programs that joined it"), "{refused}");
    tokio::task::spawn_blocking(move || drop(stranger)).await.unwrap();
    until("it has gone", async || receiver.assign(vec![0], Generation(3)).await.ok()).await;
}

#[tokio::test]
async fn a_new_group_goes_on_where_the_go_library_left_off() {
    let (streamer, topic, group) = (streamer(1), topic(), group());
    streamer.partitions(&topic).await.unwrap();
    let events: Vec<_> = (0..10).map(|_| event(&topic)).collect();
    send_all(&streamer, &events).await;
    for (shard, offset) in [("1-of-2", 7), ("2-of-2", 4)] {
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", brokers()).set("group.id", format!("{group}-{shard}"));
        let consumer: StreamConsumer = config.create().unwrap();
        let mut list = rdkafka::TopicPartitionList::new();
        list.add_partition_offset(topic.as_str(), 0, rdkafka::Offset::Offset(offset)).unwrap();
        tokio::task::spawn_blocking(move || {
            consumer.commit(&list, rdkafka::consumer::CommitMode::Sync).unwrap()
        })
        .await
        .unwrap();
    }
    let mut receiver = streamer.open(&topic, &group, StartAt::Earliest).await.unwrap();
    receiver.assign(vec![0], Generation(1)).await.unwrap();
    let delivered = receive(&mut receiver, 6).await;
    assert_eq!(delivered[0].position.offset, 4, "the lowest of theirs");
}

#[tokio::test]
async fn a_slow_reader_makes_its_partitions_pause_and_loses_nothing() {
    let (streamer, topic) = (streamer(2), topic());
    let mut receiver = streamer.open(&topic, &group(), StartAt::Earliest).await.unwrap();
    receiver.assign(vec![0, 1], Generation(1)).await.unwrap();
    let events: Vec<_> = (0..12_000).map(|_| event(&topic)).collect();
    for batch in events.chunks(4_000) {
        send_all(&streamer, batch).await;
    }
    let mut next = [0, 0];
    for _ in 0..12_000_u32.div_ceil(50) {
        for delivery in receive(&mut receiver, 50).await {
            let at = &mut next[delivery.position.partition as usize];
            assert_eq!(delivery.position.offset, *at, "in order, without a gap or a repetition");
            *at += 1;
        }
        if next[0] + next[1] >= 12_000 {
            break;
        }
    }
    assert_eq!(next[0] + next[1], 12_000);
}

#[tokio::test]
async fn closing_leaves_no_client() {
    let (streamer, topic) = (streamer(1), topic());
    let mut receiver = streamer.open(&topic, &group(), StartAt::Earliest).await.unwrap();
    receiver.assign(vec![0], Generation(1)).await.unwrap();
    send_all(&streamer, &[event(&topic)]).await;
    receive(&mut receiver, 1).await;
    assert_eq!(streamer.open_clients(), 2, "a producer and a consumer");
    receiver.release().await.unwrap();
    drop(receiver);
    streamer.close().await.unwrap();
    assert_eq!(streamer.open_clients(), 0);
}
