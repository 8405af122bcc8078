use std::fs;
use std::process::Command;

use tempfile::TempDir;

use super::*;

/// Three steps. Each adds a line to the one before it. In step 3, `b` has become `B`.
const STEPS: [(&str, &str); 3] = [
    ("step01_one", "a\n\nb\n\nc\n\nd\n"),
    ("step02_two", "a\n\nb\n\ntwo\n\nc\n\nd\n"),
    ("step03_three", "a\n\nB\n\ntwo\n\nc\n\nthree\n\nd\n"),
];
const FILE: &str = "src/server.rs";

struct Workspace(TempDir);

impl Workspace {
    /// None without git: the other tests need only Rust.
    fn empty() -> Option<Self> {
        Command::new("git").arg("--version").output().ok()?;
        let workspace = Self(tempfile::tempdir().unwrap());
        workspace.git(&["init", "--quiet"]);
        Some(workspace)
    }

    fn new() -> Option<Self> {
        let workspace = Self::empty()?;
        for (step, text) in STEPS {
            workspace.write(step, FILE, text);
            workspace.write(step, "README.md", step);
        }
        workspace.commit();
        Some(workspace)
    }

    fn git(&self, arguments: &[&str]) {
        let name = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"];
        let mut git = Command::new("git");
        let status = git.current_dir(self.0.path()).args(name).args(arguments).status().unwrap();
        assert!(status.success(), "{arguments:?}");
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "m"]);
    }

    fn write(&self, step: &str, file: &str, text: &str) {
        let path = self.0.path().join(step).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, step: &str, file: &str) -> String {
        fs::read_to_string(self.0.path().join(step).join(file)).unwrap_or_default()
    }

    fn carry(&self, number: u8, base: &str) -> Result<()> {
        let steps = steps::all_in(self.0.path()).unwrap();
        carry_in(&Repository::new(self.0.path()), &steps, number, base)
    }

    fn error(&self, number: u8) -> String {
        format!("{:#}", self.carry(number, "HEAD").unwrap_err())
    }
}

#[test]
fn a_change_reaches_each_later_step_and_their_lessons_stay() {
    let Some(workspace) = Workspace::new() else { return };
    workspace.write("step01_one", FILE, "A\n\nb\n\nc\n\nd\n");
    workspace.carry(1, "HEAD").unwrap();
    assert_eq!(workspace.read("step02_two", FILE), "A\n\nb\n\ntwo\n\nc\n\nd\n");
    assert_eq!(workspace.read("step03_three", FILE), "A\n\nB\n\ntwo\n\nc\n\nthree\n\nd\n");
}

#[test]
fn earlier_steps_are_left_alone() {
    let Some(workspace) = Workspace::new() else { return };
    workspace.write("step02_two", FILE, "A\n\nb\n\ntwo\n\nc\n\nd\n");
    workspace.carry(2, "HEAD").unwrap();
    assert_eq!(workspace.read("step01_one", FILE), STEPS[0].1);
    assert_eq!(workspace.read("step03_three", FILE), "A\n\nB\n\ntwo\n\nc\n\nthree\n\nd\n");
}

#[test]
fn a_conflict_stops_it_and_once_resolved_it_goes_on_from_there() {
    let Some(workspace) = Workspace::new() else { return };
    workspace.git(&["mv", "step03_three", "step04_four"]);
    workspace.write("step03_three", FILE, STEPS[2].1);
    workspace.commit();

    workspace.write("step01_one", FILE, "A\n\nbee\n\nc\n\nd\n");
    let error = workspace.error(1);
    assert!(error.contains("step03_three/src/server.rs"), "{error}");
    assert!(error.ends_with("cargo x carry 3"), "{error}");
    assert_eq!(workspace.read("step02_two", FILE), "A\n\nbee\n\ntwo\n\nc\n\nd\n");
    let text = workspace.read("step03_three", FILE);
    assert!(text.starts_with("A\n\n<<<<<<< this step\nB\n=======\nbee\n>>>>>>> "), "{text}");
    assert_eq!(workspace.read("step04_four", FILE), STEPS[2].1);

    assert!(workspace.error(3).contains("still has conflicts"));

    workspace.write("step03_three", FILE, "A\n\nBEE\n\ntwo\n\nc\n\nthree\n\nd\n");
    workspace.carry(3, "HEAD").unwrap();
    assert_eq!(workspace.read("step04_four", FILE), "A\n\nBEE\n\ntwo\n\nc\n\nthree\n\nd\n");
}

#[test]
fn nothing_is_touched_while_a_later_step_has_changes_of_its_own() {
    let Some(workspace) = Workspace::new() else { return };
    workspace.write("step01_one", FILE, "A\n\nb\n\nc\n\nd\n");
    workspace.write("step03_three", "src/new.rs", "");
    assert!(workspace.error(1).contains("step03_three/src/new.rs"));
    assert_eq!(workspace.read("step02_two", FILE), STEPS[1].1);
}

#[test]
fn a_readme_is_neither_carried_nor_in_the_way() {
    let Some(workspace) = Workspace::new() else { return };
    workspace.write("step01_one", FILE, "A\n\nb\n\nc\n\nd\n");
    workspace.write("step01_one", "README.md", "1");
    workspace.write("step02_two", "README.md", "2");
    workspace.carry(1, "HEAD").unwrap();
    assert_eq!(workspace.read("step02_two", "README.md"), "2");
    assert_eq!(workspace.read("step03_three", "README.md"), "step03_three");
}

#[test]
fn a_committed_change_is_carried_from_the_commit_before_it() {
    let Some(workspace) = Workspace::new() else { return };
    workspace.write("step01_one", FILE, "A\n\nb\n\nc\n\nd\n");
    workspace.commit();
    assert!(workspace.error(1).contains("has not changed since HEAD"));
    workspace.carry(1, "HEAD~1").unwrap();
    assert!(workspace.read("step03_three", FILE).starts_with("A\n"));
}

#[test]
fn files_come_and_go_with_the_change() {
    let Some(workspace) = Workspace::new() else { return };
    for (step, _) in STEPS {
        workspace.write(step, "src/same.rs", "same");
        workspace.write(step, "src/own.rs", step);
    }
    workspace.commit();
    workspace.write("step01_one", "src/new.rs", "new");
    for file in ["src/same.rs", "src/own.rs"] {
        fs::remove_file(workspace.0.path().join("step01_one").join(file)).unwrap();
    }
    assert!(workspace.error(1).contains("src/own.rs (deleted in the step before"));
    assert_eq!(workspace.read("step02_two", "src/new.rs"), "new");
    assert_eq!(workspace.read("step02_two", "src/same.rs"), "");
    assert_eq!(workspace.read("step02_two", "src/own.rs"), "step02_two");
}

#[test]
fn the_head_of_main_rs_stays_with_its_step() {
    let old = "//! Step 1.\n\nfn main() {}\n";
    let step = "//! Step 2.\n//! Changed since step 1.\n\nfn main() {}\n";
    let new = "//! Step 1, better.\n\nfn main() {\n}\n";
    let merged = merge_file("src/main.rs", old, step, new).unwrap();
    assert_eq!(merged, "//! Step 2.\n//! Changed since step 1.\n\nfn main() {\n}\n");
}

/// On copies of the real steps.
#[test]
fn a_change_of_the_first_step_reaches_the_last() {
    let Some(copies) = Workspace::empty() else { return };
    let steps = steps::all().unwrap();
    for step in &steps {
        let mut files = vec![step.folder().join("Cargo.toml")];
        let sources = fs::read_dir(step.folder().join("src")).unwrap();
        files.extend(sources.map(|entry| entry.unwrap().path()));
        for file in files {
            let name = file.strip_prefix(step.folder()).unwrap().to_str().unwrap();
            copies.write(&step.name, name, &fs::read_to_string(&file).unwrap());
        }
    }
    copies.commit();
    let (before, after) = ("publish.workspace = true\n", "publish = false\n");
    let of = |step: &Step| copies.read(&step.name, "Cargo.toml");
    let manifests: Vec<_> = steps.iter().map(of).collect();
    copies.write(&steps[0].name, "Cargo.toml", &manifests[0].replace(before, after));
    copies.carry(1, "HEAD").unwrap();
    for (step, manifest) in steps.iter().zip(&manifests) {
        assert!(manifest.contains(before), "{manifest}");
        assert_eq!(of(step), manifest.replace(before, after));
    }
}
