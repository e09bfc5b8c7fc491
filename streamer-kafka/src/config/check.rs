//! All mistakes of a configuration, told at once.

use std::fmt;
use std::path::Path;

use rdkafka::ClientConfig;

use super::KafkaConfig;
use super::properties::refused;

/// One mistake: the setting, and what is wrong with it.
///
/// ```
/// use streamer_kafka::KafkaConfig;
/// let problems = KafkaConfig::new(["kafka"]).check().unwrap_err();
/// assert_eq!(problems.problems()[0].setting, "brokers");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaConfigProblem {
    /// The setting's name.
    pub setting: String,
    /// What is wrong, and what would be accepted.
    pub reason: String,
}

/// Every mistake of a configuration.
///
/// ```
/// use streamer_kafka::KafkaConfig;
/// let config = KafkaConfig::new(["kafka"]).partitions(0).property("acks", "1");
/// let told = config.check().unwrap_err().to_string();
/// assert_eq!(told.lines().count(), 4, "{told}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct KafkaConfigErrors(Vec<KafkaConfigProblem>);

impl KafkaConfigErrors {
    /// The mistakes, at least one.
    pub fn problems(&self) -> &[KafkaConfigProblem] {
        &self.0
    }
}

impl fmt::Display for KafkaConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the Kafka configuration cannot be used:")?;
        self.0.iter().try_for_each(|each| write!(f, "\n  {}: {}", each.setting, each.reason))
    }
}

impl KafkaConfig {
    /// Looks for mistakes, without asking a broker.
    ///
    /// # Errors
    /// [`KafkaConfigErrors`] names every setting that cannot be used.
    ///
    /// ```
    /// use streamer_kafka::KafkaConfig;
    /// let told = KafkaConfig::new(["kafka:9092"]).property("enable.auto.commit", "true").check().unwrap_err();
    /// assert!(told.to_string().contains("enable.auto.commit"));
    /// ```
    pub fn check(&self) -> Result<(), KafkaConfigErrors> {
        let mut found = Vec::new();
        let mut wrong = |setting: &str, reason: String| {
            found.push(KafkaConfigProblem { setting: setting.to_owned(), reason });
        };
        self.check_brokers(&mut wrong);
        self.check_numbers(&mut wrong);
        self.check_security(&mut wrong);
        self.check_properties(&mut wrong);
        if found.is_empty() { Ok(()) } else { Err(KafkaConfigErrors(found)) }
    }

    fn check_brokers(&self, wrong: &mut impl FnMut(&str, String)) {
        let brokers = self.brokers.list();
        if brokers.is_empty() {
            wrong("brokers", "there is none: name at least one as host:port".into());
        }
        for broker in brokers {
            let port = broker.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
            if !matches!(port, Some((host, Ok(1..))) if !host.is_empty()) {
                wrong("brokers", format!("{broker:?} is not host:port, as kafka-1:9092"));
            }
        }
    }

    fn check_numbers(&self, wrong: &mut impl FnMut(&str, String)) {
        if self.client_id.is_empty() {
            wrong("client_id", "it is empty: the brokers' logs name the program by it".into());
        }
        if !(1..=10_000).contains(&self.partitions) {
            wrong("partitions", format!("{} is not within 1 and 10000", self.partitions));
        }
        if self.replication.is_some_and(|copies| !(1..=100).contains(&copies)) {
            wrong("replication", "it is not within 1 and 100 brokers".into());
        }
        if self.retention_ms.is_some_and(|millis| millis < 60_000 || i64::try_from(millis).is_err()) {
            wrong(
                "retention_ms",
                "it is less than a minute: events would be gone before they are read".into(),
            );
        }
        let timeouts = [
            ("request_timeout_ms", self.request_timeout_ms, 100..=300_000),
            ("delivery_timeout_ms", self.delivery_timeout_ms, 100..=900_000),
            ("close_timeout_ms", self.close_timeout_ms, 1..=300_000),
            ("watch_interval_ms", self.watch_interval_ms, 100..=3_600_000),
            ("queue_messages_max", u64::from(self.queue_messages_max), 1..=10_000_000),
        ];
        for (setting, value, allowed) in timeouts {
            if !allowed.contains(&value) {
                wrong(setting, format!("{value} is not within {} and {}", allowed.start(), allowed.end()));
            }
        }
    }

    fn check_security(&self, wrong: &mut impl FnMut(&str, String)) {
        if let Some(tls) = &self.tls {
            let files = [
                ("tls.ca_file", &tls.ca_file),
                ("tls.certificate_file", &tls.certificate_file),
                ("tls.key_file", &tls.key_file),
            ];
            for (setting, file) in files {
                if let Some(Err(error)) = file.as_deref().map(readable) {
                    wrong(setting, error);
                }
            }
            match (&tls.certificate_file, &tls.key_file) {
                (Some(_), None) => wrong("tls.key_file", "it is missing: a certificate needs its key".into()),
                (None, Some(_)) => {
                    wrong("tls.certificate_file", "it is missing: a key needs its certificate".into());
                }
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        if let Some(sasl) = &self.sasl {
            if sasl.user.is_empty() {
                wrong("sasl.user", "it is empty".into());
            }
            if sasl.password.reveal().is_empty() {
                wrong("sasl.password", "it is empty".into());
            }
        }
    }

    fn check_properties(&self, wrong: &mut impl FnMut(&str, String)) {
        for (name, value) in &self.properties {
            let setting = format!("properties.{name}");
            if let Some(reason) = refused(name) {
                wrong(&setting, format!("it cannot be set: {reason}"));
            } else if let Err(error) = ClientConfig::new().set(name, value).create_native_config() {
                // Its text may have the value in it, which may be a password.
                let unknown = format!("{error:?}").contains("UNKNOWN");
                let reason =
                    if unknown { "librdkafka has no such property" } else { "its value is not accepted" };
                wrong(&setting, reason.into());
            }
        }
    }
}

fn readable(path: &Path) -> Result<(), String> {
    std::fs::File::open(path).map(drop).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}
