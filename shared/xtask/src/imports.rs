//! Whether imports run downwards only: between our crates, and between the files of each crate under `shared`.
//!
//! A file that imports from another one knows it. If two files know each other, be it by way of others, a reader has to
//! read all of them to understand one. So no file may import, directly or not, from a file that imports from it. A file
//! may use the items of the `mod.rs` or `lib.rs` of its own folder: a folder is one room.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use syn::visit::{self, Visit};
use syn::{Attribute, File, Item, ItemMod, ItemUse, UseTree, Visibility};

use crate::programs::cargo;
use crate::steps::root;

/// Our crates, and the ones that each may depend on. Tests may depend on more.
const CRATES: [(&str, &[&str]); 9] = [
    ("stage", &[]),
    ("local_aws", &[]),
    ("testing", &[]),
    ("shared", &["local_aws", "stage"]),
    ("own_work", &["shared"]),
    ("what_if", &["shared"]),
    ("worlds", &["shared", "local_aws"]),
    ("xtask", &["shared", "testing"]),
    // Each of them.
    ("step", &["shared"]),
];

/// The crates whose files are looked at.
const FOLDERS: [&str; 4] =
    ["shared/src", "shared/stage/src", "shared/local_aws/src", "shared/testing/src"];

/// Where a module is: `["aws", "queue"]` is `crate::aws::queue`, and nothing is the crate itself.
type Module = Vec<String>;

/// Checks the imports of all crates.
///
/// # Errors
///
/// If an import runs upwards or in a circle, or if a file cannot be read.
pub fn check() -> Result<()> {
    let mut wrong = wrong_dependencies()?;
    for folder in FOLDERS {
        let modules = Modules::read(&root().join(folder))?;
        let circles = circles(&modules.imports());
        wrong.extend(circles.iter().map(|circle| format!("{folder}: {}", shown(circle))));
    }
    if !wrong.is_empty() {
        bail!("imports do not run downwards only:\n{}", wrong.join("\n"));
    }
    println!("All imports run downwards.");
    Ok(())
}

/// The parts of `cargo metadata` that matter here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev`, `build` or nothing.
    kind: Option<String>,
    /// Where it is, if it is ours.
    path: Option<String>,
}

fn wrong_dependencies() -> Result<Vec<String>> {
    let mut command = cargo();
    let output = command.args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    let mut wrong = Vec::new();
    for package in metadata.packages {
        let kind = if package.name.starts_with("step") { "step" } else { &package.name };
        let allowed = CRATES.iter().find(|(name, _)| *name == kind);
        let (_, allowed) = allowed.with_context(|| format!("{kind} is not in the list"))?;
        let ours = package.dependencies.iter().filter(|it| it.path.is_some() && it.kind.is_none());
        let not_allowed = ours.filter(|it| !allowed.contains(&it.name.as_str()));
        wrong.extend(not_allowed.map(|it| format!("{} depends on {}", package.name, it.name)));
    }
    Ok(wrong)
}

/// The files of a crate, but for those that only tests have.
struct Modules(BTreeMap<Module, File>);

impl Modules {
    fn read(folder: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        read(folder, &[], &mut files)
            .with_context(|| format!("cannot read {}", folder.display()))?;
        let tests: Vec<Module> = files.iter().flat_map(|(at, file)| tests_of(at, file)).collect();
        files.retain(|at, _| !tests.iter().any(|test| at.starts_with(test)));
        Ok(Self(files))
    }

    /// Which module imports from which.
    fn imports(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let of = |(at, file): (&Module, &File)| {
            let mut imports = Imports { modules: self, at, found: BTreeSet::new() };
            imports.visit_file(file);
            imports.found.remove(at);
            if let Some((_, folder)) = at.split_last() {
                imports.found.remove(folder);
            }
            (at.clone(), imports.found)
        };
        self.0.iter().map(of).collect()
    }

    /// The module that a path is about, as seen from a module. `None` if it leads out of the crate.
    fn resolve(&self, from: &Module, path: &[String]) -> Option<Module> {
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Module::new(),
            "self" => from.clone(),
            "super" => from[..from.len().checked_sub(1)?].to_vec(),
            child => {
                let child = [from.as_slice(), &[child.to_owned()]].concat();
                self.0.contains_key(&child).then_some(child)?
            }
        };
        while let Some((next, after)) = rest.split_first() {
            if next == "super" {
                at.pop();
            } else {
                let child = [at.as_slice(), std::slice::from_ref(next)].concat();
                if !self.0.contains_key(&child) {
                    break;
                }
                at = child;
            }
            rest = after;
        }
        // An item that is only passed on belongs to the module where it comes from.
        let passed_on = rest.first().and_then(|name| passed_on(self.0.get(&at)?, name));
        passed_on.and_then(|path| self.resolve(&at, &path)).or(Some(at))
    }
}

fn read(folder: &Path, at: &[String], files: &mut BTreeMap<Module, File>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let inside = [at, std::slice::from_ref(&name)].concat();
        if path.is_dir() {
            read(&path, &inside, files)?;
        } else if path.extension().is_some_and(|it| it == "rs") && name != "main" {
            let file = syn::parse_file(&fs::read_to_string(&path)?)?;
            let is_the_folder = name == "mod" || name == "lib";
            files.insert(if is_the_folder { at.to_vec() } else { inside }, file);
        }
    }
    Ok(())
}

/// The modules that a file has for tests only.
fn tests_of(at: &Module, file: &File) -> Vec<Module> {
    let modules = file.items.iter().filter_map(|item| match item {
        Item::Mod(module) if is_for_tests(&module.attrs) => Some(module.ident.to_string()),
        _ => None,
    });
    modules.map(|name| [at.as_slice(), &[name]].concat()).collect()
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    let is_test = |it: &Attribute| {
        it.path().is_ident("cfg")
            && it.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    };
    attributes.iter().any(is_test)
}

/// Where a name comes from that a file imports for others.
fn passed_on(file: &File, name: &str) -> Option<Vec<String>> {
    let uses = file.items.iter().filter_map(|item| match item {
        Item::Use(item) if is_passed_on(item) => Some(&item.tree),
        _ => None,
    });
    uses.flat_map(paths).find(|(_, as_name)| as_name == name).map(|(path, _)| path)
}

fn is_passed_on(item: &ItemUse) -> bool {
    !matches!(item.vis, Visibility::Inherited)
}

/// The paths of a `use`, and the names that they have from then on.
fn paths(tree: &UseTree) -> Vec<(Vec<String>, String)> {
    match tree {
        UseTree::Path(path) => paths(&path.tree)
            .into_iter()
            .map(|(rest, name)| {
                let first = path.ident.to_string();
                let name = if name == "self" { first.clone() } else { name };
                ([vec![first], rest].concat(), name)
            })
            .collect(),
        UseTree::Name(name) if name.ident == "self" => vec![(Vec::new(), "self".to_owned())],
        UseTree::Name(name) => vec![(vec![name.ident.to_string()], name.ident.to_string())],
        UseTree::Rename(name) => vec![(vec![name.ident.to_string()], name.rename.to_string())],
        UseTree::Glob(_) => vec![(Vec::new(), "*".to_owned())],
        UseTree::Group(group) => group.items.iter().flat_map(paths).collect(),
    }
}

struct Imports<'a> {
    modules: &'a Modules,
    at: &'a Module,
    found: BTreeSet<Module>,
}

impl Visit<'_> for Imports<'_> {
    fn visit_item_mod(&mut self, module: &ItemMod) {
        if !is_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        if !is_passed_on(item) && !is_for_tests(&item.attrs) {
            let paths = paths(&item.tree).into_iter();
            self.found.extend(paths.filter_map(|(path, _)| self.modules.resolve(self.at, &path)));
        }
    }

    fn visit_path(&mut self, path: &syn::Path) {
        if path.segments.len() > 1 {
            let path: Vec<_> = path.segments.iter().map(|it| it.ident.to_string()).collect();
            self.found.extend(self.modules.resolve(self.at, &path));
        }
        visit::visit_path(self, path);
    }
}

/// The groups of modules that import from each other, directly or not.
fn circles(imports: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<BTreeSet<Module>> {
    let reached: BTreeMap<_, _> =
        imports.keys().map(|from| (from, reached(imports, from))).collect();
    let circle = |from: &Module| {
        let back = |to: &&Module| reached.get(to).is_some_and(|it| it.contains(from));
        reached[from].iter().filter(back).cloned().collect::<BTreeSet<_>>()
    };
    imports.keys().map(circle).filter(|circle| circle.len() > 1).collect()
}

fn reached(imports: &BTreeMap<Module, BTreeSet<Module>>, from: &Module) -> BTreeSet<Module> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        for next in imports.get(module).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    reached
}

fn shown(circle: &BTreeSet<Module>) -> String {
    let names = circle.iter().map(|module| match module.join("::") {
        name if name.is_empty() => "the crate's root".to_owned(),
        name => name,
    });
    format!("{} import from each other", names.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &str) -> Module {
        path.split("::").filter(|it| !it.is_empty()).map(str::to_owned).collect()
    }

    fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
        let parse = |&(at, source): &(&str, &str)| (module(at), syn::parse_file(source).unwrap());
        let modules = Modules(files.iter().map(parse).collect());
        circles(&modules.imports()).iter().map(shown).collect()
    }

    #[test]
    fn two_files_that_import_from_each_other_are_named() {
        let files = [
            ("", "mod a; mod b; mod c;"),
            ("a", "use crate::b::{B, C};"),
            ("b", "fn f() { super::c::g() }"),
            ("c", "use crate::a;"),
            ("d", "use crate::a;"),
        ];
        assert_eq!(circles_of(&files), ["a, b, c import from each other"]);
    }

    #[test]
    fn what_is_passed_on_counts_where_it_comes_from() {
        let files =
            [("", "mod a; mod b; pub use b::B;"), ("a", "use crate::B;"), ("b", "pub struct B;")];
        assert_eq!(circles_of(&files), [""; 0]);
    }

    #[test]
    fn a_file_may_use_its_own_folder_but_not_the_one_above() {
        let own = [("", "mod a; pub fn root() { a::f() }"), ("a", "fn f() { crate::root() }")];
        assert_eq!(circles_of(&own), [""; 0]);
        let above = [
            ("", "mod a; pub fn root() { a::b::f() }"),
            ("a", "mod b;"),
            ("a::b", "fn f() { crate::root() }"),
        ];
        assert_eq!(circles_of(&above), ["the crate's root, a::b import from each other"]);
    }

    #[test]
    fn tests_may_import_what_they_like() {
        let files = [
            ("", "mod a; mod b;"),
            ("a", "#[cfg(test)] mod tests { use crate::b; }"),
            ("b", "use crate::a;"),
        ];
        assert_eq!(circles_of(&files), [""; 0]);
    }
}
