//! Ids that the engine makes: their order, their text, and the buckets of runs.

use proptest::prelude::*;
use uuid::Uuid;
use workflow_core::{BUCKETS, EventId, RunId, Version, bucket_of, fnv1a_32};

use super::sample::run_id;

#[test]
fn each_event_id_is_greater_than_the_one_before() {
    let mut last = EventId::after(None);
    for _ in 0..10_000 {
        let next = EventId::after(Some(last));
        assert!(next > last && next.to_string() > last.to_string(), "{next} after {last}");
        last = next;
    }
}

#[test]
fn an_event_id_follows_one_of_a_clock_that_is_ahead() {
    let ahead: EventId = "outbox-id-ffffffff-ffff-7fff-bfff-fffffffffff0".parse().unwrap();
    let next = EventId::after(Some(ahead));
    assert_eq!(next.to_string(), "outbox-id-ffffffff-ffff-7fff-bfff-fffffffffff1");
    assert!(EventId::after(Some(next)) > next);
}

#[test]
fn event_ids_have_their_prefix_and_run_ids_have_none() {
    let text = "0195f7a0-0000-7000-8000-000000000001";
    assert_eq!(format!("outbox-id-{text}").parse::<EventId>().unwrap().as_uuid().to_string(), text);
    assert!(text.parse::<EventId>().is_err());
    assert!(format!("outbox-id-{text}").parse::<RunId>().is_err());
    assert!("".parse::<RunId>().is_err());
}

#[test]
fn run_ids_are_written_in_lower_case_with_hyphens() {
    let upper: RunId = "4D9010BF-13B7-4B99-83C9-175E4B7250E3".parse().unwrap();
    assert_eq!(upper, run_id());
    assert_eq!(upper.to_string(), "4d9010bf-13b7-4b99-83c9-175e4b7250e3");
}

#[test]
fn versions_count_from_one() {
    assert_eq!(Version::new(0), None);
    assert_eq!(Version::FIRST.get(), 1);
    assert_eq!(Version::FIRST.next().get(), 2);
    assert_eq!(Version::new(u64::MAX).unwrap().next().get(), u64::MAX);
}

/// The published test vectors of FNV-1a, 32 bits.
#[test]
fn fnv_1a_gives_the_published_vectors() {
    let vectors: [(&[u8], u32); 8] = [
        (b"", 0x811c_9dc5),
        (b"a", 0xe40c_292c),
        (b"b", 0xe70c_2de5),
        (b"fo", 0x6222_e842),
        (b"foo", 0xa9f3_7ed7),
        (b"foob", 0x3f50_76ef),
        (b"fooba", 0x39aa_a18a),
        (b"foobar", 0xbf9c_f968),
    ];
    for (bytes, hash) in vectors {
        assert_eq!(fnv1a_32(bytes), hash, "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn the_bucket_of_a_run_is_that_of_its_text(uuid: u128) {
        let run = RunId::from_uuid(Uuid::from_u128(uuid));
        prop_assert_eq!(run.bucket(), bucket_of(&run.to_string()));
        prop_assert_eq!(u32::from(run.bucket()), fnv1a_32(run.to_string().as_bytes()) % u32::from(BUCKETS));
    }

    #[test]
    fn an_event_id_is_greater_than_any_other_it_follows(uuid in 0..u128::MAX) {
        let last = EventId::from_uuid(Uuid::from_u128(uuid));
        prop_assert!(EventId::after(Some(last)) > last);
    }

    #[test]
    fn ids_read_back_as_they_were_written(uuid: u128) {
        let (run, event) = (RunId::from_uuid(Uuid::from_u128(uuid)), EventId::from_uuid(Uuid::from_u128(uuid)));
        prop_assert_eq!(run.to_string().parse::<RunId>().unwrap(), run);
        prop_assert_eq!(event.to_string().parse::<EventId>().unwrap(), event);
    }
}
