//! Two pictures of each step: one of its stages, and one of time, made of a run of it.
//!
//! A run is on tokio's paused clock, where no wait takes any time and every run is the same.

mod legend;
mod plans;
mod recording;
mod scenes;
mod stages;
mod story;
mod svg;
#[cfg(test)]
mod tests;
mod time;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::steps::{self, Step};
use plans::PLANS;
use recording::What;
use scenes::{FILES, SCENES};
use time::Scene;

/// Makes all pictures: each file's path, and what is to be in it.
///
/// # Errors
///
/// If a step cannot be built or run, or does something that cannot be drawn, or not the same twice.
pub fn all() -> Result<Vec<(PathBuf, String)>> {
    let steps = steps::all()?;
    let programs = build()?;
    let mut pictures = Vec::new();
    for scene in SCENES {
        let picture = in_time(scene, &steps, &programs)
            .with_context(|| format!("step {} cannot be drawn", scene.step))?;
        pictures.push((path(scene.step, "time"), picture));
    }
    for plan in PLANS {
        pictures.push((path(plan.step, "stages"), stages::draw(plan)?));
    }
    Ok(pictures)
}

/// Makes all pictures, and writes them.
///
/// # Errors
///
/// If they cannot be made or written.
pub fn write() -> Result<()> {
    for (path, picture) in all()? {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, picture).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn in_time(scene: &Scene, steps: &[Step], programs: &Path) -> Result<String> {
    let step = steps.iter().find(|step| step.number == scene.step).context("no such step")?;
    let program = programs.join(&step.name).with_extension(env::consts::EXE_EXTENSION);
    let record = || -> Result<_> {
        let folder = tempfile::tempdir()?;
        for (name, size) in FILES {
            let line = format!("{:>1$}\n", name, 1023);
            fs::write(folder.path().join(name), line.repeat(*size))?;
        }
        let mut entries = recording::record(&program, scene.arguments, folder.path(), scene.until)?;
        entries.retain(|entry| scene.deletes || entry.what != What::Deletes);
        if scene.step > 5 {
            recording::renumber(&mut entries);
        }
        Ok(entries)
    };
    let entries = record()?;
    ensure!(entries == record()?, "no two runs of it are the same");
    let story = story::tell(&entries, scene.stages, scene.verb)?;
    time::draw(scene, &story)
}

fn path(step: u8, kind: &str) -> PathBuf {
    steps::root().join(format!("shared/pictures/step{step:02}-{kind}.svg"))
}

/// Builds the steps, and returns the folder of the programs.
///
/// All packages are built together: then all have the features that any of them has, so that every step's clock
/// can be paused; and what `cargo test --workspace` has built is not built again.
fn build() -> Result<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.current_dir(steps::root());
    cargo.args(["build", "--quiet", "--workspace", "--exclude", "x", "--bins"]);
    ensure!(cargo.status().context("cannot run cargo")?.success(), "the steps cannot be built");
    // `cargo x` itself is in `target/debug`, or wherever they are put here.
    let x = env::current_exe()?;
    let folder = x.ancestors().find(|folder| folder.ends_with("debug")).map(Path::to_owned);
    folder.context("cargo x is not where cargo builds programs")
}
