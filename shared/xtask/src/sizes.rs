//! Counts the lines of the steps, and the changes from each step to the next.

use std::collections::BTreeSet;
use std::io::{self, Write};

use anyhow::{Result, bail};

use crate::difference::between;
use crate::{code, names, steps};

/// The most lines of code in a step.
const STEP: usize = 450;
/// The most lines of code that may change from a step to the next.
const CHANGED: usize = 100;
/// The most that the median of the changes may be.
const MEDIAN: usize = 40;
/// The most names that a step may take from `shared` for the first time.
const NAMES: usize = 8;
/// The most files of `shared` that an event may pass.
const FILES: usize = 3;

struct Size {
    step: String,
    lines: usize,
    /// The files that changed since the step before, and how many lines changed in each. None for the first step.
    changed: Option<Vec<(String, usize)>>,
    /// The names that no step before it takes from `shared`.
    names: Vec<String>,
}

impl Size {
    fn changed(&self) -> Option<usize> {
        self.changed.as_ref().map(|files| files.iter().map(|(_, changed)| changed).sum())
    }
}

/// Prints the steps' sizes.
///
/// # Errors
///
/// If one is too large, or cannot be read.
pub fn print() -> Result<()> {
    let sizes = measure()?;
    writeln!(io::stdout(), "{}", table(&sizes))?;
    let mut broken = too_large(&sizes);
    let files = names::files_of_an_event()?;
    writeln!(io::stdout(), "Files of shared that an event passes: {}", files.join(", "))?;
    if files.len() > FILES {
        broken.push(format!("an event passes {} files of shared, at most {FILES}", files.len()));
    }
    if !broken.is_empty() {
        bail!("too large:\n{}", broken.join("\n"));
    }
    Ok(())
}

fn measure() -> Result<Vec<Size>> {
    let mut sizes = Vec::new();
    let mut previous = None;
    let mut known = BTreeSet::new();
    for step in steps::all()? {
        let code = code::of(&step)?;
        let changed = previous.map(|previous| {
            let files = between(&previous, &code).into_iter();
            files.map(|file| (file.file.to_owned(), file.changed())).collect()
        });
        let names = names::imported(&code).into_iter().filter(|name| known.insert(name.clone()));
        let names = names.collect();
        sizes.push(Size { step: step.name, lines: code::count(&code), changed, names });
        previous = Some(code);
    }
    Ok(sizes)
}

fn table(sizes: &[Size]) -> String {
    let mut rows = vec![format!("{:<30}{:>6}{:>9}{:>7}   In", "Step", "Lines", "Changed", "Names")];
    for size in sizes {
        let changed = size.changed().map(|changed| changed.to_string()).unwrap_or_default();
        let files = size.changed.iter().flatten();
        let files: Vec<_> = files.map(|(file, changed)| format!("{file} {changed}")).collect();
        let Size { step, lines, names, .. } = size;
        let names = names.len();
        let row = format!("{step:<30}{lines:>6}{changed:>9}{names:>7}   {}", files.join(", "));
        rows.push(row.trim_end().to_owned());
    }
    let median = halves(twice_the_median(sizes));
    rows.push(format!("{:<36}{median:>9}", "Median"));
    let aim = "Aim: at most";
    rows.push(format!("{aim:<30}{STEP:>6}{CHANGED:>9}{NAMES:>7}   the median {MEDIAN}"));
    rows.join("\n")
}

fn too_large(sizes: &[Size]) -> Vec<String> {
    let mut broken = Vec::new();
    for size in sizes {
        if size.lines > STEP {
            broken.push(format!("{}: {} lines, at most {STEP}", size.step, size.lines));
        }
        if let Some(changed) = size.changed().filter(|&changed| changed > CHANGED) {
            broken.push(format!("{}: {changed} lines changed, at most {CHANGED}", size.step));
        }
        // The first step has to take all that any step needs.
        if size.changed.is_some() && size.names.len() > NAMES {
            let names = size.names.join(", ");
            broken.push(format!("{}: takes {names} from shared, at most {NAMES}", size.step));
        }
    }
    let median = twice_the_median(sizes);
    if median > 2 * MEDIAN {
        broken.push(format!("the median of changed lines: {}, at most {MEDIAN}", halves(median)));
    }
    broken
}

/// Twice the median, because the median can lie between two numbers.
fn twice_the_median(sizes: &[Size]) -> usize {
    let mut changed: Vec<_> = sizes.iter().filter_map(Size::changed).collect();
    changed.sort_unstable();
    match changed.len() {
        0 => 0,
        count => changed[(count - 1) / 2] + changed[count / 2],
    }
}

fn halves(number: usize) -> String {
    format!("{}{}", number / 2, if number.is_multiple_of(2) { "" } else { ".5" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(sizes: &[(usize, usize)]) -> Vec<Size> {
        let size = |(number, &(lines, changed)): (usize, &(usize, usize))| Size {
            step: format!("step{number}"),
            lines,
            changed: (number > 0).then(|| vec![("main.rs".to_owned(), changed)]),
            names: Vec::new(),
        };
        sizes.iter().enumerate().map(size).collect()
    }

    #[test]
    fn the_limits_themselves_are_allowed() {
        assert_eq!(too_large(&sizes(&[(450, 0), (450, 100), (450, 40), (1, 1)])), [""; 0]);
    }

    #[test]
    fn what_is_too_large_is_named() {
        let broken = too_large(&sizes(&[(451, 0), (1, 101), (1, 40), (1, 1)]));
        assert_eq!(
            broken,
            ["step0: 451 lines, at most 450", "step1: 101 lines changed, at most 100"]
        );
    }

    #[test]
    fn a_step_that_takes_too_many_names_is_told_which() {
        let mut sizes = sizes(&[(1, 0), (1, 1)]);
        sizes[1].names = (0..9).map(|number| format!("Name{number}")).collect();
        let broken = too_large(&sizes);
        assert!(broken[0].starts_with("step1: takes Name0, Name1,"), "{broken:?}");
        sizes[1].names.pop();
        assert_eq!(too_large(&sizes), [""; 0]);
    }

    #[test]
    fn the_median_can_be_too_large() {
        let broken = too_large(&sizes(&[(1, 0), (1, 40), (1, 41)]));
        assert_eq!(broken, ["the median of changed lines: 40.5, at most 40"]);
        assert_eq!(too_large(&sizes(&[(1, 0), (1, 39), (1, 41)])), [""; 0]);
    }

    #[test]
    fn the_table_has_a_row_for_each_step() {
        let table = table(&sizes(&[(75, 0), (98, 43)]));
        let rows: Vec<Vec<_>> = table.lines().map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["step0", "75", "0"]);
        assert_eq!(rows[2], ["step1", "98", "43", "0", "main.rs", "43"]);
    }
}
