//! Checks that everything this tool generates is up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ignore::WalkBuilder;

use crate::each::each;
use crate::steps::root;
use crate::{api, casts, excerpts, pictures, readme_diffs, transcripts, tries};

/// The generators. A new kind is one more line.
const MAKERS: &[fn() -> Result<()>] = &[
    api::write,
    readme_diffs::write,
    excerpts::write,
    || transcripts::write(&[]),
    tries::write,
    pictures::write,
    casts::write,
];

/// Runs all generators.
///
/// # Errors
///
/// If a generator fails, or changes a file.
pub fn make_all() -> Result<()> {
    let before = contents(root())?;
    let made = each(MAKERS, |make| make());
    let after = contents(root())?;
    let changed = changed(&before, &after);
    made?;
    if !changed.is_empty() {
        let files: Vec<_> = changed.iter().map(|file| file.display().to_string()).collect();
        bail!(
            "these were not up to date, and now are; look at them, and commit them:\n{}",
            files.join("\n")
        );
    }
    Ok(())
}

type Contents = BTreeMap<PathBuf, Vec<u8>>;

/// All files except those that .gitignore names. It works without git.
fn contents(folder: &Path) -> Result<Contents> {
    let mut contents = Contents::new();
    let mut walk = WalkBuilder::new(folder);
    walk.hidden(false).require_git(false).filter_entry(|entry| entry.file_name() != ".git");
    for entry in walk.build() {
        let entry = entry?;
        if entry.file_type().is_some_and(|kind| kind.is_file()) {
            let path = entry.path();
            let content =
                fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            contents.insert(path.strip_prefix(folder)?.to_owned(), content);
        }
    }
    Ok(contents)
}

/// The files that are new, gone, or different.
fn changed<'a>(before: &'a Contents, after: &'a Contents) -> Vec<&'a Path> {
    let files: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed = files.into_iter().filter(|&file| before.get(file) != after.get(file));
    changed.map(PathBuf::as_path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_gone_or_different_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, content| fs::write(folder.path().join(file), content).unwrap();
        fs::create_dir(folder.path().join("target")).unwrap();
        write(".gitignore", "/target\n");
        for file in ["a", "b", "c", "target/d"] {
            write(file, "before");
        }
        let before = contents(folder.path()).unwrap();
        assert_eq!(changed(&before, &before), [""; 0].map(Path::new));

        write("a", "after");
        fs::remove_file(folder.path().join("b")).unwrap();
        write("c", "before");
        write("target/d", "after");
        write("e", "after");
        let after = contents(folder.path()).unwrap();
        assert_eq!(changed(&before, &after), ["a", "b", "e"].map(Path::new));
    }
}
