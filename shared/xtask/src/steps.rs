//! The nine steps.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

/// One of the steps: a folder at the top of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The number, from 1.
    pub number: u8,
    /// The name of its folder and its package: `step05_multiple_consumers`.
    pub name: String,
}

impl Step {
    /// The path of its folder.
    pub fn folder(&self) -> PathBuf {
        root().join(&self.name)
    }
}

/// The top folder of the repository.
pub fn root() -> &'static Path {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.ancestors().nth(2).unwrap_or(crate_folder)
}

/// Lists all steps in their order.
///
/// # Errors
///
/// If the repository cannot be read.
pub fn all() -> Result<Vec<Step>> {
    all_in(root())
}

/// Lists the steps of a workspace in their order.
///
/// # Errors
///
/// If the folder cannot be read.
pub fn all_in(root: &Path) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for entry in fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix("step").and_then(|rest| rest.get(..2)?.parse().ok());
        steps.extend(number.map(|number| Step { number, name }));
    }
    steps.sort_by_key(|step| step.number);
    Ok(steps)
}

/// Reads the number of a step from the command line.
///
/// # Errors
///
/// If it is no number.
pub fn number(argument: &str) -> Result<u8, &'static str> {
    argument.parse().map_err(|_| "it is not the number of a step, such as 4")
}

/// Finds the step with this number.
///
/// # Errors
///
/// If there is no such step.
pub fn numbered(steps: &[Step], number: u8) -> Result<&Step> {
    steps.iter().find(|step| step.number == number).ok_or_else(|| {
        let last = steps.last().map_or(0, |step| step.number);
        anyhow!("there is no step {number}: they are 1 to {last}")
    })
}

/// Prints the folders of all steps.
///
/// # Errors
///
/// If the repository cannot be read.
pub fn list() -> Result<()> {
    for step in all()? {
        println!("{}", step.folder().display());
    }
    Ok(())
}
