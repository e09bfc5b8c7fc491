//! What connection strings of every form mean.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use store_sql::config::{Dsn, MySqlDsn, Pooler, PostgresDsn, TlsMode};

fn mysql(text: &str) -> MySqlDsn {
    match text.parse() {
        Ok(Dsn::MySql(dsn)) => dsn,
        other => panic!("{text}: {other:?}"),
    }
}

fn postgres(text: &str) -> PostgresDsn {
    match text.parse() {
        Ok(Dsn::Postgres(dsn)) => dsn,
        other => panic!("{text}: {other:?}"),
    }
}

fn password(secret: &Option<store_sql::config::Secret>) -> Option<&str> {
    secret.as_ref().map(|secret| secret.expose())
}

#[test]
fn the_guides_full_go_form_is_honoured() {
    let dsn = mysql(
        "user:pass@tcp(localhost:3307)/workflow_db?parseTime=true&charset=utf8mb4&collation=utf8mb4_unicode_ci&\
         tls=true&loc=UTC&timeout=10s&readTimeout=30s&writeTimeout=20s",
    );
    assert_eq!((dsn.user.as_str(), password(&dsn.password)), ("user", Some("pass")));
    assert_eq!((dsn.host.as_str(), dsn.port, dsn.database.as_str()), ("localhost", 3307, "workflow_db"));
    assert_eq!(dsn.collation.as_deref(), Some("utf8mb4_unicode_ci"));
    assert_eq!(dsn.tls.effective_mode(), TlsMode::VerifyIdentity);
    assert_eq!(dsn.connect_timeout, Some(Duration::from_secs(10)));
    assert_eq!(dsn.statement_timeout, Some(Duration::from_secs(30)));
    assert_eq!(dsn.write_timeout, Some(Duration::from_secs(20)));
}

#[test]
fn every_example_of_the_guide_is_read() {
    for text in [
        "user:pass@tcp(localhost:3306)/workflow_db?parseTime=true",
        "user:pass@tcp(mariadb:3306)/workflow_db?parseTime=true",
        "user:pass@tcp(db.example.com:3306)/workflow_db?parseTime=true&tls=true",
        "user:pass@tcp(localhost:3306)/workflow_db?parseTime=true&loc=UTC",
        "workflow_user:workflow_pass@tcp(localhost:3306)/workflow_db?parseTime=true&charset=utf8mb4&collation=\
         utf8mb4_unicode_ci",
        "postgres://user:pass@localhost:5432/workflow_db?sslmode=disable",
        "postgres://user:pass@db.example.com:5432/workflow_db?sslmode=require",
        "postgres://user:pass@localhost:5432/workflow_db?sslmode=disable&connect_timeout=10",
        "postgres://user:pass@localhost:5432/workflow_db?sslmode=require&connect_timeout=10&application_name=workflow",
    ] {
        assert!(text.parse::<Dsn>().is_ok(), "{text}: {:?}", text.parse::<Dsn>());
    }
}

#[test]
fn the_go_form_has_addresses_of_every_kind() {
    let cases = [
        ("u@tcp(h)/d", "h", 3306, None),
        ("u@tcp/d", "127.0.0.1", 3306, None),
        ("u@/d", "127.0.0.1", 3306, None),
        ("/d", "127.0.0.1", 3306, None),
        ("tcp(h:1)/d", "h", 1, None),
        ("u@tcp([::1]:3)/d", "::1", 3, None),
        ("u@unix(/run/my/s.sock)/d", "127.0.0.1", 3306, Some("/run/my/s.sock")),
        ("unix(/run/s.sock)/d?parseTime=true", "127.0.0.1", 3306, Some("/run/s.sock")),
    ];
    for (text, host, port, socket) in cases {
        let dsn = mysql(text);
        assert_eq!(
            (dsn.host.as_str(), dsn.port, dsn.socket.as_deref()),
            (host, port, socket.map(Path::new)),
            "{text}"
        );
        assert_eq!(dsn.database, "d", "{text}");
    }
}

#[test]
fn go_passwords_stand_as_they_are() {
    for secret in ["p@ss", "a/b", "100%", "x:y", "q?z=1", "a@tcp(x)/y", "host=1", "://", "p)/q"] {
        let dsn = mysql(&format!("user:{secret}@tcp(db:3306)/orders?parseTime=true"));
        assert_eq!(password(&dsn.password), Some(secret));
        assert_eq!((dsn.user.as_str(), dsn.host.as_str(), dsn.database.as_str()), ("user", "db", "orders"));
    }
}

#[test]
fn urls_are_percent_decoded() {
    for scheme in ["mysql", "mariadb", "MySQL"] {
        let dsn = mysql(&format!(
            "{scheme}://us%40er:p%2Fa%3Ass%23@[2001:db8::1]:3307/or%20ders?ssl-mode=required"
        ));
        assert_eq!((dsn.user.as_str(), password(&dsn.password)), ("us@er", Some("p/a:ss#")));
        assert_eq!((dsn.host.as_str(), dsn.port, dsn.database.as_str()), ("2001:db8::1", 3307, "or ders"));
        assert_eq!(dsn.tls.mode, Some(TlsMode::Required));
    }
    let dsn = postgres("postgresql://u:p%20w@%2Frun%2Fpg/orders");
    assert_eq!((dsn.socket.as_deref(), password(&dsn.password)), (Some(Path::new("/run/pg")), Some("p w")));
}

#[test]
fn the_keyword_form_is_honoured() {
    let dsn = postgres(
        r"host=db.example.com port = 5433 user=shop password='it''s \'fine\'' dbname=orders sslmode=verify-full \
          sslrootcert=/etc/ca.pem connect_timeout=7 application_name='work flow' options='-c search_path=a\\ b --geqo=off'"
            .replace("\\\n          ", "")
            .as_str(),
    );
    assert_eq!((dsn.host.as_str(), dsn.port, dsn.user.as_str()), ("db.example.com", 5433, "shop"));
    assert_eq!(password(&dsn.password), Some("it's 'fine'"));
    assert_eq!(dsn.tls.ca.as_deref(), Some(Path::new("/etc/ca.pem")));
    assert_eq!(dsn.tls.effective_mode(), TlsMode::VerifyIdentity);
    assert_eq!(dsn.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(dsn.application_name.as_deref(), Some("work flow"));
    let settings = [("search_path", "a b"), ("geqo", "off")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    assert_eq!(dsn.settings, settings);
}

#[test]
fn certificates_choose_a_mode_that_looks_at_them() {
    let dsn = mysql("mysql://u@h/d?ssl-ca=/ca.pem&ssl-cert=/c.pem&ssl-key=/k.pem");
    assert_eq!(dsn.tls.effective_mode(), TlsMode::VerifyCa);
    assert_eq!(dsn.tls.client_key.as_deref(), Some(Path::new("/k.pem")));
    // libpq has always checked the certificate of `require` if an authority is named.
    let dsn = postgres("postgres://u@h/d?sslmode=require&sslrootcert=/ca.pem");
    assert_eq!(dsn.tls.effective_mode(), TlsMode::VerifyCa);
    assert_eq!(postgres("postgres://u@h/d?sslmode=require").tls.effective_mode(), TlsMode::Required);
}

#[test]
fn go_names_of_tls_modes_are_known() {
    let cases = [
        ("true", TlsMode::VerifyIdentity),
        ("false", TlsMode::Disabled),
        ("skip-verify", TlsMode::Required),
        ("preferred", TlsMode::Preferred),
    ];
    for (name, mode) in cases {
        assert_eq!(mysql(&format!("u@tcp(h)/d?tls={name}")).tls.effective_mode(), mode);
    }
    assert_eq!(mysql("u@tcp(h)/d").tls.effective_mode(), TlsMode::Preferred);
}

#[test]
fn poolers_and_caches_are_read() {
    let dsn = postgres("postgres://u@h/d?pooler=transaction&statement-cache-capacity=64");
    assert_eq!((dsn.pooler, dsn.statement_cache), (Some(Pooler::Transaction), Some(64)));
    assert_eq!(mysql("mysql://u@h/d?statement-cache-capacity=64").statement_cache, Some(64));
}

#[test]
fn a_statement_timeout_is_read_wherever_it_stands() {
    let cases = [
        ("statement_timeout=5000", Some(5000)),
        ("statement_timeout=750ms", Some(750)),
        ("statement_timeout=2min", Some(120_000)),
        ("options=-c%20statement_timeout=3s%20-c%20geqo=off", Some(3000)),
        ("options=-c%20Statement_Timeout=3s", Some(3000)),
        ("statement_timeout=0", None),
    ];
    for (parameters, millis) in cases {
        let dsn = postgres(&format!("postgres://u@h/d?{parameters}"));
        assert_eq!(dsn.statement_timeout, millis.map(Duration::from_millis), "{parameters}");
        assert!(dsn.settings.iter().all(|(name, _)| name == "geqo"), "{:?}", dsn.settings);
    }
}

#[test]
fn sqlite_files_are_read() {
    let cases = [
        ("sqlite:orders.db", "orders.db", true),
        ("sqlite://orders.db", "orders.db", true),
        ("sqlite:///var/orders.db", "/var/orders.db", true),
        ("sqlite:/var/or%20ders.db?mode=rw", "/var/or ders.db", false),
        ("sqlite:a.db?mode=rwc", "a.db", true),
    ];
    for (text, file, create) in cases {
        let Ok(Dsn::Sqlite(dsn)) = text.parse() else { panic!("{text}") };
        assert_eq!((dsn.file.as_path(), dsn.create), (Path::new(file), create), "{text}");
    }
}

#[cfg(feature = "mysql")]
#[test]
fn mysql_strings_become_the_drivers_options() {
    let options = mysql("shop:pw@tcp(db:3307)/orders?tls=true&collation=utf8mb4_bin").connect_options();
    assert_eq!((options.get_host(), options.get_port()), ("db", 3307));
    assert_eq!((options.get_username(), options.get_database()), ("shop", Some("orders")));
    assert_eq!((options.get_charset(), options.get_collation()), ("utf8mb4", Some("utf8mb4_bin")));
    assert!(matches!(options.get_ssl_mode(), sqlx::mysql::MySqlSslMode::VerifyIdentity));
    let options = mysql("unix(/s.sock)/d?ssl-ca=/ca.pem").connect_options();
    assert_eq!(options.get_socket().map(|path| path.as_path()), Some(Path::new("/s.sock")));
    assert!(matches!(options.get_ssl_mode(), sqlx::mysql::MySqlSslMode::VerifyCa));
}

#[cfg(feature = "postgres")]
#[test]
fn postgres_strings_become_the_drivers_options() {
    let options = postgres("postgres://shop:pw@db:5433/orders?sslmode=verify-full&options=-c%20geqo=off")
        .connect_options();
    assert_eq!((options.get_host(), options.get_port()), ("db", 5433));
    assert_eq!((options.get_username(), options.get_database()), ("shop", Some("orders")));
    assert_eq!(options.get_application_name(), Some("workflow"));
    assert!(options.get_options().unwrap().contains("geqo=off"));
    assert!(matches!(options.get_ssl_mode(), sqlx::postgres::PgSslMode::VerifyFull));
}
