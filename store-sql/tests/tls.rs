//! Encrypted connections: what is checked of the server, and what the server asks of the client.
#![cfg(all(feature = "mysql", feature = "postgres"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod authority;
mod servers;

use std::fs;
use std::path::Path;

use authority::{Authority, Pair};
use servers::{Kind, Server, Spec};
use sqlx::{Connection, MySqlConnection};
use store_sql::{MySql, Postgres};
use tempfile::TempDir;
use tokio::task::block_in_place;
use workflow_conformance::samples::start;
use workflow_core::adapter::{BackendError, ErrorKind};

/// The host that the server's certificate is for.
const HOST: &str = "localhost";

/// The files of a client.
struct Files {
    folder: TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new() };
        files.put("ca.pem", &files.authority.certificate());
        files.put("other.pem", &Authority::new().certificate());
        files.put_pair("client", &files.authority.client(servers::NAME));
        files.put_pair("stranger", &Authority::new().client(servers::NAME));
        files
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn put_pair(&self, name: &str, pair: &Pair) {
        self.put(&format!("{name}.pem"), &pair.certificate);
        self.put(&format!("{name}.key"), &pair.key);
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts the paths of files into parameters.
    fn with(&self, url: &str, parameters: &str) -> String {
        format!("{url}?{}", parameters.replace("{}", &self.path().display().to_string()))
    }
}

/// A server with a certificate of an authority.
fn server(kind: Kind, files: &Files, arguments: &[&str]) -> Server {
    block_in_place(|| {
        let server = Spec::new(kind).with(arguments).prepare();
        let pair = files.authority.server(HOST);
        server.write("server.pem", &pair.certificate);
        server.write("server.key", &pair.key);
        server.write("ca.pem", &files.authority.certificate());
        server.write("hba.conf", "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n");
        server.started()
    })
}

const POSTGRES: [&str; 8] = [
    "-c",
    "ssl=on",
    "-c",
    "ssl_cert_file={folder}/server.pem",
    "-c",
    "ssl_key_file={folder}/server.key",
    "-c",
    "ssl_ca_file={folder}/ca.pem",
];

const MARIADB: [&str; 4] = [
    "--ssl-cert={folder}/server.pem",
    "--ssl-key={folder}/server.key",
    "--ssl-ca={folder}/ca.pem",
    "--require-secure-transport=on",
];

fn refused<V>(connected: Result<V, BackendError>, server: &Server, case: &str) -> BackendError {
    let error = connected.err().unwrap_or_else(|| panic!("{case} was not refused"));
    assert_eq!(error.kind(), ErrorKind::Permanent, "{case}: {error}: {error:?}");
    assert!(!format!("{error} {error:?}").contains(server.password()), "{case}");
    error
}

/// Names for PostgreSQL, host, and whether it works.
const CASES: [(&str, &str, bool); 9] = [
    ("sslmode=verify-full&sslrootcert={}/ca.pem", HOST, true),
    ("sslmode=verify-ca&sslrootcert={}/ca.pem", "127.0.0.1", true),
    ("sslmode=require", "127.0.0.1", true),
    ("sslmode=prefer", "127.0.0.1", true),
    // The certificate is not for this host.
    ("sslmode=verify-full&sslrootcert={}/ca.pem", "127.0.0.1", false),
    // It is not of this authority, or not of one that the system trusts.
    ("sslmode=verify-full&sslrootcert={}/other.pem", HOST, false),
    ("sslmode=verify-ca&sslrootcert={}/other.pem", "127.0.0.1", false),
    ("sslmode=verify-full", HOST, false),
    ("sslmode=verify-ca&sslrootcert={}/no-such-file.pem", HOST, false),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_trusted_as_far_as_it_was_checked() {
    let files = Files::new();
    let server = server(Kind::Postgres, &files, &POSTGRES);
    for (parameters, host, works) in CASES {
        let url = files.with(&server.url_at(host, server.port()), parameters);
        let connected = Postgres::connect(&url).await;
        if works {
            let store = connected.unwrap_or_else(|error| panic!("{parameters}: {error:?}")).store().clone();
            let text = "select count(*) from pg_stat_ssl where pid = pg_backend_pid() and ssl";
            assert_eq!(
                sqlx::query_scalar::<_, i64>(text).fetch_one(store.pool()).await.unwrap(),
                1,
                "{parameters}"
            );
        } else {
            let error = refused(connected, &server, parameters);
            let said = match parameters.contains("no-such-file") {
                true => "no-such-file.pem cannot be read",
                false => "check sslmode and certificates",
            };
            assert!(error.to_string().contains(said), "{parameters}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_is_trusted_as_far_as_it_was_checked() {
    let files = Files::new();
    let server = server(Kind::MariaDb, &files, &MARIADB);
    for (parameters, host, works) in CASES {
        let parameters = parameters
            .replace("sslmode=verify-full", "ssl-mode=VERIFY_IDENTITY")
            .replace("sslmode=verify-ca", "ssl-mode=VERIFY_CA")
            .replace("sslmode=require", "ssl-mode=REQUIRED")
            .replace("sslmode=prefer", "ssl-mode=PREFERRED")
            .replace("sslrootcert", "ssl-ca");
        let url = files.with(&server.url_at(host, server.port()), &parameters);
        let connected = MySql::connect(&url).await;
        if works {
            let store = connected.unwrap_or_else(|error| panic!("{parameters}: {error:?}")).store().clone();
            let row: (String, String) = sqlx::query_as("show session status like 'Ssl_cipher'")
                .fetch_one(store.pool())
                .await
                .unwrap();
            assert!(!row.1.is_empty(), "{parameters}");
        } else {
            let error = refused(connected, &server, &parameters);
            let said = match parameters.contains("no-such-file") {
                true => "no-such-file.pem cannot be read",
                false => "check ssl-mode and certificates",
            };
            assert!(error.to_string().contains(said), "{parameters}: {error}");
        }
    }
    // The Go driver's name for all of it.
    let go =
        format!("{}:{}@tcp({HOST}:{})/workflow?tls=true", servers::NAME, server.password(), server.port());
    refused(MySql::connect(&go).await, &server, "tls=true");
    refused(MySql::connect(&go.replace("true", "false")).await, &server, "tls=false");
    MySql::connect(&go.replace("true", "skip-verify")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_that_asks_for_a_certificate_gets_it() {
    let files = Files::new();
    let arguments = [&POSTGRES[..], &["-c", "hba_file={folder}/hba.conf"]].concat();
    let server = server(Kind::Postgres, &files, &arguments);
    let url = server.url_at(HOST, server.port());
    let base = "sslmode=verify-full&sslrootcert={}/ca.pem";
    refused(Postgres::connect(&files.with(&url, base)).await, &server, "no certificate");
    let with =
        |name: &str| files.with(&url, &format!("{base}&sslcert={{}}/{name}.pem&sslkey={{}}/{name}.key"));
    let backend = Postgres::connect(&with("client")).await.unwrap();
    start(backend.store(), "order-1").await;
    assert!(Postgres::connect(&with("stranger")).await.is_err(), "a certificate of another authority");
    let clear = files.with(&url, "sslmode=disable");
    refused(Postgres::connect(&clear).await, &server, "no encryption");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_that_asks_for_a_certificate_gets_it() {
    let files = Files::new();
    let server = server(Kind::MariaDb, &files, &MARIADB);
    let url = server.url_at(HOST, server.port());
    let mut admin = MySqlConnection::connect(&files.with(&url, "ssl-mode=REQUIRED")).await.unwrap();
    let text = "alter user 'workflow'@'127.0.0.1' require x509";
    sqlx::raw_sql(text).execute(&mut admin).await.unwrap();
    let base = "ssl-mode=VERIFY_IDENTITY&ssl-ca={}/ca.pem";
    refused(MySql::connect(&files.with(&url, base)).await, &server, "no certificate");
    let with =
        |name: &str| files.with(&url, &format!("{base}&ssl-cert={{}}/{name}.pem&ssl-key={{}}/{name}.key"));
    let backend = MySql::connect(&with("client")).await.unwrap();
    start(backend.store(), "order-1").await;
    assert!(MySql::connect(&with("stranger")).await.is_err(), "a certificate of another authority");
}
