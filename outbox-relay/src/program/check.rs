//! Whether a configuration works, told before it has to.

use scheduler_etcd::EtcdObserver;
use store_sql::SchemaVersion;
use streamer_kafka::KafkaStreamer;
use workflow_core::Topic;

use super::settings::Settings;
use crate::relay::causes;

/// A topic that nobody has: a cluster that answers says so.
const NOBODYS_TOPIC: &str = "outbox-relay-check";

/// Reaches every server and tells what is wrong; gives the exit status.
pub(crate) async fn check(settings: Settings) -> u8 {
    println!("settings: they can be used");
    let database = match SchemaVersion::of(&settings.dsn, &settings.tables).await {
        Ok(Some(found)) if found.version >= SchemaVersion::made_by_this_program() => {
            Ok(format!("tables of version {}", found.version))
        }
        Ok(Some(found)) => {
            Ok(format!("tables of version {}, which the relay alters at its start", found.version))
        }
        Ok(None) => Ok("no tables, which the relay makes at its start".to_owned()),
        Err(error) => Err(causes(&error)),
    };
    let mut wrong = told(&format!("database {}", settings.dsn), database);
    let kafka = match KafkaStreamer::new(settings.kafka) {
        Ok(streamer) => {
            let described = streamer.topics().describe(&Topic::new(NOBODYS_TOPIC)).await;
            described.map(|_| "it answers".to_owned()).map_err(|error| causes(&error))
        }
        Err(errors) => Err(errors.to_string()),
    };
    wrong |= told("kafka", kafka);
    if let Some(config) = settings.etcd {
        let asked = async { EtcdObserver::connect(config).await?.roles().await };
        let etcd = asked.await.map(|roles| format!("{} roles are owned", roles.len()));
        wrong |= told("etcd", etcd.map_err(|error| causes(&error)));
    }
    if settings.telemetry.pushes() {
        let collector = telemetry::reach(&settings.telemetry).await;
        wrong |=
            told("collector", collector.map(|()| "it answers".to_owned()).map_err(|error| causes(&error)));
    }
    u8::from(wrong)
}

/// Tells what was found; gives whether it is wrong.
fn told(what: &str, found: Result<String, String>) -> bool {
    match &found {
        Ok(good) => println!("{what}: {good}"),
        Err(bad) => println!("{what}: WRONG: {bad}"),
    }
    found.is_err()
}
