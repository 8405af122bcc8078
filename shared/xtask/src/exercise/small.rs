//! The smaller exercises, in `shared/stage/exercises`. Each is a folder there:
//!
//! | file | content |
//! |---|---|
//! | `README.md` | the task, and the hints |
//! | `start.rs` | where the learner starts: it compiles, and does something wrong |
//! | `tests.rs` | the tests |
//! | `solution.rs` | a solution that passes them |

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::hints::Hint;
use super::place::Files;
use crate::code::{Code, lines};
use crate::diff::{self, Colours};
use crate::difference::between;
use crate::steps::{Step, root};

/// The names of the exercises, the easier ones first. A test looks that no folder is missing here.
const NAMES: [&str; 8] =
    ["buffer", "demand", "lost_demand", "fan_out", "fair", "back_off", "stop", "restart"];

/// The end of the task. The hints are below it.
const HINTS: &str = "\n## Hints\n";

/// One of them.
pub struct Small {
    pub name: String,
}

/// Lists them.
pub fn all() -> Vec<Small> {
    NAMES.map(|name| Small { name: name.to_owned() }).into()
}

/// The folder of all of them.
pub fn folder() -> PathBuf {
    root().join("shared/stage/exercises")
}

impl Small {
    fn read(&self, file: &str) -> Result<String> {
        let path = folder().join(&self.name).join(file);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// The title of its task.
    ///
    /// # Errors
    ///
    /// If its README cannot be read.
    pub fn title(&self) -> Result<String> {
        let readme = self.read("README.md")?;
        Ok(readme.lines().next().unwrap_or_default().trim_start_matches("# ").to_owned())
    }

    /// The files of a new exercise.
    ///
    /// # Errors
    ///
    /// If one cannot be read.
    pub fn files(&self) -> Result<Files> {
        let name = &self.name;
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion.workspace = true\nedition.workspace = true\n\
             rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\n\
             [dependencies]\nstage.workspace = true\ntokio.workspace = true\n\n\
             [lints]\nworkspace = true\n"
        );
        let readme = self.read("README.md")?;
        let task = readme.split(HINTS).next().unwrap_or(&readme);
        let how = format!(
            "\n## How to work\n\nChange `src/lib.rs`. `src/tests.rs` says what must hold, and stays as it is. In this folder \
             or at the top of the repository,\n\n```console\n$ cargo x exercise {name} --check\n\
             $ cargo x exercise {name} --hint\n```\n\nrun the tests and show the first that fails, and show a hint.\n"
        );
        Ok([
            ("Cargo.toml", manifest),
            ("README.md", task.to_owned() + &how),
            ("src/lib.rs", self.read("start.rs")?),
            ("src/tests.rs", self.read("tests.rs")?),
        ]
        .map(|(path, content)| (path.to_owned(), content))
        .into())
    }

    /// Its hints: those of its README, and the difference to the solution.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub fn hints(&self) -> Result<Vec<Hint>> {
        let readme = self.read("README.md")?;
        let (_, listed) = readme.split_once(HINTS).context("its README has no hints")?;
        let mut hints = Vec::new();
        for hint in listed.split("\n### ").skip(1) {
            let (title, text) = hint.split_once('\n').unwrap_or((hint, ""));
            hints.push(Hint::new(title, text));
        }
        let code = |file| anyhow::Ok(Code::from([("lib.rs".to_owned(), lines(&self.read(file)?))]));
        let (start, solution) = (code("start.rs")?, code("solution.rs")?);
        let named = |name: &str| Step { number: 0, name: name.to_owned() };
        let (from, to) = (named(&self.name), named("solution"));
        let difference = diff::show(&from, &to, &between(&start, &solution), &Colours::default());
        hints.push(Hint::new("A solution", difference));
        Ok(hints)
    }
}
