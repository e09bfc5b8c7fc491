//! Certificates and passwords, against a broker that insists on them.
#![allow(missing_docs, clippy::unwrap_used, reason = "this is test code: what cannot be had fails the test")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::broker::{Broker, With};
use common::{event, receive, send_all};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use streamer_kafka::{KafkaConfig, KafkaStreamer, Sasl, Secret, Tls};
use workflow_core::adapter::{EventReceiver, EventStreamer, Generation, StartAt};
use workflow_core::{GroupName, Topic, WorkflowName};

/// An authority, and certificates of it for the broker and for a client.
fn certificates(folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    for name in ["broker", "client"] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        // With the authority's own name they would look as if they had signed themselves.
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &authority).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        let store = format!("{}{}", key.serialize_pem(), certificate.pem());
        std::fs::write(folder.join(format!("{name}-store.pem")), store).unwrap();
    }
}

/// Sends an event and receives it.
async fn round_trip(config: KafkaConfig, topic: &str) {
    let streamer = KafkaStreamer::new(config.create_topics(true).partitions(1)).unwrap();
    let topic = Topic::new(topic);
    let group = GroupName::of_deletions(&WorkflowName::new(topic.as_str()).unwrap());
    let mut receiver = streamer.open(&topic, &group, StartAt::Earliest).await.unwrap();
    receiver.assign(vec![0], Generation(1)).await.unwrap();
    send_all(&streamer, &[event(&topic)]).await;
    receive(&mut receiver, 1).await;
    receiver.release().await.unwrap();
}

async fn refused(config: KafkaConfig) {
    let streamer = KafkaStreamer::new(config.request_timeout(Duration::from_secs(2))).unwrap();
    let told = streamer.partitions(&Topic::new("any")).await.unwrap_err();
    assert!(!format!("{told:?}").contains("wr0ng"), "{told:?}");
    assert!(told.to_string().contains("sasl"), "it says what to look at: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_and_every_kind_of_password_are_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    certificates(folder.path());
    let with = With::Security { keystore: file("broker-store.pem"), authority: file("ca.pem") };
    let broker = Broker::start(with).await;
    let tls = KafkaConfig::new([format!("localhost:{}", broker.tls)]).property("broker.address.family", "v4");
    let trusting = Tls::new().ca_file(file("ca.pem"));
    round_trip(tls.clone().tls(trusting.clone().client(file("client.pem"), file("client.key"))), "over-tls")
        .await;
    refused(tls.clone().tls(trusting)).await;
    refused(tls.tls(Tls::new().client(file("client.pem"), file("client.key")))).await;
    let sasl = KafkaConfig::new([format!("127.0.0.1:{}", broker.sasl)]);
    let secret = || Secret::new("s3cret");
    round_trip(sasl.clone().sasl(Sasl::plain("plainer", secret())), "with-plain").await;
    round_trip(sasl.clone().sasl(Sasl::scram_sha_256("scrammer", secret())), "with-scram-256").await;
    round_trip(sasl.clone().sasl(Sasl::scram_sha_512("scrammer", secret())), "with-scram-512").await;
    refused(sasl.sasl(Sasl::scram_sha_512("scrammer", Secret::new("wr0ng")))).await;
}
