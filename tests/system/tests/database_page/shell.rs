//! Runs the page's commands as somebody would who types them.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::blocks::Block;

/// The programs that the page names, and what they are here.
const PROGRAMS: [(&str, &str); 2] = [
    ("workflowctl", env!("CARGO_BIN_EXE_page-workflowctl")),
    ("task-processor", env!("CARGO_BIN_EXE_page-task-processor")),
];

/// Programs that cannot run here: what they were called with is written down instead.
const NOTED: [&str; 2] = ["apt-get", "docker"];

/// A folder to work in, with the programs.
pub(crate) struct Shell {
    folder: TempDir,
}

impl Shell {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        for (name, program) in PROGRAMS {
            symlink(program, bin.join(name)).unwrap();
        }
        for name in NOTED {
            let path = bin.join(name);
            let note = "#!/bin/sh\nfor word in \"$@\"; do echo \"$word\"; done > \"$(dirname \"$0\")/../$(basename \"$0\").called\"\n";
            std::fs::write(&path, note).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { folder }
    }

    /// Runs a block; what it prints, and its exit code.
    pub(crate) fn run(&self, block: &Block, database: &str) -> Output {
        let bin = self.folder.path().join("bin");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        Command::new("sh")
            .args(["-eu", "-c", &block.text])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("DATABASE_URL", database)
            .env("WORKFLOW_DATABASE_URL", database)
            .output()
            .unwrap()
    }

    /// Runs a block that must succeed; what it prints.
    pub(crate) fn must(&self, block: &Block, database: &str) -> String {
        let output = self.run(block, database);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "line {}: {}\n{said}\n{error}", block.line, output.status);
        said
    }

    /// With which words a noted program was called last.
    pub(crate) fn called(&self, program: &str) -> Vec<String> {
        let noted = std::fs::read_to_string(self.folder.path().join(format!("{program}.called"))).unwrap();
        noted.lines().map(str::to_owned).collect()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}
