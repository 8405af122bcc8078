//! Runs the changes and commands that the READMEs propose to try.
//!
//! A `diff` block in a list changes the lesson's program, and the `console` blocks after it in the same item show the
//! output of the changed program. Each changed program is a member of a workspace in `target/tries`, which else has the
//! members of this one, as links to their folders. So cargo builds the changed programs, and nothing else once more.

mod change;
mod items;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use testing::transcript::{self, Change};

use crate::each::each;
use crate::programs::{self, Programs, cargo};
use crate::steps::{self, root};
use crate::transcripts::LESSONS;

/// The manifest of a changed example, which has no package of its own.
const EXAMPLE: &str = "\
[package]
name = \"{name}\"
edition.workspace = true

[dependencies]
aws-sdk-sqs.workspace = true
clap.workspace = true
rand.workspace = true
shared = { workspace = true, features = [\"aws\"] }
tokio.workspace = true
tracing.workspace = true
";

/// A program with a README that proposes something.
struct Lesson {
    name: String,
    /// The README's path, from the top of the repository.
    readme: String,
    changes: Vec<Change>,
}

/// Checks all proposals, and writes the output that has changed into the READMEs.
///
/// # Errors
///
/// If a proposal shows nothing that is checked, if a change does not fit the program, or if a changed program cannot be
/// built, or does not do as the README says.
pub fn write() -> Result<()> {
    let lessons = lessons()?;
    // With the same features as theirs, so that nothing but the changed programs is left to build.
    let programs = Programs::build()?;
    build(&lessons)?;
    each(&lessons, |lesson| renew(lesson, &programs))?;
    each(&lessons, |lesson| items::check(&lesson.readme))
}

fn lessons() -> Result<Vec<Lesson>> {
    let steps =
        steps::all()?.into_iter().map(|step| (format!("{}/README.md", step.name), step.name));
    let examples = LESSONS.map(|(name, readme)| (readme.to_owned(), name.to_owned()));
    let lesson = |(readme, name): (String, String)| {
        let changes = transcript::changes(&read(&readme)?);
        Ok(Lesson { name, readme, changes })
    };
    steps.chain(examples).map(lesson).collect()
}

fn read(readme: &str) -> Result<String> {
    fs::read_to_string(root().join(readme)).with_context(|| format!("cannot read {readme}"))
}

impl Lesson {
    /// The name of the program with a change.
    fn changed(&self, change: usize) -> String {
        format!("{}_try_{}", self.name, change + 1)
    }

    fn folder(&self) -> PathBuf {
        root().join(self.readme.trim_end_matches("README.md"))
    }
}

fn build(lessons: &[Lesson]) -> Result<()> {
    let workspace = root().join("target/tries");
    let changed: BTreeSet<_> = lessons
        .iter()
        .flat_map(|lesson| (0..lesson.changes.len()).map(|change| lesson.changed(change)))
        .collect();
    prepare(&workspace, &changed)?;
    each(lessons, |lesson| {
        each(lesson.changes.iter().enumerate(), |(number, change)| {
            let name = lesson.changed(number);
            make(lesson, change, &name, &workspace.join("tries").join(&name))
                .with_context(|| format!("{}: line {}", lesson.readme, change.line))
        })
    })?;
    let folder = programs::folder()?;
    let target = folder.parent().context("cargo's folder has no parent")?;
    let mut cargo = cargo();
    cargo.current_dir(&workspace).args(["build", "--quiet", "--offline", "--workspace", "--bins"]);
    cargo.args(["--exclude", "xtask", "--exclude", "own_work", "--exclude", "worlds"]);
    let status = cargo.arg("--target-dir").arg(target).status().context("cannot run cargo")?;
    ensure!(
        status.success(),
        "a changed program cannot be built; the number after `_try_` is that of the change in its README"
    );
    Ok(())
}

/// Makes the workspace. Unchanged files in it stay as they are, so that cargo does not build them again.
fn prepare(workspace: &Path, changed: &BTreeSet<String>) -> Result<()> {
    let tries = workspace.join("tries");
    fs::create_dir_all(&tries)?;
    for old in fs::read_dir(&tries)? {
        let old = old?;
        if !old.file_name().to_str().is_some_and(|name| changed.contains(name)) {
            fs::remove_dir_all(old.path())?;
        }
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    let manifest = manifest.replacen("members = [", "members = [\n    \"tries/*\",", 1);
    write_changed(&workspace.join("Cargo.toml"), &manifest)?;
    fs::copy(root().join("Cargo.lock"), workspace.join("Cargo.lock"))?;
    let steps = steps::all()?.into_iter().map(|step| step.name);
    for folder in steps.chain(["shared".to_owned()]) {
        let link = workspace.join(&folder);
        if !link.exists() {
            link_folder(&root().join(&folder), &link)
                .with_context(|| format!("cannot link {}", link.display()))?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn link_folder(folder: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(folder, link)
}

#[cfg(windows)]
fn link_folder(folder: &Path, link: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_dir(folder, link)
}

/// Makes the package of a changed program.
fn make(lesson: &Lesson, change: &Change, name: &str, package: &Path) -> Result<()> {
    let folder = lesson.folder();
    let manifest = match fs::read_to_string(folder.join("Cargo.toml")) {
        Ok(manifest) => {
            let (head, _) = manifest.split_once("[dev-dependencies]").context("its manifest")?;
            head.replacen(&format!("\"{}\"", lesson.name), &format!("\"{name}\""), 1)
        }
        Err(_) => EXAMPLE.replace("{name}", name),
    };
    fs::create_dir_all(package.join("src"))?;
    write_changed(&package.join("Cargo.toml"), &manifest)?;
    let sources = if folder.join("src").exists() { folder.join("src") } else { folder };
    let mut files = change::Files::default();
    for file in fs::read_dir(sources)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(file, fs::read_to_string(&path)?);
        }
    }
    change::apply(&change.diff, &mut files)?;
    each(files, |(file, text)| write_changed(&package.join("src").join(file), &text))
}

/// Writes a file, unless it has that content already.
fn write_changed(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).ok().as_deref() == Some(text) {
        return Ok(());
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn renew(lesson: &Lesson, programs: &Programs) -> Result<()> {
    let Lesson { name, readme, changes } = lesson;
    let before = read(readme)?;
    let mut text = before.clone();
    for change in 0..changes.len() {
        let program = programs.named(&lesson.changed(change))?;
        text = transcript::renew_changed(&program, name, change, &text)
            .with_context(|| readme.clone())?;
    }
    if text != before {
        fs::write(root().join(readme), text).with_context(|| format!("cannot write {readme}"))?;
        println!("{readme}: the output of its changes is written");
    }
    Ok(())
}
