//! Flags before the environment before the file, and all that is wrong at once.

use std::fs;

use crate::place::{Answer, Place, ctl};

#[tokio::test]
async fn flags_come_before_the_environment_and_the_file_comes_last() {
    let place = Place::fresh().await;
    let missing = |name: &str| format!("sqlite:{name}");
    let tells = |answer: Answer, name: &str| assert!(answer.error.contains(name), "{answer:?}");
    let run = |args: &[&str], url: Option<&str>| {
        let mut command = ctl(place.folder(), args);
        url.into_iter().for_each(|url| {
            command.env("WORKFLOW_DATABASE_URL", url);
        });
        Answer::of(&command.output().unwrap())
    };
    tells(run(&["sizes"], None).ended(2), "there is none");
    fs::write(place.folder().join("workflowctl.toml"), "database = \"sqlite:of-the-file.db\"\n").unwrap();
    tells(run(&["sizes"], None).ended(2), "of-the-file.db");
    tells(run(&["sizes"], Some(&missing("of-the-environment.db"))).ended(2), "of-the-environment.db");
    let flag = missing("of-the-flag.db");
    let both = run(&["sizes", "--database", &flag], Some(&missing("of-the-environment.db")));
    tells(both.ended(2), "of-the-flag.db");
    fs::write(place.folder().join("other.toml"), format!("database = {:?}\n", place.url())).unwrap();
    run(&["sizes", "--config", "other.toml"], None).ended(0);
    tells(run(&["sizes", "--config", "none.toml"], None).ended(2), "none.toml: it cannot be read");
    run(&["sizes"], Some("")).ended(2);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = "database = \"mysql://me:hunter2@db:many/?compress=true\"\npassword_file = \"none\"\ntable_prefix = 3\nport = 1\n";
    fs::write(folder.path().join("workflowctl.toml"), text).unwrap();
    let answer = Answer::of(&ctl(folder.path(), &["sizes"]).output().unwrap()).ended(2);
    for told in [
        "workflowctl.toml: database: port: ",
        "workflowctl.toml: database: compress: ",
        "workflowctl.toml: database: database: ",
        "workflowctl.toml: password_file: ",
        "workflowctl.toml: table_prefix: it is a text",
        "workflowctl.toml: port: there is no such setting",
    ] {
        assert!(answer.error.contains(told), "{told}: {}", answer.error);
    }
    assert!(!answer.all().contains("hunter2"));
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_its_line_and_not_by_its_text() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("workflowctl.toml"), "# a\ndatabase = mysql://me:hunter2@db/a\n").unwrap();
    let answer = Answer::of(&ctl(folder.path(), &["sizes"]).output().unwrap()).ended(2);
    assert!(answer.error.contains("workflowctl.toml: line 2: "), "{}", answer.error);
    assert!(!answer.all().contains("hunter2"));
}

#[tokio::test]
async fn tables_of_another_prefix_are_others() {
    let place = Place::fresh().await;
    let run = |args: &[&str]| place.run(&[args, &["--table-prefix", "shop_", "--json"]].concat());
    assert!(run(&["sizes"]).ended(2).error.contains("no tables"));
    run(&["migrate", "--dry-run"]).ended(1);
    run(&["migrate"]).ended(0);
    let sizes = run(&["sizes"]).ended(0).json();
    let names: Vec<&str> =
        sizes["tables"].as_array().unwrap().iter().map(|size| size["table"].as_str().unwrap()).collect();
    assert!(names.len() == 10 && names.iter().all(|name| name.starts_with("shop_")), "{names:?}");
    run(&["archive", "--older-than", "1d"]).ended(0);
    assert!(
        run(&["archive", "--older-than", "1d", "--into", "shop_roles"]).ended(2).error.contains("own tables")
    );
    for wrong in ["shop'_", "shop\"; drop table a; --", "select "] {
        let refused = place.run(&["sizes", "--table-prefix", wrong]).ended(2);
        assert!(refused.error.contains("--table-prefix"), "{}", refused.error);
    }
    fs::write(place.folder().join("workflowctl.toml"), "table_prefix = \"a b\"\n").unwrap();
    assert!(place.run(&["sizes"]).ended(2).error.contains("workflowctl.toml: table_prefix: "));
}

#[test]
fn a_password_comes_from_one_place() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), "hunter2\n").unwrap();
    fs::write(folder.path().join("empty"), "\n").unwrap();
    fs::write(folder.path().join("two"), "hunter2\nhunter3\n").unwrap();
    fs::write(folder.path().join("nul"), "hunter\x002").unwrap();
    let cases = [
        ("mysql://me:mine@127.0.0.1:1/orders", "secret", "has a password already"),
        ("sqlite:orders.db", "secret", "a SQLite file has no password"),
        ("mysql://me@127.0.0.1:1/orders", "empty", "empty is empty"),
        ("mysql://me@127.0.0.1:1/orders", "two", "has several lines"),
        ("mysql://me@127.0.0.1:1/orders", "nul", "has a NUL"),
        ("mysql://me@127.0.0.1:1/orders", "none", "none cannot be read"),
    ];
    for (url, file, told) in cases {
        let args = ["sizes", "--database", url, "--password-file", file];
        let answer = Answer::of(&ctl(folder.path(), &args).output().unwrap()).ended(2);
        assert!(answer.error.contains(told), "{url}: {}", answer.error);
        assert!(!answer.all().contains("hunter") && !answer.all().contains("mine"), "{answer:?}");
    }
}

#[test]
fn a_server_that_cannot_be_reached_is_named_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    for scheme in ["mysql", "postgres"] {
        let url = format!("{scheme}://me:hunter2@127.0.0.1:1/orders");
        let answer =
            Answer::of(&ctl(folder.path(), &["sizes", "--database", &url]).output().unwrap()).ended(2);
        assert!(answer.error.contains("127.0.0.1:1"), "{}", answer.error);
        assert!(!answer.all().contains("hunter2"), "{answer:?}");
    }
}

#[test]
fn what_never_ends_is_not_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| Answer::of(&ctl(folder.path(), args).output().unwrap()).ended(2).error;
    let password = ["sizes", "--database", "mysql://me@127.0.0.1:1/orders", "--password-file", "/dev/zero"];
    assert!(run(&password).contains("/dev/zero cannot be read: it has more than 64 KiB"));
    let config = run(&["sizes", "--config", "/dev/zero"]);
    assert!(config.contains("/dev/zero: it cannot be read: it has more than 1024 KiB"), "{config}");
}

#[test]
fn a_file_that_cannot_be_read_is_the_only_complaint() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("broken.toml"), "database = \n").unwrap();
    for file in ["broken.toml", "none.toml", "/"] {
        let answer = Answer::of(&ctl(folder.path(), &["sizes", "--config", file]).output().unwrap()).ended(2);
        assert!(answer.error.contains(file) && !answer.error.contains("there is none"), "{}", answer.error);
    }
}
