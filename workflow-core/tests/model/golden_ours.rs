//! What ours writes, pinned: every name and byte that another process, or a later version, reads.

use std::fmt::Write;
use std::num::NonZeroU32;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use workflow_core::{
    DecodeOutboxError, Event, EventId, ForeignId, GroupName, Meta, RunId, RunState, Shard, StatusCode, Topic,
    Version, WorkflowName, decode_outbox, encode_outbox, header,
};

use super::sample::{event, event_id, record, status};

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/ours.json")).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn names() -> [WorkflowName; 3] {
    ["orders", "My Big Orders", "a-b.c"].map(|name| WorkflowName::new(name).unwrap())
}

#[test]
fn topics_are_pinned() {
    let topics = names().map(|name| {
        let of_state = |state| Topic::of_record(&name, state, status(2)).to_string();
        json!({
            "workflow": name.as_str(),
            "status": Topic::of_status(&name, status(2)).as_str(),
            "deletions": Topic::of_deletions(&name).as_str(),
            "run_state_changes": Topic::of_run_state_changes(&name).as_str(),
            "by_run_state": RunState::ALL.map(of_state),
        })
    });
    assert_eq!(json!(topics), golden()["topics"]);
}

/// All kinds of role that a workflow has.
fn roles_of(workflow: &WorkflowName) -> Vec<String> {
    let shards =
        |group: GroupName| Shard::all(NonZeroU32::new(2).unwrap()).map(move |shard| group.role(shard));
    let foreign_id = ForeignId::new("Nightly Report").unwrap();
    let mut roles: Vec<_> = shards(GroupName::of_step(workflow, status(2))).collect();
    roles.push(GroupName::of_timeouts(workflow, status(2)).single_role());
    roles.push(GroupName::of_timeout_inserter(workflow, status(2)).single_role());
    roles.push(GroupName::of_inbox(workflow, status(2)).single_role());
    roles.extend(shards(GroupName::of_connector("Bank Letters", workflow)));
    roles.extend(RunState::ALL.map(|state| GroupName::of_hook(workflow, state).single_role()));
    roles.push(GroupName::of_deletions(workflow).single_role());
    roles.push(GroupName::of_paused_retry(workflow).single_role());
    roles.push(GroupName::of_outbox(workflow).single_role());
    roles.push(GroupName::of_reconciler(workflow).single_role());
    roles.push(GroupName::of_schedule(workflow, &foreign_id, "30 2 * * MON-FRI").single_role());
    roles.extend(shards(GroupName::of_relay()));
    roles.into_iter().map(|role| role.to_string()).collect()
}

#[test]
fn roles_are_pinned() {
    let roles = names().map(|name| json!({ "workflow": name.as_str(), "roles": roles_of(&name) }));
    assert_eq!(json!(roles), golden()["roles"]);
}

#[test]
fn outbox_bytes_are_pinned() {
    let mut again = event();
    again.set_header(header::ATTEMPT, "3");
    again.set_header(header::RETRY_FOR, "orders-2-consumer");
    let large = Event {
        version: Version::new(u64::MAX),
        status: status(i32::MAX),
        foreign_id: ForeignId::new("Bestellung 17: Öl & 油").unwrap(),
        ..event()
    };
    let bare = Event { event_id: None, version: None, ..event() };
    let bytes = [event(), again, large, bare].map(|event| hex(&encode_outbox(&event)));
    assert_eq!(json!(bytes), golden()["outbox_hex"]);
}

#[test]
fn meta_bytes_are_pinned() {
    let full = record();
    let odd = Meta {
        run_state_reason: "said \"no\"\n<&> ü".into(),
        status_description: "".into(),
        version: u64::MAX,
        trace_origin: "\t".into(),
        traceparent: None,
    };
    let bytes = [full.meta(), odd, Meta::default()].map(|meta| String::from_utf8(meta.encode()).unwrap());
    assert_eq!(json!(bytes), golden()["meta"]);
}

#[test]
fn a_traced_run_has_one_more_key_at_the_end() {
    let at: Arc<str> = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into();
    let traced = workflow_core::Record { traceparent: Some(Arc::clone(&at)), ..record() };
    let (bytes, plain) = (traced.meta().encode(), record().meta().encode());
    let (bytes, plain) = (String::from_utf8(bytes).unwrap(), String::from_utf8(plain).unwrap());
    assert_eq!(bytes, format!("{},\"Traceparent\":\"{at}\"}}", plain.trim_end_matches('}')));
}

#[test]
fn a_record_row_holds_these_values() {
    let record = record();
    let row = json!({
        "workflow_name": record.workflow_name.as_str(),
        "foreign_id": record.foreign_id.as_str(),
        "run_id": record.run_id.to_string(),
        "run_state": record.run_state.code(),
        "status": record.status.get(),
        "object": std::str::from_utf8(&record.object).unwrap(),
        "meta": std::str::from_utf8(&record.meta().encode()).unwrap(),
        "version": record.version.get(),
        "last_event_id": record.last_event_id.unwrap().to_string(),
        "bucket": record.run_id.bucket(),
    });
    assert_eq!(row, golden()["record"]);
}

#[test]
fn null_and_empty_meta_read_as_defaults_and_missing_keys_too() {
    for column in [None, Some(&b""[..]), Some(b"{}"), Some(b" {} ")] {
        assert_eq!(Meta::decode(column).unwrap(), Meta::default());
    }
    let partly = Meta::decode(Some(br#"{"Version":7,"Later":true}"#)).unwrap();
    assert_eq!(partly, Meta { version: 7, ..Meta::default() });
}

#[test]
fn a_meta_that_is_no_such_object_is_refused() {
    for column in ["[]", r#"["","",1,""]"#, "7", "{", r#"{"Version":-1}"#, r#"{"Version":"1"}"#] {
        let error = Meta::decode(Some(column.as_bytes())).unwrap_err();
        assert_eq!(error.to_string(), "column meta is not the JSON object that a run's meta is", "{column}");
    }
}

#[test]
fn an_event_without_a_version_header_decodes() {
    let bare = Event { version: None, ..event() };
    assert_eq!(decode_outbox(&encode_outbox(&bare)).unwrap(), bare);
}

#[test]
fn unknown_headers_pass_through() {
    let mut event = event();
    event.set_header(header::TRACEPARENT, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    event.set_header("x-later", "");
    let read = decode_outbox(&encode_outbox(&event)).unwrap();
    assert_eq!(read.header("x-later"), Some(""));
    assert_eq!(read.header(header::TRACEPARENT), event.header(header::TRACEPARENT));
    assert_eq!(read.headers.len(), 2);
}

#[test]
fn the_run_id_is_taken_from_its_field_if_the_header_is_missing() {
    let mut data = encode_outbox(&event());
    let name = data.windows(6).position(|part| part == b"run_id").unwrap();
    data[name..name + 6].copy_from_slice(b"run_xx");
    assert_eq!(decode_outbox(&data).unwrap().run_id, event().run_id);
}

#[test]
fn an_undecodable_row_says_which_part() {
    let damage = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let mut data = encode_outbox(&event());
        while let Some(at) = data.windows(from.len()).position(|part| part == from.as_bytes()) {
            data[at..at + from.len()].copy_from_slice(to.as_bytes());
        }
        decode_outbox(&data).unwrap_err().to_string()
    };
    let cases = [
        (damage("workflow_name", "workflow_nam_"), "header workflow_name is missing"),
        (damage("foreign_id", "foreign_ix"), "header foreign_id is missing"),
        (damage("topic", "topix"), "header topic is missing"),
        (damage("run_state", "run_stat_"), "header run_state is missing"),
        (
            damage("4d9010bf", "xd9010bf"),
            "header run_id is \"xd9010bf-13b7-4b99-83c9-175e4b7250e3\", which is no UUID",
        ),
        (
            damage("outbox-id-", "outbox-id_"),
            "header event_id is \"outbox-id_0195f7a0-0000-7000-8000-000000000005\", which is no outbox id",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
    assert!(matches!(decode_outbox(b"\xff"), Err(DecodeOutboxError::Protobuf(_))));
    let reserved = {
        let mut data = encode_outbox(&event());
        data[1] = 0;
        data
    };
    assert!(matches!(decode_outbox(&reserved), Err(DecodeOutboxError::Status(_))));
}

#[test]
fn numbers_out_of_range_in_headers_are_refused() {
    let with = |name: &str, value: u8| {
        let mut data = encode_outbox(&event());
        let at = data.windows(name.len()).position(|part| part == name.as_bytes()).unwrap() + name.len() + 2;
        data[at] = value;
        decode_outbox(&data)
    };
    assert!(matches!(with("run_state", b'8'), Err(DecodeOutboxError::RunState(_))));
    assert!(matches!(
        with("record_version", b'0'),
        Err(DecodeOutboxError::Header { expected: "version", .. })
    ));
    assert!(matches!(
        with("record_version", b'-'),
        Err(DecodeOutboxError::Header { expected: "version", .. })
    ));
    assert_eq!(with("record_version", b'7').unwrap().version, Version::new(7));
}

prop_compose! {
    fn events()(
        name in "[a-zA-Z][a-zA-Z0-9 ._-]{0,40}",
        foreign_id in "[^\\p{Cc}]{1,60}",
        run in any::<u128>(),
        code in 1..=i32::MAX,
        state in 0..=7_i32,
        version in any::<u64>(),
        id in proptest::option::of(any::<u128>()),
        headers in proptest::collection::btree_map("x-[a-z]{1,8}", ".{0,20}", 0..5),
    ) -> Event {
        let workflow_name = WorkflowName::new(name).unwrap();
        let run_state = RunState::from_code(state).unwrap();
        let status = StatusCode::new(code).unwrap();
        Event {
            event_id: id.map(|id| EventId::from_uuid(uuid::Uuid::from_u128(id))),
            topic: Topic::of_record(&workflow_name, run_state, status),
            workflow_name,
            foreign_id: ForeignId::new(foreign_id).unwrap(),
            run_id: RunId::from_uuid(uuid::Uuid::from_u128(run)),
            status,
            run_state,
            version: Version::new(version),
            headers: headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        }
    }
}

proptest! {
    #[test]
    fn every_event_reads_back_as_it_was_written(event in events()) {
        prop_assert_eq!(decode_outbox(&encode_outbox(&event)).unwrap(), event);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(garbage in proptest::collection::vec(any::<u8>(), 0..80), cut in 0..300_usize) {
        prop_assert!(decode_outbox(&garbage).is_err());
        let mut data = encode_outbox(&event());
        data.truncate(cut);
        // Cut between two fields, what is left may be an event still: that of the same run.
        prop_assert!(decode_outbox(&data).map_or(true, |read| read.run_id == event().run_id));
    }

    #[test]
    fn every_meta_reads_back_as_it_was_written(reason in ".*", name in ".*", version: u64, origin in ".*", at: Option<String>) {
        let meta = Meta {
            run_state_reason: reason.into(),
            status_description: name.into(),
            version,
            trace_origin: origin.into(),
            traceparent: at.map(Into::into),
        };
        prop_assert_eq!(Meta::decode(Some(&meta.encode())).unwrap(), meta);
    }
}

#[test]
fn a_re_emission_keeps_the_id_of_its_event() {
    let mut again = event();
    again.set_header(header::ATTEMPT, "2");
    again.set_header(header::ATTEMPT, "3");
    let read = decode_outbox(&encode_outbox(&again)).unwrap();
    assert_eq!((read.event_id, read.attempt(), read.headers.len()), (Some(event_id(5)), 3, 1));
}
