//! Users, passwords and certificates.

use std::path::PathBuf;

use etcd_client::{Client, ConnectOptions, Permission};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use scheduler_etcd::{EtcdConfig, EtcdError, EtcdScheduler, TlsConfig};
use tempfile::TempDir;
use workflow_core::Namespace;
use workflow_core::adapter::RoleScheduler;

use crate::server::Server;
use crate::support::{eventually, role, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_a_password_works_within_its_prefix() {
    let server = Server::start().await;
    let mut root = Client::connect([server.endpoint()], None).await.unwrap();
    for (user, password) in [("root", "r"), ("worker", "geheim")] {
        root.user_add(user, password, None).await.unwrap();
    }
    root.role_add("shop").await.unwrap();
    let prefix = Permission::read_write("shop.workflow/").with_prefix();
    root.role_grant_permission("shop", prefix).await.unwrap();
    root.user_grant_role("worker", "shop").await.unwrap();
    root.user_grant_role("root", "root").await.unwrap();
    root.auth_enable().await.unwrap();

    let shop = EtcdConfig::new([server.endpoint()]).namespace(Namespace::new("shop").unwrap());
    let scheduler = EtcdScheduler::connect(shop.clone().user("worker", "geheim")).await.unwrap();
    let lease = soon("a role is claimed", scheduler.claim(role(1))).await.unwrap();
    assert!(!lease.lost.is_cancelled());

    let refused = [shop.clone().user("worker", "falsch"), shop.clone().user("nobody", "geheim"), shop];
    for config in refused {
        let error = EtcdScheduler::connect(config).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, EtcdError::Login { .. }), "{text}: {error:?}");
        assert!(
            text.contains(&server.endpoint()) && !text.contains("falsch") && !text.contains("geheim"),
            "{text}"
        );
    }
    let elsewhere = EtcdConfig::new([server.endpoint()]).namespace(Namespace::new("bank").unwrap());
    let error = EtcdScheduler::connect(elsewhere.user("worker", "geheim")).await.unwrap_err();
    assert!(matches!(error, EtcdError::Permission { .. }), "{error}");
    assert!(error.to_string().contains("bank.workflow/"), "{error}");
    let mut root = Client::connect([server.endpoint()], Some(ConnectOptions::new().with_user("root", "r")))
        .await
        .unwrap();
    assert!(!root.leases().await.unwrap().leases().is_empty());
}

/// Certificates that one authority has signed.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder }
    }

    fn sign(&self, name: &str) -> (PathBuf, PathBuf) {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        // etcd's own gateway is a client of it, with the server's certificate.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files =
            [self.folder.path().join(format!("{name}.pem")), self.folder.path().join(format!("{name}.key"))];
        std::fs::write(&files[0], certificate.pem()).unwrap();
        std::fs::write(&files[1], key.serialize_pem()).unwrap();
        files.into()
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_both_sides_are_checked() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (cert, key) = authority.sign("server");
    let arguments = [("--cert-file", &cert), ("--key-file", &key), ("--trusted-ca-file", &authority.ca())]
        .iter()
        .flat_map(|(name, file)| [(*name).to_owned(), file.display().to_string()])
        .chain(["--client-cert-auth".to_owned()])
        .collect();
    let server = Server::start_with("https", TempDir::new().unwrap(), arguments);
    assert!(server.folder().exists());
    let (cert, key) = authority.sign("client");
    let config = |tls| EtcdConfig::new([server.endpoint()]).tls(tls);
    let trusted = config(TlsConfig::new().ca_file(authority.ca()).client(&cert, &key));
    eventually("etcd answers", async || EtcdScheduler::connect(trusted.clone()).await.is_ok()).await;
    let scheduler = EtcdScheduler::connect(trusted.clone()).await.unwrap();
    soon("a role is claimed", scheduler.claim(role(1))).await.unwrap();
    let named = TlsConfig::new().ca_file(authority.ca()).client(&cert, &key).domain("localhost");
    EtcdScheduler::connect(config(named)).await.unwrap();

    let (foreign_cert, foreign_key) = stranger.sign("client");
    let refused = [
        TlsConfig::new().ca_file(authority.ca()),
        TlsConfig::new().ca_file(authority.ca()).client(foreign_cert, foreign_key),
        TlsConfig::new().ca_file(stranger.ca()).client(&cert, &key),
        TlsConfig::new().ca_file(authority.ca()).client(&cert, &key).domain("elsewhere"),
    ];
    for tls in refused {
        let error = EtcdScheduler::connect(config(tls)).await.unwrap_err();
        assert!(matches!(error, EtcdError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains(&server.endpoint()), "{error}");
    }
    let missing = TlsConfig::new().ca_file("/nowhere/ca.pem");
    let error = EtcdScheduler::connect(config(missing)).await.unwrap_err().to_string();
    assert!(error.contains("tls.ca_file") && error.contains("/nowhere/ca.pem"), "{error}");
}
