//! The same run with other numbers, for the book's controls: a picture and a recording for each combination, all of them of
//! real runs.

use anyhow::{Context, Result};
use serde::Serialize;

use super::in_time;
use super::scenes::SCENES;
use super::story::Stage;
use super::time::Scene;
use crate::programs::Programs;

/// The combinations, and the controls that choose one.
#[derive(Serialize)]
struct Grid {
    controls: Vec<Control>,
    /// The combination that the picture of the README shows.
    base: String,
    /// The rules of all the pictures.
    style: String,
}

#[derive(Serialize)]
struct Control {
    name: &'static str,
    values: &'static [&'static str],
}

const CONSUMERS: &[&str] = &["1", "2", "3", "4"];
const MAX_DEMAND: &[&str] = &["1", "5", "10"];
/// A minimum of half the maximum is GenStage's default.
const MIN_DEMAND: &[&str] = &["0", "half"];
const STAGES: &[Stage] = &[
    ("SQS.Producer", "Producer"),
    ("SQS.Consumer", "Consumer 1"),
    ("SQS.Consumer", "Consumer 2"),
    ("SQS.Consumer", "Consumer 3"),
    ("SQS.Consumer", "Consumer 4"),
];

/// Step 5 with other numbers of consumers, and other demand, as JSON.
///
/// # Errors
///
/// If one of the runs cannot be drawn.
pub fn step_5(programs: &Programs) -> Result<String> {
    let mut grid = Grid {
        controls: vec![
            Control { name: "consumers", values: CONSUMERS },
            Control { name: "max_demand", values: MAX_DEMAND },
            Control { name: "min_demand", values: MIN_DEMAND },
        ],
        base: "3 10 0".to_owned(),
        style: String::new(),
    };
    // By the values of the controls, with spaces between them.
    let mut variants = Vec::new();
    let step = SCENES.iter().find(|scene| scene.picture == "step05").context("no step 5")?;
    for (consumers, count) in CONSUMERS.iter().zip(2..) {
        for max_demand in MAX_DEMAND {
            for (name, min_demand) in min_demands(max_demand)? {
                let key = format!("{consumers} {max_demand} {name}");
                if key == grid.base {
                    continue;
                }
                // Scenes are constants. These few live as long as the program, too.
                let arguments: Vec<&'static str> = vec![consumers, max_demand, min_demand.leak()];
                let title = format!(
                    "Step 5: consumers {consumers}, max_demand {max_demand}, min_demand {}",
                    arguments[2]
                );
                let scene = Scene {
                    picture: "step05-what-if",
                    program: "what_if",
                    title: title.leak(),
                    lesson: "The same code, with these numbers.",
                    arguments: arguments.leak(),
                    stages: &STAGES[..count],
                    until: 510,
                    leave_out: Some(60..=190),
                    point: "",
                    ..*step
                };
                let (svg, recording) = in_time(&scene, programs).with_context(|| key.clone())?;
                let (before, rest) = svg.split_once("<style>").context("it has no style")?;
                let (style, after) = rest.split_once("</style>").context("a style has no end")?;
                style.clone_into(&mut grid.style);
                let svg = serde_json::to_string(&format!("{before}<style></style>{after}"))?;
                variants.push(format!("\"{key}\":{{\"svg\":{svg},\n\"recording\":{recording}}}"));
            }
        }
    }
    let head = serde_json::to_string(&grid)?;
    let variants = variants.join(",\n");
    Ok(format!("{},\n\"variants\":{{\n{variants}}}}}\n", head.trim_end_matches('}')))
}

/// The names and the numbers of the minima that go with a maximum.
fn min_demands(max_demand: &str) -> Result<Vec<(&'static str, String)>> {
    let half = max_demand.parse::<u32>()? / 2;
    let all = MIN_DEMAND.iter().copied().zip(["0".to_owned(), half.to_string()]);
    Ok(all.take(if half == 0 { 1 } else { 2 }).collect())
}
