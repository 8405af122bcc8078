//! Runs the program `worlds`, optimised: unoptimised, a world takes ten times as long.

use std::ffi::OsString;

use anyhow::{Context, Result, ensure};

use crate::programs::cargo;

/// # Errors
///
/// If it cannot be built, or a world fails.
pub fn run(arguments: &[OsString]) -> Result<()> {
    let mut cargo = cargo();
    cargo.args(["run", "--quiet", "--release", "--locked", "--package", "worlds", "--"]);
    // A world that is asked for by its seed runs in the program itself, and on the paused clock.
    cargo.args(arguments).env("PALLETO_CLOCK", "paused");
    let status = cargo.status().context("cannot run cargo")?;
    ensure!(status.success(), "worlds: {status}");
    Ok(())
}
