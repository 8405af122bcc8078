//! Renews the transcripts in the READMEs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use testing::transcript;

use crate::each::each;
use crate::programs::Programs;
use crate::steps::{self, root};

/// The lessons besides the steps: programs, and their READMEs.
pub const LESSONS: [(&str, &str); 2] = [
    ("scraper", "shared/examples/scraper/README.md"),
    ("sqs_producer", "shared/examples/sqs_producer/README.md"),
];

/// Other pages that show steps.
const OTHERS: [&str; 2] = ["shared/stage/README.md", "deploy/OPERATING.md"];

/// Runs the transcripts of some steps, or of everything if `numbers` is empty, and writes those that have changed.
///
/// # Errors
///
/// If a step cannot be built or run, or if a README cannot be read or written.
pub fn write(numbers: &[u8]) -> Result<()> {
    let all = steps::all()?;
    let some: Result<Vec<_>> =
        numbers.iter().map(|&number| steps::numbered(&all, number)).collect();
    let steps = if numbers.is_empty() { all.iter().collect() } else { some? };
    let mut pages: Vec<(&str, String)> = Vec::new();
    for step in steps {
        pages.push((&step.name, format!("{}/README.md", step.name)));
        pages.extend(OTHERS.map(|other| (step.name.as_str(), other.to_owned())));
    }
    if numbers.is_empty() {
        pages.extend(LESSONS.map(|(program, readme)| (program, readme.to_owned())));
    }
    let programs = Programs::build()?;
    each(pages, |(program, readme)| write_one(&programs.named(program)?, &readme))
}

fn write_one(program: &Path, readme: &str) -> Result<()> {
    let path = root().join(readme);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {readme}"))?;
    if !transcript::is_shown(program, &text) {
        return Ok(());
    }
    let renewed = transcript::renew(program, &text).with_context(|| readme.to_owned())?;
    if renewed == text {
        println!("{readme}: the transcripts are true");
    } else {
        fs::write(&path, renewed).with_context(|| format!("cannot write {readme}"))?;
        println!("{readme}: transcripts written");
    }
    Ok(())
}
