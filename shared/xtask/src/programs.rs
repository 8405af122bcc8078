//! The steps and the other lessons as programs.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::steps::root;

/// The prefixes of the variables that cargo sets for a program that it runs.
const SET_BY_CARGO: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// The cargo that runs this, at the top of the repository.
///
/// It lacks the variables that cargo has set for `cargo x`. A build script can depend on one of them, and then the
/// next command in the terminal, which has none, would compile again.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.current_dir(root());
    for (name, _) in env::vars_os() {
        let is_set_by_cargo = |text: &str| SET_BY_CARGO.iter().any(|it| text.starts_with(it));
        if name.to_str().is_some_and(is_set_by_cargo) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// The folder into which cargo builds programs: `target/debug`, or its counterpart elsewhere.
///
/// # Errors
///
/// If `cargo x` itself is not there.
pub fn folder() -> Result<PathBuf> {
    let x = env::current_exe()?;
    let folder = x.ancestors().find(|folder| folder.ends_with("debug"));
    Ok(folder.context("cargo x is not where cargo builds programs")?.to_owned())
}

/// Where cargo has put the programs that it has built.
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds all of them.
    ///
    /// `cargo test --workspace` builds the same, so nothing is built twice.
    ///
    /// # Errors
    ///
    /// If one cannot be built.
    pub fn build() -> Result<Self> {
        let mut cargo = cargo();
        cargo.args([
            "build",
            "--quiet",
            "--workspace",
            "--exclude",
            "xtask",
            "--bins",
            "--examples",
        ]);
        let status = cargo.status().context("cannot run cargo")?;
        ensure!(status.success(), "the steps cannot be built: {status}");
        Ok(Self { folder: folder()? })
    }

    /// The step or example of this name.
    ///
    /// # Errors
    ///
    /// If cargo has not built it.
    pub fn named(&self, name: &str) -> Result<PathBuf> {
        let places = [self.folder.join(name), self.folder.join("examples").join(name)];
        let programs = places.map(|place| place.with_extension(env::consts::EXE_EXTENSION));
        let program = programs.into_iter().find(|program| program.is_file());
        program.with_context(|| format!("cargo has built no {name}"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Output, Stdio};

    use super::*;
    use crate::steps;

    fn run(program: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        for name in ["AWS_ENDPOINT_URL", "LOG_FORMAT", "PALLETO_CLOCK", "RUST_LOG", "SQS_QUEUE_URL"]
        {
            command.env_remove(name);
        }
        command.envs(settings.iter().copied()).output().unwrap()
    }

    /// The program ends at once, and says why.
    fn assert_refused(output: &Output, named: &str) {
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(named), "{error} does not name {named}");
    }

    #[test]
    fn every_step_refuses_what_it_does_not_understand() {
        let programs = Programs::build().unwrap();
        for step in steps::all().unwrap() {
            let program = programs.named(&step.name).unwrap();
            assert_refused(&run(&program, &["--wach"], &[]), "--wach");
            assert_refused(&run(&program, &[], &[("PALLETO_CLOCK", "pausd")]), "pausd");
            if step.number < 5 {
                assert_refused(&run(&program, &["--watch"], &[]), "--watch");
            } else {
                assert_refused(&run(&program, &["--watch"], &[]), "terminal");
            }
            if step.number > 5 {
                let settings =
                    [("PALLETO_CLOCK", "paused"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")];
                assert_refused(&run(&program, &[], &settings), "PALLETO_CLOCK");
            }
        }
    }
}
