//! `docker-compose.yml` and `deploy/Dockerfile` beside what runs without containers: there is no engine here to try them.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::kind::Kind;
use super::{jars, kafka, mariadb, packages, postgres};

/// The programs of the image, and the packages that they are of.
const PROGRAMS: [&str; 3] = ["order-processor", "outbox-relay", "workflowctl"];

/// The variables that programs take their database, and what their names begin with, from.
const PLACE: [&str; 2] = ["WORKFLOW_DATABASE_URL", "WORKFLOW_NAMESPACE"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn compose() -> Value {
    serde_saphyr::from_str(&read("docker-compose.yml")).unwrap()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap()).collect()
}

/// The environment of a service.
fn environment<'a>(compose: &'a Value, service: &str) -> BTreeMap<&'a str, &'a str> {
    let variables = compose["services"][service]["environment"].as_object();
    let text = |value: &'a Value| value.as_str().expect("values are texts, or YAML makes others of them");
    variables.into_iter().flatten().map(|(name, value)| (name.as_str(), text(value))).collect()
}

/// The services that run our programs, with the program of each.
fn ours(compose: &Value) -> Vec<(&str, &str)> {
    let services = compose["services"].as_object().unwrap();
    let ours = services.iter().filter(|(_, service)| service["image"] == "workflow:local");
    ours.map(|(name, service)| (name.as_str(), texts(&service["command"])[0])).collect()
}

/// The variables that the sources of the programs name.
fn variables_read() -> BTreeSet<String> {
    let mut folders: Vec<PathBuf> = ["examples/order-processor/src", "outbox-relay/src", "workflowctl/src"]
        .map(|folder| root().join(folder))
        .to_vec();
    let mut found = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(path).unwrap();
            let quoted = text.split('"').filter(|part| part.starts_with("WORKFLOW_"));
            found.extend(quoted.map(str::to_owned));
        }
    }
    found
}

#[test]
fn the_schema_of_the_compose_specification_allows_it() {
    let schema: Value = serde_json::from_str(&read("tests/compose/compose-spec.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let compose = compose();
    let wrong: Vec<String> =
        schema.iter_errors(&compose).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut broken = compose;
    broken["services"]["kafka"]["healthcheck"]["retries"] = "often and often".into();
    broken["services"]["etcd"]["helthcheck"] = Value::Null;
    assert!(!schema.is_valid(&broken), "the schema is applied at all");
}

#[test]
fn the_broker_has_the_settings_of_ours() {
    let compose = compose();
    let kafka = environment(&compose, "kafka");
    for setting in kafka::SETTINGS {
        let (name, value) = setting.split_once('=').unwrap();
        let variable = format!("KAFKA_{}", name.to_uppercase().replace('.', "_"));
        let found = kafka.get(&*variable).unwrap_or_else(|| panic!("there is no {variable}"));
        // A map may have more listeners than ours.
        let parts: BTreeSet<&str> = found.split(',').collect();
        assert!(value.split(',').all(|part| parts.contains(part)), "{variable} is {found}, not {value}");
    }
    assert!(kafka::HEAP.join(" ").starts_with(kafka["KAFKA_HEAP_OPTS"]));
    let version = read(jars::POM).split("<artifactId>kafka_2.13</artifactId>").nth(1).unwrap().to_owned();
    let version = version.split(['<', '>']).nth(2).unwrap().to_owned();
    assert_eq!(compose["services"]["kafka"]["image"], format!("apache/kafka:{version}"));
}

#[test]
fn the_databases_have_the_settings_of_ours() {
    let compose = compose();
    let not_alone = |setting: &&str| {
        // Those that keep a server to loopback, where another container could not reach it.
        !["bind-address", "--socket", "listen_addresses", "unix_socket"]
            .iter()
            .any(|part| setting.contains(part))
    };
    let command = texts(&compose["services"]["mariadb"]["command"]);
    assert_eq!(command, mariadb::SETTINGS.into_iter().filter(not_alone).collect::<Vec<_>>());
    let command = texts(&compose["services"]["postgres"]["command"]);
    let settings: Vec<&str> = command.into_iter().skip(1).filter(|word| *word != "-c").collect();
    assert_eq!(settings, postgres::SETTINGS.into_iter().filter(not_alone).collect::<Vec<_>>());
}

#[test]
fn every_program_is_told_its_servers_by_the_variables_of_the_native_ones() {
    let compose = compose();
    let known = variables_read();
    let named = Kind::ALL.map(Kind::variable).into_iter().chain(PLACE);
    let ours = ours(&compose);
    let named: BTreeSet<&str> = named.collect();
    for (service, program) in &ours {
        let variables = environment(&compose, service);
        let unknown: Vec<&&str> =
            variables.keys().filter(|name| !known.contains(**name) || !named.contains(**name)).collect();
        assert!(unknown.is_empty(), "{service} is given {unknown:?}, which nothing reads");
        assert!(variables.contains_key(PLACE[0]), "{service} has no database");
        let needs_brokers = *program == "outbox-relay" || *service != "shop" && *program == "order-processor";
        assert_eq!(variables.contains_key(Kind::Kafka.variable()), needs_brokers, "{service}");
    }
    let programs: BTreeSet<&str> = ours.iter().map(|(_, program)| *program).collect();
    assert_eq!(programs, BTreeSet::from(PROGRAMS));
}

#[test]
fn addresses_name_services_and_the_ports_that_they_listen_on() {
    let compose = compose();
    let ports =
        BTreeMap::from([("kafka", "9092"), ("etcd", "2379"), ("mariadb", "3306"), ("postgres", "5432")]);
    for (service, _) in ours(&compose) {
        for (name, value) in environment(&compose, service) {
            let Some((host, port)) = value.rsplit_once(':') else { continue };
            let host = host.rsplit(['@', '/']).next().unwrap();
            let port = port.split('/').next().unwrap();
            assert_eq!(ports.get(host), Some(&port), "{service}: {name}");
        }
    }
    for (service, port) in ports {
        for published in texts(&compose["services"][service]["ports"]) {
            assert!(published.starts_with("127.0.0.1:"), "{service} is open to others: {published}");
        }
        let server = &compose["services"][service];
        let listens = format!("{}{}", server["environment"], server["command"]);
        let default = ["mariadb", "postgres"].contains(&service);
        assert!(default || listens.contains(&format!(":{port}")), "{service} does not listen on {port}");
    }
}

#[test]
fn databases_have_a_relay_and_a_namespace_each_and_three_workers() {
    let compose = compose();
    let of_program = |wanted: &str| {
        let ours = ours(&compose);
        ours.into_iter().filter(|(_, program)| *program == wanted).map(|(name, _)| name).collect::<Vec<_>>()
    };
    let places = |services: &[&str]| {
        let place = |service: &&str| {
            let variables = environment(&compose, service);
            (variables[PLACE[0]].to_owned(), variables[PLACE[1]].to_owned())
        };
        services.iter().map(place).collect::<BTreeSet<_>>()
    };
    let relays = of_program("outbox-relay");
    assert_eq!(places(&relays).len(), 2, "{relays:?}");
    let workers = of_program("order-processor");
    assert_eq!(places(&workers), places(&relays));
    for service in workers.into_iter().filter(|service| *service != "shop") {
        assert_eq!(compose["services"][service]["deploy"]["replicas"], 3, "{service}");
    }
}

#[test]
fn servers_keep_their_data_and_are_waited_for() {
    let compose = compose();
    let volumes: BTreeSet<&String> = compose["volumes"].as_object().unwrap().keys().collect();
    for kind in Kind::ALL {
        let server = &compose["services"][kind.name()];
        assert!(server["healthcheck"]["test"][0] == "CMD", "{kind} has no health check");
        let kept = texts(&server["volumes"]).concat();
        assert!(kept.starts_with(&format!("{kind}:/")), "{kind} keeps {kept}");
        assert!(volumes.iter().any(|volume| *volume == kind.name()));
    }
    for (service, program) in ours(&compose) {
        for (other, wait) in compose["services"][service]["depends_on"].as_object().unwrap() {
            let is_job = other.starts_with("migrate");
            let wanted = if is_job { "service_completed_successfully" } else { "service_healthy" };
            assert_eq!(wait["condition"], wanted, "{service} and {other}");
        }
        let is_job = program == "workflowctl" || service == "shop";
        let restart = &compose["services"][service]["restart"];
        assert_eq!(restart, if is_job { "no" } else { "unless-stopped" }, "{service}");
    }
}

#[test]
fn the_image_builds_the_programs_with_what_they_need_and_runs_them_as_nobody() {
    let text = read("deploy/Dockerfile");
    let (build, runs) = text.rsplit_once("\nFROM ").expect("two stages");
    for program in PROGRAMS {
        assert!(build.contains(&format!("--package {program}")), "{program} is not built");
        assert!(build.contains(&format!("target/release/{program}")), "{program} is not kept");
        let package = [program, &format!("examples/{program}")].map(|folder| root().join(folder));
        assert!(package.iter().any(|folder| folder.join("Cargo.toml").exists()), "there is no {program}");
    }
    let words: BTreeSet<&str> = build.split_whitespace().collect();
    for need in packages::BUILD {
        assert!(words.contains(need.package()), "{} is not installed", need.package());
    }
    assert!(runs.contains("libssl3") && runs.contains("zlib1g"), "what librdkafka is linked with");
    let users: Vec<&str> = runs.lines().filter_map(|line| line.strip_prefix("USER ")).collect();
    assert!(matches!(users[..], [user] if user.parse::<u32>().is_ok_and(|uid| uid > 0)), "{users:?}");
    let toolchain = build.lines().find_map(|line| line.strip_prefix("FROM rust:")).unwrap();
    let (found, wanted) = (minor(toolchain), minor(env!("CARGO_PKG_RUST_VERSION")));
    assert!(found >= wanted, "rust 1.{found} is older than 1.{wanted}");
}

fn minor(version: &str) -> u32 {
    version.split(['.', '-']).nth(1).unwrap().parse().unwrap()
}
