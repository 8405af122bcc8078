//! Counts the parts of `shared` that a reader of a step has to know: the names that the step imports, and the files
//! that an event passes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::code::{self, Code};
use crate::steps;

/// The types that an event and its message have in `shared`, from the receive to the deletion.
const CARRIERS: [&str; 2] = ["Delivery", "Done"];

/// The names that a step imports from `shared`, or uses by a path that begins with `shared::`.
pub fn imported(step: &Code) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for lines in step.values() {
        let code: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        let code = code.join("\n");
        for (at, _) in code.match_indices("shared::") {
            let path = &code[at..];
            let end = if code[..at].ends_with("use ") { path.find(';') } else { end_of_path(path) };
            names.extend(leaves(&path[..end.unwrap_or(path.len())]));
        }
    }
    names
}

fn end_of_path(path: &str) -> Option<usize> {
    path.find(|c: char| !c.is_alphanumeric() && !"_:".contains(c))
}

/// `a::{B, c::D, e::{self, F}}` has the leaves B, D, e and F.
fn leaves(tree: &str) -> Vec<String> {
    let mut leaves = Vec::new();
    let mut path: Vec<&str> = Vec::new();
    let mut groups = Vec::new();
    let mut rest = tree;
    while let Some(at) = rest.find(|c| "{},".contains(c)) {
        let (segments, mark) = (&rest[..at], &rest[at..=at]);
        path.extend(segments.split("::").map(str::trim).filter(|segment| !segment.is_empty()));
        if mark == "{" {
            groups.push(path.len());
        } else {
            let group = groups.last().copied().unwrap_or_default();
            leaves.extend(leaf(&path, group));
            path.truncate(group);
            if mark == "}" {
                groups.pop();
                path.truncate(groups.last().copied().unwrap_or_default());
            }
        }
        rest = &rest[at + 1..];
    }
    path.extend(rest.split("::").map(str::trim).filter(|segment| !segment.is_empty()));
    leaves.extend(leaf(&path, 0));
    leaves
}

fn leaf(path: &[&str], group: usize) -> Option<String> {
    if path.len() <= group {
        return None;
    }
    let name = match path {
        [.., parent, "self"] => parent,
        [.., name] => name,
        [] => return None,
    };
    Some((*name).to_owned())
}

/// The files of `shared` through which an event passes between a receive and the deletion of its message.
///
/// # Errors
///
/// If they cannot be read.
pub fn files_of_an_event() -> Result<Vec<String>> {
    let folder = steps::root().join("shared/src/aws");
    files_in(&folder).with_context(|| format!("cannot read {}", folder.display()))
}

fn files_in(folder: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // `mod.rs` has the names only.
        let is_code = path.extension().is_some_and(|extension| extension == "rs");
        if is_code && name != "mod.rs" && carries(&fs::read_to_string(&path)?) {
            files.push(name);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn carries(source: &str) -> bool {
    let words = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut words = code::lines(source).into_iter().flat_map(move |line| words(&line.text));
    words.any(|word| CARRIERS.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> Code {
        Code::from([("main.rs".to_owned(), code::lines(source))])
    }

    #[test]
    fn imports_are_found_in_groups_and_in_paths() {
        let source = "use shared::aws::notification::objects_in;\n\
            use shared::{aws::{Queue, why}, stage::{self, Consumer}};\n\
            use tokio::task;\nfn main() -> Result<(), shared::Error> { shared::init()?; }\n";
        let names: Vec<_> = imported(&code(source)).into_iter().collect();
        assert_eq!(names, ["Consumer", "Error", "Queue", "init", "objects_in", "stage", "why"]);
    }

    #[test]
    fn a_file_carries_an_event_if_its_code_names_one() {
        assert!(carries("fn f() -> Delivery {}"));
        assert!(!carries("/// A [`Delivery`].\nfn f() {} // Done."), "comments do not count");
        assert!(!carries("struct DeliveryList;"));
    }
}
