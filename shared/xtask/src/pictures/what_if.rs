//! The same run with other numbers, for the book's controls: a picture and a recording for each combination, all of them of
//! real runs.

use anyhow::{Context, Result};
use serde::Serialize;

use super::in_time;
use super::scenes::{FILES, SCENES};
use super::story::Stage;
use super::time::Scene;
use crate::programs::Programs;

/// The combinations, and the controls that choose one.
#[derive(Serialize)]
pub struct Grid {
    #[serde(skip)]
    pub name: &'static str,
    controls: Vec<Control>,
    /// The combination that the picture of the README shows.
    base: &'static str,
    /// The rules of all the pictures.
    style: String,
    /// By the values of the controls, with spaces between them.
    #[serde(skip)]
    scenes: Vec<(String, Scene)>,
}

#[derive(Serialize)]
struct Control {
    name: &'static str,
    values: &'static [&'static str],
}

const LESSON: &str = "The same code, with these numbers.";
const CONSUMERS: &[&str] = &["1", "2", "3", "4"];
const MAX_DEMAND: &[&str] = &["1", "5", "10"];
/// A minimum of half the maximum is GenStage's default.
const MIN_DEMAND: &[&str] = &["0", "half"];
const STEP_5: &[Stage] = &[
    ("SQS.Producer", "Producer"),
    ("SQS.Consumer", "Consumer 1"),
    ("SQS.Consumer", "Consumer 2"),
    ("SQS.Consumer", "Consumer 3"),
    ("SQS.Consumer", "Consumer 4"),
];

const PIPELINES: &[&str] = &["1", "2", "3", "4"];
const SIZES: &[&str] = &["mixed", "small", "uneven"];
const STEP_9: &[Stage] = &[
    ("SQS.Producer", "Producer"),
    ("Pipeline1 ProducerConsumer", "downloads"),
    ("Pipeline1 Consumer", "counts"),
    ("Pipeline2 ProducerConsumer", "downloads"),
    ("Pipeline2 Consumer", "counts"),
    ("Pipeline3 ProducerConsumer", "downloads"),
    ("Pipeline3 Consumer", "counts"),
    ("Pipeline4 ProducerConsumer", "downloads"),
    ("Pipeline4 Consumer", "counts"),
];
/// The sizes of six files in KiB: all of them small, or one as large as the others together.
const SMALL: &[(&str, usize)] = &sizes([512; 6]);
const UNEVEN: &[(&str, usize)] = &sizes([5 * 1024, 1024, 1024, 1024, 1024, 1024]);

const fn sizes(all: [usize; 6]) -> [(&'static str, usize); 6] {
    let [one, two, three, four, five, six] = all;
    [
        ("one.log", one),
        ("two.log", two),
        ("three.log", three),
        ("four.log", four),
        ("five.log", five),
        ("six.log", six),
    ]
}

/// Step 5 with other numbers of consumers, and other demand.
///
/// # Errors
///
/// If there is no scene of step 5.
pub fn step_5() -> Result<Grid> {
    let mut grid = Grid {
        name: "step05-what-if",
        controls: vec![
            Control { name: "consumers", values: CONSUMERS },
            Control { name: "max_demand", values: MAX_DEMAND },
            Control { name: "min_demand", values: MIN_DEMAND },
        ],
        base: "3 10 0",
        style: String::new(),
        scenes: Vec::new(),
    };
    let step = scene("step05")?;
    for (consumers, count) in CONSUMERS.iter().zip(2..) {
        for max_demand in MAX_DEMAND {
            for (name, min_demand) in min_demands(max_demand)? {
                // Scenes are constants. These few live as long as the program, too.
                let arguments: Vec<&'static str> = vec![consumers, max_demand, min_demand.leak()];
                let title = format!(
                    "Step 5: consumers {consumers}, max_demand {max_demand}, min_demand {}",
                    arguments[2]
                );
                let scene = Scene {
                    picture: grid.name,
                    program: "what_if",
                    title: title.leak(),
                    lesson: LESSON,
                    arguments: arguments.leak(),
                    stages: &STEP_5[..count],
                    until: 510,
                    leave_out: Some(60..=190),
                    point: "",
                    ..step.clone()
                };
                grid.scenes.push((format!("{consumers} {max_demand} {name}"), scene));
            }
        }
    }
    Ok(grid)
}

/// Step 9 with other numbers of pipelines, and other files.
///
/// # Errors
///
/// If there is no scene of step 9.
pub fn step_9() -> Result<Grid> {
    let mut grid = Grid {
        name: "step09-what-if",
        controls: vec![
            Control { name: "pipelines", values: PIPELINES },
            Control { name: "files", values: SIZES },
        ],
        base: "3 mixed",
        style: String::new(),
        scenes: Vec::new(),
    };
    let step = scene("step09")?;
    for (pipelines, count) in PIPELINES.iter().zip([3, 5, 7, 9]) {
        for (name, files) in SIZES.iter().zip([FILES, SMALL, UNEVEN]) {
            let arguments = [&["--pipelines", pipelines], step.arguments].concat();
            let scene = Scene {
                picture: grid.name,
                title: format!("Step 9: pipelines {pipelines}, {name} files").leak(),
                lesson: LESSON,
                arguments: arguments.leak(),
                stages: &STEP_9[..count],
                files,
                until: 250,
                ..step.clone()
            };
            grid.scenes.push((format!("{pipelines} {name}"), scene));
        }
    }
    Ok(grid)
}

fn scene(picture: &str) -> Result<&'static Scene> {
    let scene = SCENES.iter().find(|scene| scene.picture == picture);
    scene.with_context(|| format!("there is no scene of {picture}"))
}

/// Runs all combinations but the one that is there already. Returns them as JSON.
///
/// # Errors
///
/// If one of the runs cannot be drawn.
pub fn json(mut grid: Grid, programs: &Programs) -> Result<String> {
    let mut variants = Vec::new();
    for (key, scene) in &grid.scenes {
        if key == grid.base {
            continue;
        }
        let (svg, recording) = in_time(scene, programs).with_context(|| key.clone())?;
        let (before, rest) = svg.split_once("<style>").context("it has no style")?;
        let (style, after) = rest.split_once("</style>").context("a style has no end")?;
        style.clone_into(&mut grid.style);
        let svg = serde_json::to_string(&format!("{before}<style></style>{after}"))?;
        variants.push(format!("\"{key}\":{{\"svg\":{svg},\n\"recording\":{recording}}}"));
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
