//! The folder of the exercises: a workspace of its own, which git ignores.
//!
//! It shares the repository's `target`, so that nothing is built again but the crates of the repository itself, and those
//! once. Its manifest and its lock file are the repository's, with other members.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::programs::{self, cargo};
use crate::steps::root;

/// Where the learner's work is.
pub struct Place {
    folder: PathBuf,
}

/// The contents of files, by their paths in the folder of an exercise.
pub type Files = BTreeMap<String, String>;

/// The state of an exercise that has begun, in a hidden file of its folder.
#[derive(Default, Serialize, Deserialize)]
pub struct State {
    /// Whether the last check found nothing wrong.
    pub passed: bool,
    /// How many hints were shown.
    pub hints: usize,
}

const STATE: &str = ".state.json";
const PUT_ASIDE: &str = ".put-aside";

impl Place {
    /// `exercises`, at the top of the repository.
    pub fn of_the_repository() -> Self {
        Self::at(root().join("exercises"))
    }

    /// Another folder.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder of an exercise.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder of an exercise as a reader wants to see it.
    pub fn shown(&self, name: &str) -> String {
        let folder = self.folder(name);
        folder.strip_prefix(root()).unwrap_or(&folder).display().to_string()
    }

    /// Whether the exercise has begun.
    pub fn has(&self, name: &str) -> bool {
        self.folder(name).exists()
    }

    /// Reads the state of an exercise.
    pub fn state(&self, name: &str) -> State {
        let text = fs::read_to_string(self.folder(name).join(STATE)).unwrap_or_default();
        // The learner may have deleted it, or written into it. Then it starts again.
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Writes the state of an exercise.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn set_state(&self, name: &str, state: &State) -> Result<()> {
        write(&self.folder(name).join(STATE), &serde_json::to_string(state)?)
    }

    /// Moves the files of an exercise out of the way, and returns where they are now. The folder itself stays, because
    /// the learner's terminal may be in it.
    ///
    /// # Errors
    ///
    /// If they cannot be moved.
    pub fn put_aside(&self, name: &str) -> Result<String> {
        let aside = |number| format!("{PUT_ASIDE}/{name}-{number}");
        let mut number = 1;
        while self.has(&aside(number)) {
            number += 1;
        }
        let (from, to) = (self.folder(name), self.folder(&aside(number)));
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            fs::rename(entry.path(), to.join(entry.file_name()))
                .with_context(|| format!("cannot move {}", entry.path().display()))?;
        }
        Ok(self.shown(&aside(number)))
    }

    /// Writes the files of a new exercise.
    ///
    /// # Errors
    ///
    /// If one cannot be written.
    pub fn write(&self, name: &str, files: &Files) -> Result<()> {
        for (path, content) in files {
            write(&self.folder(name).join(path), content)?;
        }
        // The lock file has only the crates of the exercises so far. The new one may have others, in the repository's
        // versions.
        self.renew(true)
    }

    /// The cargo of the exercises' workspace, which builds into the repository's `target`.
    ///
    /// # Errors
    ///
    /// If the workspace cannot be written.
    pub fn cargo(&self) -> Result<Command> {
        self.renew(false)?;
        self.cargo_as_it_is()
    }

    fn cargo_as_it_is(&self) -> Result<Command> {
        let mut cargo = cargo();
        cargo.current_dir(&self.folder);
        // `target/debug` is in `target`.
        let target = programs::folder()?;
        cargo.env("CARGO_TARGET_DIR", target.parent().unwrap_or(&target));
        Ok(cargo)
    }

    /// Brings the workspace up to date: the repository may have other dependencies than before, or be elsewhere.
    fn renew(&self, has_new_members: bool) -> Result<()> {
        let manifest = self.folder.join("Cargo.toml");
        let renewed = workspace(&read(&root().join("Cargo.toml"))?, root(), &self.members()?);
        write(&self.folder.join(".cargo/config.toml"), &config(root()))?;
        let (ours, its) = (root().join("Cargo.lock"), self.folder.join("Cargo.lock"));
        let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
        if has_new_members || changed(&its) < changed(&ours) {
            write(&its, &read(&ours)?)?;
            write(&manifest, &renewed)?;
            // It adds the exercises to the lock file, and removes crates that they do not need.
            let output =
                self.cargo_as_it_is()?.args(["metadata", "--format-version=1"]).output()?;
            let error = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "cargo cannot read {}: {error}", manifest.display());
        }
        write(&manifest, &without_profiles(&renewed, &read(&its)?))
    }

    fn members(&self) -> Result<Vec<String>> {
        let mut members = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.path().join("Cargo.toml").is_file() {
                members.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        members.sort();
        Ok(members)
    }
}

/// Makes the manifest of the exercises' workspace of the repository's: the same versions, profiles and lints, so that the
/// same crates are built in the same way.
fn workspace(manifest: &str, root: &Path, members: &[String]) -> String {
    let begin = manifest.find("members = [").unwrap_or(manifest.len());
    let end = manifest[begin..].find(']').map_or(begin, |end| begin + end + 1);
    let root = slashes(root);
    format!(
        "# Written by `cargo x exercise`, of the repository's own.\n\n{}members = {members:?}{}",
        &manifest[..begin],
        manifest[end..].replace("path = \"", &format!("path = \"{root}/"))
    )
}

/// Leaves out the profiles of crates that are not in the lock file. Cargo would warn of them.
fn without_profiles(manifest: &str, lock: &str) -> String {
    let is_needed = |section: &&str| {
        let mut lines = section.lines();
        let Some(name) = lines.find_map(|line| line.strip_prefix("[profile.dev.package.")) else {
            return true;
        };
        let name = name.trim_end_matches(']');
        name.contains('*') || lock.contains(&format!("\nname = \"{name}\"\n"))
    };
    manifest.split("\n\n").filter(is_needed).collect::<Vec<_>>().join("\n\n")
}

/// Makes cargo's settings in the folder: with them, `cargo run` builds there into the repository's `target`, and `cargo x`
/// works there too.
fn config(root: &Path) -> String {
    let root = slashes(root);
    let mut config = format!("[build]\ntarget-dir = \"{root}/target\"\n");
    // An alias is cut into arguments where it has blanks.
    if !root.contains(char::is_whitespace) {
        let _ = write!(
            config,
            "\n[alias]\nx = \"run --quiet --manifest-path {root}/Cargo.toml --package xtask --\"\n"
        );
    }
    config
}

/// Backslashes have a meaning in TOML.
fn slashes(path: &Path) -> String {
    path.display().to_string().replace('\\', "/")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file, and the folder that it is in, unless it has this content already.
fn write(path: &Path, content: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|now| now == content) {
        return Ok(());
    }
    let written = path.parent().map_or(Ok(()), fs::create_dir_all);
    let written = written.and_then(|()| fs::write(path, content));
    written.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_has_its_own_members_and_the_repository_s_crates() {
        let manifest = "[workspace]\nresolver = \"3\"\nmembers = [\n    \"step\",\n]\n\n\
                        [workspace.dependencies]\nshared = { path = \"shared\" }\ntokio = \"1\"\n";
        let workspace = workspace(manifest, Path::new("/a b"), &["step05".to_owned()]);
        let (_, workspace) = workspace.split_once("\n\n").unwrap();
        assert_eq!(
            workspace,
            "[workspace]\nresolver = \"3\"\nmembers = [\"step05\"]\n\n\
             [workspace.dependencies]\nshared = { path = \"/a b/shared\" }\ntokio = \"1\"\n"
        );
    }

    #[test]
    fn profiles_of_crates_that_no_exercise_needs_are_left_out() {
        let manifest = "[a]\n\n[profile.dev.package.\"*\"]\nb\n\n# Why.\n[profile.dev.package.sha2]\nc\n\n\
                        [profile.dev.package.memchr]\nd\n";
        let lock = "[[package]]\nname = \"memchr\"\nversion = \"2\"\n";
        assert_eq!(
            without_profiles(manifest, lock),
            "[a]\n\n[profile.dev.package.\"*\"]\nb\n\n[profile.dev.package.memchr]\nd\n"
        );
    }

    #[test]
    fn an_alias_is_left_out_where_a_path_would_be_cut() {
        assert!(config(Path::new("/a")).contains("--manifest-path /a/Cargo.toml"));
        assert!(!config(Path::new("/a b")).contains("alias"));
    }

    #[test]
    fn what_was_put_aside_stays() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::at(folder.path().join("exercises"));
        for _ in 0..2 {
            write(&place.folder("buffer").join("README.md"), "mine").unwrap();
            place.put_aside("buffer").unwrap();
            assert_eq!(fs::read_dir(place.folder("buffer")).unwrap().count(), 0);
        }
        assert_eq!(read(&place.folder(".put-aside/buffer-2").join("README.md")).unwrap(), "mine");
        assert_eq!(place.members().unwrap(), [""; 0]);
    }

    #[test]
    fn a_state_that_cannot_be_read_is_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::at(folder.path().to_owned());
        write(&place.folder("buffer").join(STATE), "{").unwrap();
        assert_eq!(place.state("buffer").hints, 0);
        place.set_state("buffer", &State { passed: true, hints: 2 }).unwrap();
        assert_eq!((place.state("buffer").passed, place.state("buffer").hints), (true, 2));
    }
}
