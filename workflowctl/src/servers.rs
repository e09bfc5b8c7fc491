//! Where etcd and Kafka are: flags and environment over the parts `[etcd]` and `[kafka]` of the configuration file.

use std::path::{Path, PathBuf};

use scheduler_etcd::EtcdConfig;
use streamer_kafka::KafkaConfig;
use toml::{Table, Value};
use workflow_core::Namespace;

use crate::args::{EtcdArgs, Global, KafkaArgs};
use crate::failure::{Failure, Problems};
use crate::settings::{File, password};

/// How the password is shown if nothing is said: never as it is.
const MECHANISM: &str = "SCRAM-SHA-512";

/// How etcd is reached; nothing if no server is named.
pub(crate) fn etcd(
    global: &Global,
    args: &EtcdArgs,
    namespace: Option<&Namespace>,
) -> Result<Option<EtcdConfig>, Failure> {
    let mut part = Part::read(global, "etcd");
    let endpoints = args.etcd.as_deref().filter(|text| !text.is_empty());
    if let Some(endpoints) = endpoints {
        let list = endpoints.split(',').map(|one| Value::String(one.trim().to_owned()));
        part.values.insert("endpoints".to_owned(), Value::Array(list.collect()));
    }
    part.put(&[], "user", args.etcd_user.as_deref());
    part.put(&[], "namespace", namespace.map(ToString::to_string).as_deref());
    part.put(&["tls"], "ca_file", args.etcd_ca_file.as_deref().and_then(Path::to_str));
    part.password(&[], args.etcd_password_file.as_deref());
    if !part.values.contains_key("endpoints") {
        return part.problems.or(Some(None));
    }
    let Part { place, values, mut problems } = part;
    let config = made::<EtcdConfig>(values, &place, &mut problems);
    if let Some(Err(error)) = config.as_ref().map(EtcdConfig::check) {
        problems.add(&place, error);
    }
    problems.or(config.map(Some))
}

/// How Kafka is reached.
pub(crate) fn kafka(global: &Global, args: &KafkaArgs, more: &[(&str, i64)]) -> Result<KafkaConfig, Failure> {
    let mut part = Part::read(global, "kafka");
    part.put(&[], "brokers", args.kafka.as_deref());
    for (name, value) in more {
        part.values.insert((*name).to_owned(), Value::Integer(*value));
    }
    part.put(&["tls"], "ca_file", args.kafka_ca_file.as_deref().and_then(Path::to_str));
    part.put(&["sasl"], "user", args.kafka_user.as_deref());
    part.put(&["sasl"], "mechanism", args.kafka_mechanism.as_deref());
    part.password(&["sasl"], args.kafka_password_file.as_deref());
    if let Some(Value::Table(sasl)) = part.values.get_mut("sasl") {
        sasl.entry("mechanism").or_insert_with(|| MECHANISM.into());
    }
    if !part.values.contains_key("brokers") {
        part.problems.add(
            "kafka",
            "there are no brokers: name them by --kafka, WORKFLOW_KAFKA_BROKERS or the configuration file",
        );
        return part.problems.or(None);
    }
    let Part { place, values, mut problems } = part;
    let config = made::<KafkaConfig>(values, &place, &mut problems);
    if let Some(Err(errors)) = config.as_ref().map(KafkaConfig::check) {
        errors.problems().iter().for_each(|problem| {
            problems.add(format!("{place}: {}", problem.setting), &problem.reason);
        });
    }
    problems.or(config)
}

/// A part of the configuration file, with what flags say over it.
struct Part {
    place: String,
    values: Table,
    problems: Problems,
}

impl Part {
    fn read(global: &Global, name: &str) -> Self {
        let mut problems = Problems::default();
        let mut values = File::read(global.config.as_deref(), &mut problems).part(name);
        let place = values.as_ref().map_or_else(|| name.to_owned(), |(_, place, _)| place.clone());
        if let Some((values, _, folder)) = &mut values {
            beside(values, folder);
            if let Some(Value::Table(sasl)) = values.get_mut("sasl") {
                beside(sasl, folder);
            }
        }
        Self { place, values: values.map(|(values, ..)| values).unwrap_or_default(), problems }
    }

    fn table(&mut self, within: &[&str]) -> Option<&mut Table> {
        within.iter().try_fold(&mut self.values, |table, name| {
            table.entry(*name).or_insert_with(|| Value::Table(Table::new())).as_table_mut()
        })
    }

    /// Puts a value where the file has another or none; an empty one is none.
    fn put(&mut self, within: &[&str], name: &str, value: Option<&str>) {
        let Some(value) = value.filter(|text| !text.is_empty()) else { return };
        if let Some(table) = self.table(within) {
            table.insert(name.to_owned(), value.into());
        }
    }

    /// Reads the password of the file that is named by the flag, or by `password_file` in the part.
    fn password(&mut self, within: &[&str], flag: Option<&Path>) {
        let flag = flag.filter(|path| !path.as_os_str().is_empty());
        let part = within.iter().try_fold(&self.values, |table, name| table.get(*name)?.as_table());
        let named = part.and_then(|table| table.get("password_file")?.as_str()).map(PathBuf::from);
        if part.and_then(|table| table.get("password")).is_some_and(|value| !value.is_str()) {
            // A complaint by serde would repeat it.
            self.problems.add(&self.place, "password: it is a text: put it in quotes");
            self.table(within).and_then(|table| table.remove("password"));
        }
        let Some(path) = flag.map(Path::to_owned).or(named) else { return };
        let secret = password(&path, &format!("{}: password_file", self.place), &mut self.problems);
        if let Some(table) = self.table(within) {
            table.remove("password_file");
            table.insert("password".to_owned(), secret.as_ref().map_or("", |secret| secret.expose()).into());
        }
    }
}

/// A file that is named in a file lies beside it.
fn beside(values: &mut Table, folder: &Path) {
    if let Some(Value::String(name)) = values.get_mut("password_file") {
        *name = folder.join(&*name).display().to_string();
    }
}

fn made<C: serde::de::DeserializeOwned>(values: Table, place: &str, problems: &mut Problems) -> Option<C> {
    match values.try_into::<C>() {
        Ok(config) => Some(config),
        Err(error) => {
            problems.add(place, error.message());
            None
        }
    }
}
