//! What the READMEs show in a terminal.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use shared::transcript;

use crate::each::each;
use crate::steps::{self, Step, root};

/// What shows steps too, besides their own READMEs.
const OTHERS: [&str; 2] = ["shared/README.md", "deploy/OPERATING.md"];

/// Runs what the READMEs show of some steps, or of all if none is named, and writes what happens if it
/// is not that.
///
/// # Errors
///
/// If a step cannot be built or run, or if a README cannot be read or written.
pub fn write(numbers: &[u8]) -> Result<()> {
    let all = steps::all()?;
    let some: Result<Vec<_>> =
        numbers.iter().map(|&number| steps::numbered(&all, number)).collect();
    let steps = if numbers.is_empty() { all.iter().collect() } else { some? };
    let packages = steps.iter().flat_map(|step| ["--package", step.name.as_str()]);
    build(if numbers.is_empty() { vec!["--workspace"] } else { packages.collect() })?;

    let mut shown = Vec::new();
    for step in steps {
        let program = program(step)?;
        for other in OTHERS.map(|other| root().join(other)) {
            if transcript::is_shown(&program, &read(&other)?) {
                shown.push((program.clone(), other));
            }
        }
        shown.push((program, step.folder().join("README.md")));
    }
    each(shown, |(program, readme)| write_one(&program, &readme))
}

/// Builds the steps as their tests do: a build of the programs alone would be another one, and take
/// minutes.
fn build(packages: Vec<&str>) -> Result<()> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--quiet", "--no-run", "--test", "transcript"]).args(packages);
    let status = cargo.current_dir(root()).status().context("cannot run cargo")?;
    ensure!(status.success(), "the steps cannot be built: {status}");
    Ok(())
}

/// Where cargo has put it: next to this one.
fn program(step: &Step) -> Result<PathBuf> {
    let program =
        env::current_exe()?.with_file_name(&step.name).with_extension(env::consts::EXE_EXTENSION);
    ensure!(program.is_file(), "{} was not built; run this with `cargo x`", program.display());
    Ok(program)
}

fn write_one(program: &Path, path: &Path) -> Result<()> {
    let readme = read(path)?;
    let name = path.strip_prefix(root())?.display();
    let renewed = transcript::renew(program, &readme).with_context(|| name.to_string())?;
    if renewed == readme {
        println!("{name}: the transcripts are true");
    } else {
        fs::write(path, renewed).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{name}: transcripts written");
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
