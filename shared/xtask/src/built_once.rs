//! Checks that crates of others are built once, whichever of our programs is built first.
//!
//! cargo builds a crate again for another set of features, or when it builds one of its dependencies again. `cargo tree`
//! lists the features, so this check builds nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use anyhow::{Context, Result, bail, ensure};

use crate::programs::cargo;
use crate::steps;

/// How many crates may be built again for a step that does without the AWS SDK. Such a step builds in seconds alone,
/// and its crates lack the features that the SDK asks for.
const ALONE: usize = 20;
/// The same, for a step with `--watch`.
const ALONE_WITH_WATCH: usize = 30;

/// The crates that cargo builds, with their features, and the dependencies of each.
#[derive(Debug, Default, PartialEq, Eq)]
struct Built(BTreeMap<String, BTreeSet<String>>);

/// Prints how many crates are built again for each program after the workspace's tests are built.
///
/// # Errors
///
/// If there are too many, or if cargo cannot tell.
pub fn print() -> Result<()> {
    let tests = Built::by(&["--workspace", "--edges", "normal,build,dev"])?;
    let mut programs = vec![("the workspace".to_owned(), vec!["--workspace"], 0)];
    let steps = steps::all()?;
    for step in &steps {
        let most = match step.number {
            ..=4 => ALONE,
            5 => ALONE_WITH_WATCH,
            _ => 0,
        };
        programs.push((step.name.clone(), vec!["--package", &step.name], most));
    }
    programs.push(("local_aws".to_owned(), vec!["--package", "local_aws"], 0));
    programs.push(("cargo x".to_owned(), vec!["--package", env!("CARGO_PKG_NAME")], 0));

    let mut too_many = false;
    writeln!(io::stdout(), "{:<30}{:>6}{:>7}{:>9}", "Program", "Crates", "Again", "At most")?;
    for (name, packages, most) in programs {
        let built = Built::by(&[&packages[..], &["--edges", "normal,build"]].concat())?;
        let (crates, again) = (built.0.len(), built.again_after(&tests));
        writeln!(io::stdout(), "{name:<30}{crates:>6}{:>7}{most:>9}", again.len())?;
        if again.len() > most {
            too_many = true;
            writeln!(io::stdout(), "  {}", again.into_iter().collect::<Vec<_>>().join("\n  "))?;
        }
    }
    if too_many {
        bail!(
            "crates are built again after `cargo test --workspace`, because other features of them are asked for: \
             name in [workspace.dependencies] what all of our crates ask for"
        );
    }
    Ok(())
}

impl Built {
    fn by(arguments: &[&str]) -> Result<Self> {
        let mut cargo = cargo();
        cargo.args(["tree", "--locked", "--prefix", "depth", "--format", "|{p}|{f}"]);
        let output = cargo.args(arguments).output().context("cannot run cargo")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(Self::read(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Reads `2|serde v1.0.229|derive,std (*)`: the depth in the tree, the crate, and its features. A star stands
    /// for dependencies that the tree has listed before.
    fn read(tree: &str) -> Self {
        let mut built = Self::default();
        let mut path: Vec<&str> = Vec::new();
        for line in tree.lines() {
            let Some((depth, name)) = line.split_once('|') else { continue };
            path.truncate(depth.parse().unwrap_or_default());
            let name = name.trim_end_matches(" (*)");
            built.0.entry(name.to_owned()).or_default();
            if let Some(&parent) = path.last() {
                built.0.entry(parent.to_owned()).or_default().insert(name.to_owned());
            }
            path.push(name);
        }
        built
    }

    /// The crates that are not ours, and that are built again after `before` was built.
    fn again_after<'a>(&'a self, before: &Self) -> BTreeSet<&'a str> {
        let mut again: BTreeSet<_> = self
            .0
            .keys()
            .map(String::as_str)
            .filter(|name| !before.0.contains_key(*name))
            .collect();
        loop {
            let dependents = self
                .0
                .iter()
                .filter(|(_, needs)| needs.iter().any(|need| again.contains(need.as_str())));
            let more: BTreeSet<_> = dependents.map(|(name, _)| name.as_str()).collect();
            if more.is_subset(&again) {
                break;
            }
            again.extend(more);
        }
        // Only our crates have a folder in their names.
        again.retain(|name| !name.contains(" (/"));
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTS: &str = "0|step v1 (/here)|\n1|tokio v1|rt,time\n2|bytes v1|std\n1|serde v1|std\n";

    #[test]
    fn what_has_the_same_features_is_built_once() {
        let tests = Built::read(TESTS);
        let step = Built::read("0|step v1 (/here)|\n1|tokio v1|rt,time\n2|bytes v1|std\n");
        assert_eq!(step.again_after(&tests), BTreeSet::new());
    }

    #[test]
    fn what_has_other_features_is_built_again_and_so_is_all_above_it() {
        let tests = Built::read(TESTS);
        let step =
            Built::read("0|step v1 (/here)|\n1|serde v1|std\n1|tokio v1|rt,time\n2|bytes v1|\n");
        assert_eq!(step.again_after(&tests), BTreeSet::from(["bytes v1|", "tokio v1|rt,time"]));
    }

    #[test]
    fn a_star_stands_for_what_was_listed_before() {
        let built = Built::read("0|a v1|\n1|b v1|x\n2|c v1|\n0|d v1|\n1|b v1|x (*)\n");
        let needs = |name: &str| built.0[name].iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(needs("b v1|x"), ["c v1|"]);
        assert_eq!(needs("d v1|"), ["b v1|x"]);
    }
}
