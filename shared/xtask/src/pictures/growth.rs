//! How many pipelines step 9 runs by itself, drawn from a run far from S3.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Result, ensure};

use super::chart::{Chart, float};
use super::recording::{Line, record};
use super::svg::{LEAST_WIDTH, MARGIN, Svg};
use crate::programs::Programs;

pub const NAME: &str = "step09-growth";
const TITLE: &str = "Step 9: another pipeline asks too, and that is all";
const LESSON: &str = "700 small files, each answer of S3 0.2 seconds away. Three pipelines begin. Six do twice as \
                      much, so then there are four times as many, up to the 64 that --max-pipelines allows.";
const FILES: usize = 700;
/// In tenths of a second: later than its end.
const UNTIL: u32 = 300;
const HEIGHT: i32 = 480;

/// The events of the run, by tenths of a second.
#[derive(Debug, Default, PartialEq, Eq)]
struct Growth {
    /// How many pipelines run.
    pipelines: Vec<usize>,
    /// How many files were processed.
    processed: Vec<usize>,
}

/// # Errors
///
/// If step 9 cannot be run, or does not do the same twice.
pub fn draw(programs: &Programs) -> Result<String> {
    let program = programs.named("step09_concurrent_processing")?;
    let run = || -> Result<Growth> {
        let folder = tempfile::tempdir()?;
        let names: Vec<String> = (1..=FILES).map(|number| format!("{number:03}.log")).collect();
        for name in &names {
            fs::write(folder.path().join(name), "one line\n")?;
        }
        let mut arguments = vec!["--until-idle"];
        arguments.extend(names.iter().map(String::as_str));
        Ok(growth(&record(&program, &arguments, folder.path(), UNTIL)?))
    };
    let growth = run()?;
    ensure!(growth == run()?, "two runs of it differ");
    ensure!(growth.processed.iter().sum::<usize>() == FILES, "not all files are processed");
    Ok(picture(&growth))
}

fn growth(lines: &[Line]) -> Growth {
    let (mut growth, mut running) = (Growth::default(), BTreeSet::new());
    for line in lines {
        let (at, before) = (line.at as usize, growth.pipelines.last().copied().unwrap_or_default());
        growth.pipelines.resize(at + 1, before);
        growth.processed.resize(at + 1, 0);
        if line.stage.starts_with("Pipeline") && line.stage.ends_with(" Consumer") {
            if line.message == "stop" {
                running.remove(&line.stage);
            } else {
                running.insert(&line.stage);
            }
        }
        growth.pipelines[at] = running.len();
        growth.processed[at] += usize::from(line.message.contains(" processed "));
    }
    // After the last file, the program only makes sure that no other comes.
    let end = growth.processed.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
    growth.pipelines.truncate(end);
    growth.processed.truncate(end);
    growth
}

fn picture(growth: &Growth) -> String {
    let mut svg = Svg::new(NAME, LEAST_WIDTH, HEIGHT);
    svg.caption(TITLE, LESSON);
    let seconds = float(growth.pipelines.len()) / 10.;
    let across: Vec<_> = (0..growth.pipelines.len()).step_by(20).map(tenths).collect();
    let labels: Vec<_> = across.into_iter().map(|at| (at, format!("{at} s"))).collect();
    let x = (MARGIN + 40, LEAST_WIDTH - MARGIN);
    let counts =
        |of: &[usize]| -> Vec<_> { of.iter().map(|n| (float(*n), n.to_string())).collect() };

    let top = Chart { x, y: (270, 150), across: (0., seconds), up: (0., 64.) };
    top.draw(&mut svg, "pipelines that run", &labels, &counts(&[16, 32, 48, 64]));
    let steps = growth
        .pipelines
        .iter()
        .enumerate()
        .flat_map(|(at, count)| [(tenths(at), float(*count)), (tenths(at + 1), float(*count))]);
    top.curve(&mut svg, "new", steps);

    // By the half second, because files that were asked for together are processed together.
    let rates: Vec<usize> =
        growth.processed.chunks(5).map(|half| 2 * half.iter().sum::<usize>()).collect();
    let most = rates.iter().copied().max().unwrap_or(0).next_multiple_of(50);
    let bottom = Chart { x, y: (440, 340), across: (0., seconds), up: (0., float(most)) };
    bottom.draw(&mut svg, "files processed in a second", &labels, &counts(&[most / 2, most]));
    for (half, rate) in rates.into_iter().enumerate().filter(|(_, rate)| *rate > 0) {
        let end = seconds.min(tenths(5 * half + 5));
        let (left, right) = (bottom.x(tenths(5 * half)), bottom.x(end));
        let y = bottom.y(float(rate)).min(bottom.y.0 - 1);
        svg.rect("bar", (left + 2, y), (right - left - 4, bottom.y.0 - y), 0);
    }
    let end = growth.pipelines.iter().max().unwrap_or(&0);
    let description = format!("It begins with 3 pipelines, and ends with {end}.");
    svg.finish(TITLE, &description)
}

fn tenths(count: usize) -> f64 {
    float(count) / 10.
}
