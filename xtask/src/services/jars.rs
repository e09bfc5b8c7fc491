//! The jars of the Kafka broker, fetched once by Maven.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::launch::complete;
use super::packages;

/// The environment variable that names the folder of jars, for tests that start brokers of their own.
pub(crate) const VARIABLE: &str = "WORKFLOW_KAFKA_LIBS";

/// What is fetched, relative to the project.
pub(super) const POM: &str = "tools/kafka/pom.xml";

/// The folder of jars: that of the environment, or ours, which is filled if need be.
pub(crate) fn ensure(root: &Path) -> anyhow::Result<PathBuf> {
    if let Some(given) = std::env::var_os(VARIABLE).filter(|given| !given.is_empty()) {
        let folder = PathBuf::from(given);
        anyhow::ensure!(folder.is_dir(), "{VARIABLE} names no folder: {}", folder.display());
        return Ok(folder);
    }
    let home = root.join("target/kafka");
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    let lock = File::create(home.join("lock")).context("cannot write the lock of Kafka's jars")?;
    lock.lock().context("cannot lock Kafka's jars")?;
    let pom = root.join(POM);
    let wanted = fs::read(&pom).with_context(|| format!("cannot read {POM}"))?;
    if !is_complete(&home, &wanted) {
        fetch(&pom, &home)?;
        // Written last: jars without it are those of a fetch that was cut short, or of another version.
        fs::write(home.join("pom.xml"), wanted).context("cannot note which jars are there")?;
    }
    Ok(folder_in(&home))
}

fn folder_in(home: &Path) -> PathBuf {
    home.join("libs")
}

fn is_complete(home: &Path, wanted: &[u8]) -> bool {
    folder_in(home).is_dir() && fs::read(home.join("pom.xml")).is_ok_and(|fetched| fetched == wanted)
}

fn fetch(pom: &Path, home: &Path) -> anyhow::Result<()> {
    let libs = folder_in(home);
    if libs.exists() {
        fs::remove_dir_all(&libs).with_context(|| format!("cannot remove {}", libs.display()))?;
    }
    eprintln!("fetching the jars of Kafka");
    let mut maven = Command::new(packages::path("mvn")?);
    maven.args(["-q", "-B", "-f"]).arg(pom).arg("dependency:copy-dependencies");
    maven.arg(format!("-DoutputDirectory={}", libs.display()));
    complete(maven, "the fetching of Kafka's jars by mvn")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn jars_of_another_version_or_of_half_a_fetch_are_not_complete() {
        let home = tempfile::tempdir().unwrap();
        assert!(!is_complete(home.path(), b"4.4.0"), "nothing there");
        fs::create_dir(home.path().join("libs")).unwrap();
        assert!(!is_complete(home.path(), b"4.4.0"), "cut short");
        fs::write(home.path().join("pom.xml"), "4.4.0").unwrap();
        assert!(is_complete(home.path(), b"4.4.0"));
        assert!(!is_complete(home.path(), b"4.5.0"));
    }
}
