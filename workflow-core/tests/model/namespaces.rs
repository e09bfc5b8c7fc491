//! What every topic, group and role begins with, where several databases share brokers.

use workflow_core::{ForeignId, GroupName, Namespace, RunState, Shard, StatusCode, Topic, WorkflowName};

fn orders() -> WorkflowName {
    WorkflowName::new("My Orders").unwrap()
}

#[test]
fn a_namespace_is_put_in_front_verbatim() {
    let shop = Namespace::new("Shop-EU_1").unwrap();
    let status = StatusCode::new(2).unwrap();
    let topics = [
        (Topic::of_status(&orders(), status), "Shop-EU_1.My_Orders-2"),
        (Topic::of_deletions(&orders()), "Shop-EU_1.My_Orders-delete"),
        (Topic::of_run_state_changes(&orders()), "Shop-EU_1.My_Orders-run-state-change"),
    ];
    for (topic, wanted) in topics {
        assert_eq!(topic.within(&shop).as_str(), wanted);
    }
    let customer = ForeignId::new("Customer 7").unwrap();
    let groups = [
        (GroupName::of_step(&orders(), status), "Shop-EU_1.my_orders-2-consumer"),
        (GroupName::of_connector("Bank", &orders()), "Shop-EU_1.bank-connector-to-my_orders-consumer"),
        (
            GroupName::of_hook(&orders(), RunState::Completed),
            "Shop-EU_1.my_orders-completed-run-state-change-hook-consumer",
        ),
        (
            GroupName::of_schedule(&orders(), &customer, "@daily"),
            "Shop-EU_1.my_orders-customer_7-scheduler-@daily",
        ),
    ];
    for (group, wanted) in groups {
        let group = group.within(&shop);
        assert_eq!(group.as_str(), wanted);
        assert_eq!(group.role(Shard::WHOLE).as_str(), format!("{wanted}-1-of-1"));
        assert_eq!(group.single_role().as_str(), wanted);
    }
}

#[test]
fn no_namespace_changes_no_name() {
    let topic = Topic::of_deletions(&orders());
    assert_eq!(topic.clone().within(&Namespace::NONE), topic);
    let group = GroupName::of_deletions(&orders());
    assert_eq!(group.clone().within(&Namespace::default()), group);
}

#[test]
fn a_namespace_that_topics_cannot_begin_with_is_refused_with_the_reason() {
    let cases = [
        ("", "it is empty: use `Namespace::NONE`"),
        ("a.b", "it has the character '.'; letters, digits, `_` and `-` are allowed"),
        ("shöp", "it has the character 'ö'; letters, digits, `_` and `-` are allowed"),
        ("x23456789x123456789x123456789x123456789xx", "it has 41 bytes, 40 are allowed"),
    ];
    for (name, reason) in cases {
        assert_eq!(Namespace::new(name).unwrap_err().reason, reason);
    }
    assert!(Namespace::new("x".repeat(40)).is_ok());
}
