//! The pictures of the lessons: of the stages, drawn from a plan, and of time, drawn from a run. Two have curves: of a run, and
//! of a table.
//!
//! A run is on tokio's paused clock: no wait takes any time, and every run is the same.

mod chart;
mod counters;
mod distance;
mod growth;
mod legend;
mod plans;
mod played;
mod recording;
mod scenes;
mod stages;
mod story;
mod svg;
#[cfg(test)]
mod tests;
mod time;
mod what_if;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::programs::Programs;
use crate::steps;
use plans::PLANS;
pub use recording::{Killed, milliseconds, without_settings};
use scenes::SCENES;
use time::Scene;

/// Makes all pictures, and writes them, with the JSON that the book's player needs beside each picture of time.
///
/// # Errors
///
/// If a program cannot be built or run, does something that cannot be drawn, or not the same twice; or if a picture
/// cannot be written.
pub fn write() -> Result<()> {
    let programs = Programs::build()?;
    for scene in SCENES {
        let (picture, played) = in_time(scene, &programs)
            .with_context(|| format!("{} cannot be drawn", scene.program))?;
        let path = path(scene.picture, "time");
        save(&path, &picture)?;
        save(&path.with_extension("json"), &played)?;
    }
    for grid in [what_if::step_5()?, what_if::step_9()?] {
        save(&file(grid.name).with_extension("json"), &what_if::json(grid, &programs)?)?;
    }
    for plan in PLANS {
        save(&path(plan.picture, "stages"), &stages::draw(plan)?)?;
    }
    save(&file(growth::NAME), &growth::draw(&programs)?)?;
    save(&file(distance::NAME), &distance::draw()?)?;
    Ok(())
}

fn save(path: &Path, picture: &str) -> Result<()> {
    fs::write(path, picture).with_context(|| format!("cannot write {}", path.display()))
}

fn in_time(scene: &Scene, programs: &Programs) -> Result<(String, String)> {
    let program = programs.named(scene.program)?;
    let record = || -> Result<_> {
        let folder = tempfile::tempdir()?;
        for (name, size) in scene.files {
            let line = format!("{:>1$}\n", name, 1023);
            fs::write(folder.path().join(name), line.repeat(*size))?;
        }
        let lines = recording::record(&program, scene.arguments, folder.path(), scene.until)?;
        story::tell(&lines, scene)
    };
    let story = record()?;
    ensure!(story == record()?, "two runs of it differ");
    let (picture, heights) = time::draw(scene, &story)?;
    Ok((picture, played::json(scene, &story, &heights)?))
}

fn path(picture: &str, kind: &str) -> PathBuf {
    file(&format!("{picture}-{kind}"))
}

fn file(name: &str) -> PathBuf {
    steps::root().join(format!("shared/pictures/{name}.svg"))
}
