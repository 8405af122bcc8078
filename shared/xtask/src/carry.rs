//! Carries a change of one step through the later ones.
//!
//! Each step is the step before it with one lesson added. The lesson of step 5 is therefore the
//! difference between steps 4 and 5, and a change of step 4 reaches step 5 by a merge of two
//! differences that start from the same text: step 4 as it was.
//!
//! ```text
//! step 4 as it was ──── the change ───▶ step 4 as it is
//!        │                                    │
//!    the lesson                           the lesson
//!        ▼                                    ▼
//! step 5 as it was ─────────────────▶ step 5 as it will be
//! ```
//!
//! The lower edge is a change of step 5, which the next merge carries into step 6. So no merge spans
//! more than one lesson, and a conflict that is resolved in step 5 stays resolved in step 6.

mod repository;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::steps::{self, Step, root};
use repository::Repository;

/// A step's files by their paths in the step's folder.
type Files = BTreeMap<String, String>;

/// Carries the change of step `number` since the commit `base` through the later steps.
///
/// # Errors
///
/// If a merge has conflicts, if later steps have uncommitted changes, or if git cannot be run.
pub fn carry(number: u8, base: &str) -> Result<()> {
    let steps = steps::all()?;
    steps::numbered(&steps, number)?;
    carry_in(&Repository::new(root()), &steps, number, base)
}

fn carry_in(repository: &Repository, steps: &[Step], number: u8, base: &str) -> Result<()> {
    let from = steps::numbered(steps, number)?;
    let later: Vec<&Step> = steps.iter().filter(|step| step.number > number).collect();
    let mut old = repository.at_commit(base, &from.name)?;
    let mut new = repository.as_it_is(&from.name)?;
    ensure!(
        old != new,
        "step {number} has not changed since {base}; to carry a change that is committed, name the \
         commit before it: cargo x carry {number} --base COMMIT"
    );
    if let Some((file, _)) = new.iter().find(|(_, text)| has_conflicts(text)) {
        bail!("{}/{file} still has conflicts: resolve them first", from.name);
    }
    let dirty = repository.uncommitted(&later)?;
    ensure!(
        dirty.is_empty(),
        "these files have changes that are not committed, so nothing was changed:\n{}\nCommit or \
         stash them, or undo them with git restore",
        dirty.join("\n")
    );

    for step in later {
        let before = repository.as_it_is(&step.name)?;
        let merged = merge_step(&old, &before, &new)?;
        write(&repository.root().join(&step.name), &before, &merged.files)?;
        let changed = differing(&before, &merged.files);
        if changed.is_empty() && merged.conflicts.is_empty() {
            println!("{}: unaffected, and so are the steps after it", step.name);
            return Ok(());
        }
        println!("{}: {}", step.name, changed.join(", "));
        if !merged.conflicts.is_empty() {
            let conflicts = merged.conflicts.iter().map(|why| format!("{}/{why}", step.name));
            bail!(
                "conflicts in step {number}:\n{}\nResolve them, then go on with: cargo x carry {number}",
                conflicts.collect::<Vec<_>>().join("\n"),
                number = step.number
            );
        }
        (old, new) = (before, merged.files);
    }
    println!("Read it with git diff, then bring the READMEs up to date: cargo x fresh");
    Ok(())
}

/// A step after the merge.
struct Merged {
    files: Files,
    /// The files with conflicts, each with its reason.
    conflicts: Vec<String>,
}

/// Applies the change from `old` to `new` to a step's files.
fn merge_step(old: &Files, step: &Files, new: &Files) -> Result<Merged> {
    let mut merged = Merged { files: step.clone(), conflicts: Vec::new() };
    for file in differing(old, new) {
        match (old.get(&file), step.get(&file), new.get(&file)) {
            // The step has taken this file out of its lesson.
            (Some(_), None, _) => {}
            (_, Some(step), None) if old.get(&file) != Some(step) => merged
                .conflicts
                .push(format!("{file} (deleted in the step before, but different here)")),
            (_, _, None) => _ = merged.files.remove(&file),
            (None, None, Some(new)) => _ = merged.files.insert(file, new.clone()),
            (old, Some(step), Some(new)) => {
                let text = merge_file(&file, old.map_or("", String::as_str), step, new)?;
                if has_conflicts(&text) {
                    merged.conflicts.push(file.clone());
                }
                merged.files.insert(file, text);
            }
        }
    }
    Ok(merged)
}

/// Merges a file. The head of `main.rs` is about its own step, so it is left as it is.
fn merge_file(file: &str, old: &str, step: &str, new: &str) -> Result<String> {
    if file != "src/main.rs" {
        return merge(old, step, new);
    }
    let (head, step) = split_head(step);
    Ok(head.to_owned() + &merge(split_head(old).1, step, split_head(new).1)?)
}

/// The `//!` at the beginning of a file, and the rest.
fn split_head(text: &str) -> (&str, &str) {
    let head = text.split_inclusive('\n').take_while(|line| line.starts_with("//!"));
    text.split_at(head.map(str::len).sum())
}

fn merge(old: &str, step: &str, new: &str) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let mut git = Command::new("git");
    git.args(["merge-file", "--stdout"]);
    for label in ["this step", "the step before, as it was", "the step before"] {
        git.args(["-L", label]);
    }
    for (name, text) in [("step", step), ("old", old), ("new", new)] {
        let file = folder.path().join(name);
        fs::write(&file, text)?;
        git.arg(file);
    }
    let output = git.output().context("cannot run git")?;
    // The exit code is the number of conflicts, or 255 after an error.
    let failed = output.status.code().is_none_or(|code| code > 127);
    ensure!(!failed, "git merge-file: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?)
}

fn has_conflicts(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> "))
}

/// The files that are new, gone or different.
fn differing(old: &Files, new: &Files) -> Vec<String> {
    let files: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    files.into_iter().filter(|&file| old.get(file) != new.get(file)).cloned().collect()
}

fn write(folder: &Path, before: &Files, after: &Files) -> Result<()> {
    for file in differing(before, after) {
        let path = folder.join(&file);
        let context = || format!("cannot write {}", path.display());
        if let Some(text) = after.get(&file) {
            fs::create_dir_all(path.parent().unwrap_or(folder)).with_context(context)?;
            fs::write(&path, text).with_context(context)?;
        } else {
            fs::remove_file(&path).with_context(context)?;
        }
    }
    Ok(())
}
