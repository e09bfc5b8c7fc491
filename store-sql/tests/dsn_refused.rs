//! What is wrong with connection strings is said all at once, by name, and without their secrets.
#![allow(missing_docs, clippy::unwrap_used)]

use proptest::prelude::*;
use store_sql::config::{Dsn, PoolOptions};

/// The parts that are refused.
fn parts(text: &str) -> Vec<String> {
    let error = text.parse::<Dsn>().expect_err(text);
    error.problems().iter().map(|problem| problem.part.clone()).collect()
}

/// The reason of the only problem.
fn reason(text: &str) -> String {
    let error = text.parse::<Dsn>().expect_err(text);
    assert_eq!(error.problems().len(), 1, "{error}");
    error.problems()[0].reason.clone()
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = "u:p@tcp(h:99999)/?parseTime=false&charset=latin1&loc=Local&timeout=soon&wait=1&tls=custom";
    assert_eq!(parts(text), ["port", "parseTime", "charset", "loc", "timeout", "wait", "tls", "database"]);
    let text =
        "postgres://u:p@h:x/?sslmode=allow&connect_timeout=1s&target_session_attrs=read-write&a=b&sslkey=k";
    let expected = ["port", "sslmode", "connect_timeout", "target_session_attrs", "a", "database", "sslkey"];
    assert_eq!(parts(text), expected);
    assert_eq!(parts("sqlite:?mode=ro&cache=shared&x=1"), ["file", "mode", "cache", "x"]);
}

#[test]
fn no_piece_of_a_password_that_was_not_encoded_is_shown() {
    for text in [
        "postgres://u:se?cret@h/d",
        "postgres://u:se?cret=1@h/d?sslmode=x",
        "mysql://u:se@x?cret=1@h/d",
        "mysql://u:1/cret@h",
        "mysql://u:1/2?cret=3@h/d",
        "host=h password=se cret=x dbname=d",
        "host=h password=se cret dbname=d",
        "host=h password='se'cret=x' dbname=d",
        "host=h password=se cret='x dbname=d",
    ] {
        let error = text.parse::<Dsn>().expect_err(text);
        assert!(!format!("{error}{error:?}").contains("cret"), "{text}: {error}");
        assert!(["%3F", "' '"].iter().any(|hint| error.to_string().contains(hint)), "{text}: {error}");
    }
    // A name that is none is shown where it cannot be a piece of one.
    assert_eq!(parts("host=h wait=x password=secret dbname=d"), ["wait"]);
}

#[test]
fn a_nul_is_refused_before_a_server_takes_it_for_an_end() {
    for text in ["postgres://u%00x@h/d", "mysql://u:p%00@h/d", "host=h user='u\0x' dbname=d"] {
        assert!(reason(text).contains("NUL"), "{text:?}");
    }
}

#[test]
fn keywords_are_complained_of_in_keywords() {
    let error = "host=h user=u".parse::<Dsn>().expect_err("it names no database").to_string();
    assert!(error.contains("dbname: ") && error.contains("dbname=orders"), "{error}");
    assert!(!error.contains("postgres://"), "{error}");
    // What could not be read to its end may well name one.
    for text in ["host=h x dbname=d", "host='h dbname=d"] {
        assert!(!reason(text).contains("orders"), "{text}");
    }
}

#[test]
fn a_refusal_says_what_to_write_instead() {
    let cases = [
        ("u@tcp(h)/d?charset=latin1", "utf8mb4"),
        ("u@tcp(h)/d?loc=Europe%2FParis", "UTC"),
        ("u@tcp(h)/d?tls=custom", "ssl-ca"),
        ("u@tcp(h)/d?parseTime=false", "write true"),
        ("u@tcp(h)/d?interpolateParams=true", "write false"),
        ("u@tcp(h)/d?collation=latin1_bin", "utf8mb4_unicode_ci"),
        ("u@tcp(h)/d?collation=utf8mb4_bin;drop", "utf8mb4_unicode_ci"),
        ("u@tcp(h)/d?tx_isolation='SERIALIZABLE'", "READ COMMITTED"),
        ("u@tcp(h)/d?sql_mode=''", "the program sets"),
        ("u@pipe(h)/d", "tcp or unix"),
        ("mysql://u@h", "mysql://host/orders"),
        ("mysql://u@h/d/e", "%2F"),
        ("mysql://u@h/d#x", "%23"),
        ("mysql://u@a,b/d", "primary"),
        ("mysql://u@[::1/d", "]"),
        ("mysql://u@h/d?ssl-mode=REQUIRED&ssl-ca=/ca.pem", "VERIFY_CA"),
        ("mysql://u@h/d?ssl-mode=VERIFY_CA&ssl-cert=/c.pem", "ssl-key"),
        ("mysql://u@h/d?allowCleartextPasswords=true", "VERIFY_IDENTITY"),
        ("mysql://u@h/d?timeout=5s&timeout=6s", "twice"),
        ("u@unix(/run/a.sock)/d?socket=%2Frun%2Fb.sock", "twice"),
        ("postgres://u@h/d?sslmode=allow", "prefer"),
        ("postgres://u@h/d?sslmode=prefer&sslrootcert=/ca", "verify-full"),
        ("postgres://u@h/d?options=-c%20TimeZone=PRC", "leave it out"),
        ("postgres://u@h/d?options=-c%20enable_seqscan=on", "leave it out"),
        ("postgres://u@h/d?options=-c%20application_name=x", "parameter of its own"),
        ("postgres://u@h/d?statement_timeout=soon", "5s"),
        ("postgres://u@h/d?statement_timeout=90000000", "longer than a day"),
        ("postgres://u@h/d?timezone=PRC", "UTC"),
        ("postgres://u@h/d?search_path=a", "options=-c%20search_path"),
        ("postgres://u@h/d?keepalives_idle=5", "leave it out"),
        ("postgres://u@h/d?sslpassword=x", "only its owner"),
        ("postgres://u@h/d?pooler=session", "transaction"),
        ("host=a,b dbname=d", "primary"),
        ("host=a dbname=d sslmode", "' '"),
        ("sqlite::memory:", "sqlite:orders.db"),
        ("redis://h/d", "mysql://"),
        ("orders", "sqlite:file"),
    ];
    for (text, hint) in cases {
        let reason = reason(text);
        assert!(reason.contains(hint), "{text}: {reason}");
    }
}

#[test]
fn pool_options_are_checked_all_at_once() {
    let zero = std::time::Duration::ZERO;
    let options = PoolOptions::new().max_open(0).min_idle(3).max_lifetime(zero).statement_timeout(zero);
    let error = options.check().unwrap_err();
    let parts: Vec<_> = error.problems().iter().map(|problem| problem.part.as_str()).collect();
    assert_eq!(parts, ["max_open", "min_idle", "max_lifetime", "statement_timeout"]);
}

/// Strings with this password, right and wrong ones.
fn with_password(password: &str) -> Vec<String> {
    vec![
        format!("mysql://u:{password}@h/d"),
        format!("mysql://u:{password}@h:x/d?nope=1"),
        format!("mysql://u:{password}%zz@h/d"),
        format!("u:{password}@tcp(h)/d?x=1"),
        format!("u:{password}@tcp(h)"),
        format!("u:{password}@tcp(h"),
        format!("postgres://u:{password}@h/d?sslmode=allow"),
        format!("host=h password={password} dbname=d"),
        format!("host=h password='{password} dbname=d"),
        format!("host=h password=x {password} dbname=d"),
        format!("postgres://u@h/d?password={password}&sslmode=disable"),
        format!("postgres://u@h/d?sslpassword={password}"),
        format!("mysql://u@h/d?password={password}"),
    ]
}

#[test]
fn passwords_are_never_shown() {
    for text in with_password("hunter2canary") {
        let shown = match text.parse::<Dsn>() {
            Ok(dsn) => format!("{dsn} {dsn:?} {dsn:#?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!shown.contains("canary"), "{text}: {shown}");
    }
}

#[cfg(feature = "mysql")]
#[tokio::test]
async fn an_error_of_connecting_shows_no_password() {
    let refused =
        store_sql::MySql::connect("mysql://u:canary@127.0.0.1:1/d?timeout=200ms").await.unwrap_err();
    let shown = format!("{refused} {refused:?}");
    assert!(shown.contains("u:***@127.0.0.1:1/d") && !shown.contains("canary"), "{shown}");
    let refused = store_sql::MySql::connect("mysql://u:canary@h/d?x=1").await.unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("canary"));
}

/// Parts of strings that mean something, and some that do not.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("mysql://".to_owned()),
        Just("postgres://".to_owned()),
        Just("sqlite:".to_owned()),
        Just("@tcp(".to_owned()),
        Just("unix(".to_owned()),
        Just(")/".to_owned()),
        Just("host=".to_owned()),
        Just("password='".to_owned()),
        Just("options='-c ".to_owned()),
        "[a-z@/:?&=%#()'\\[\\] ,]{0,6}",
        ".{0,4}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_makes_reading_panic(text in pieces()) {
        let _ = text.parse::<Dsn>();
    }

    #[test]
    fn what_is_shown_means_the_same(text in pieces()) {
        if let Ok(dsn) = text.parse::<Dsn>() {
            let shown = dsn.to_string();
            let again: Dsn = shown.parse().unwrap_or_else(|error| panic!("{text:?} shown as {shown:?}: {error}"));
            prop_assert_eq!(again.to_string(), shown);
        }
    }

    #[test]
    fn a_full_string_is_shown_as_it_was_but_for_its_password(
        user in "[^\\p{Cc}]{1,12}", database in "[^\\p{Cc}]{1,12}", password in "[^\\x00\\n]{1,12}",
        port in 1_u16.., millis in 1_u64..90_000, ca in "/[^\\p{Cc}]{1,10}", postgres in any::<bool>(),
    ) {
        let hex = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let (scheme, params) = if postgres {
            ("postgres", format!("sslmode=verify-full&sslrootcert={}&connect_timeout={}", hex(&ca), millis / 1000 + 1))
        } else {
            ("mariadb", format!("ssl-mode=VERIFY_CA&ssl-ca={}&readTimeout={millis}ms", hex(&ca)))
        };
        let text = |password: &str| {
            format!("{scheme}://{}:{}@db.example:{port}/{}?{params}", hex(&user), hex(password), hex(&database))
        };
        let dsn: Dsn = text(&password).parse().unwrap();
        let masked: Dsn = text("***").parse().unwrap();
        prop_assert_eq!(dsn.to_string(), masked.to_string());
        prop_assert_eq!(dsn.to_string().parse::<Dsn>().unwrap(), masked);
    }
}
