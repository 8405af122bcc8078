//! The steps' files, as git has them and as they are.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Files;
use crate::steps::Step;

/// A step's README tells its own lesson, so no change of it is carried.
const OWN: &str = "README.md";

/// A working tree.
pub struct Repository<'a> {
    root: &'a Path,
}

impl<'a> Repository<'a> {
    pub fn new(root: &'a Path) -> Self {
        Self { root }
    }

    pub fn root(&self) -> &Path {
        self.root
    }

    /// The files of a step in a commit.
    pub fn at_commit(&self, commit: &str, step: &str) -> Result<Files> {
        let paths = self.git(&["ls-tree", "-r", "-z", "--name-only", commit, "--", step])?;
        let files = paths.split_terminator('\0').filter_map(|path| own_name(path, step));
        files
            .map(|file| {
                Ok((file.into(), self.git(&["show", &format!("{commit}:./{step}/{file}")])?))
            })
            .collect()
    }

    /// The files of a step in the working tree, but not those that git ignores.
    pub fn as_it_is(&self, step: &str) -> Result<Files> {
        let paths = self.git(&[
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            "--",
            step,
        ])?;
        let mut files = Files::new();
        for file in paths.split_terminator('\0').filter_map(|path| own_name(path, step)) {
            let path = self.root.join(step).join(file);
            // git lists a file that was deleted, too.
            if path.exists() {
                let text = fs::read_to_string(&path);
                let text = text.with_context(|| format!("cannot read {}", path.display()))?;
                files.insert(file.to_owned(), text);
            }
        }
        Ok(files)
    }

    /// The files of these steps that differ from the last commit.
    pub fn uncommitted(&self, steps: &[&Step]) -> Result<Vec<String>> {
        if steps.is_empty() {
            return Ok(Vec::new()); // Without a path, git would look at all.
        }
        let mut arguments = vec!["status", "--porcelain", "--untracked-files=all", "--"];
        arguments.extend(steps.iter().map(|step| step.name.as_str()));
        let lines = self.git(&arguments)?;
        let paths = lines.lines().filter_map(|line| line.get(3..));
        Ok(paths.filter(|path| !path.ends_with(OWN)).map(str::to_owned).collect())
    }

    fn git(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("git").current_dir(self.root).args(arguments).output();
        let output = output.context("cannot run git")?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "git {}: {}", arguments.join(" "), error.trim());
        String::from_utf8(output.stdout).context("a path or a file is not UTF-8")
    }
}

/// The path in the step's folder, if it is a file whose changes are carried.
fn own_name<'p>(path: &'p str, step: &str) -> Option<&'p str> {
    path.strip_prefix(step)?.strip_prefix('/').filter(|file| *file != OWN)
}
