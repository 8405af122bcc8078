use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::thread;

use super::*;
use crate::programs::{Programs, cargo, folder};
use crate::steps::root;

fn arguments(exercise: &str) -> Args {
    Args { exercise: Some(exercise.to_owned()), check: false, hint: false, again: false }
}

/// The mistake in each exercise, if it is done with the step of the same number, or with the one before it.
fn wrong(done_with_itself: bool) -> Vec<(String, Option<String>)> {
    let programs = Programs::build().unwrap();
    let all = all().unwrap();
    let steps = all.iter().filter_map(|exercise| match exercise {
        Exercise::Step { before, step } => Some((exercise.argument(), before, step)),
        Exercise::Small(_) => None,
    });
    // Most of the time, they wait for SQS.
    thread::scope(|scope| {
        let checked: Vec<_> = steps
            .map(|(name, before, step)| {
                let done = if done_with_itself { step } else { before };
                let program = programs.named(&done.name).unwrap();
                (name, scope.spawn(move || check::of_step(step, &done.folder(), &program)))
            })
            .collect();
        checked
            .into_iter()
            .map(|(name, checked)| (name, checked.join().unwrap().unwrap()))
            .collect()
    })
}

#[test]
fn each_step_does_the_exercise_that_it_is_the_solution_of() {
    let wrong = wrong(true);
    assert_eq!(wrong.len(), 8);
    assert!(wrong.iter().all(|(_, wrong)| wrong.is_none()), "{wrong:?}");
}

#[test]
fn no_step_does_the_exercise_that_it_is_the_start_of() {
    let wrong = wrong(false);
    assert_eq!(wrong.len(), 8);
    assert!(wrong.iter().all(|(_, wrong)| wrong.is_some()), "{wrong:?}");

    let page = fs::read_to_string(small::folder().join("README.md")).unwrap();
    let five = wrong.into_iter().find(|(name, _)| name == "5").unwrap().1.unwrap();
    assert!(page.contains(&five), "the page about the exercises shows it otherwise: {five}");
}

/// The crates of others that a package is made of, with their versions and features.
fn crates_of_others(cargo: &mut Command, package: &str) -> BTreeSet<String> {
    let tree = ["tree", "--edges=no-dev", "--prefix=none", "--no-dedupe", "--format={p} {f}"];
    let output = cargo.args(tree).args(["--package", package]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let is_ours = |line: &str| line.contains(&format!("({}", root().display()));
    tree.lines().filter(|line| !is_ours(line)).map(str::to_owned).collect()
}

#[test]
fn no_crate_of_others_is_built_again_for_an_exercise() {
    let place = Place::at(folder().unwrap().join("exercises-of-the-test-of-crates"));
    for exercise in all().unwrap() {
        let Exercise::Step { before, step } = &exercise else { continue };
        place.write(&exercise.name(), &step::files(before, step).unwrap()).unwrap();
        let in_exercise = crates_of_others(&mut place.cargo().unwrap(), &exercise.name());
        let in_step = crates_of_others(&mut cargo(), &step.name);
        assert!(in_step.len() > 20, "{in_step:?}");
        assert_eq!(in_exercise, in_step, "{}", step.name);
    }
    let manifest = fs::read_to_string(place.folder("Cargo.toml")).unwrap();
    assert!(manifest.contains("[profile.dev.package.sha2]\nopt-level = 3\n"), "{manifest}");
}

#[test]
fn every_small_exercise_starts_with_something_wrong() {
    // That each solution is right is a test of `stage`, among the others.
    let output = cargo()
        .args(["test", "--quiet", "--package", "stage", "--test", "starts", "--no-fail-fast"])
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = output.lines().filter_map(|line| line.strip_prefix("---- "));
    let failed: BTreeSet<_> = failed.filter_map(|test| test.split("::").next()).collect();
    let listed: Vec<_> = small::all().into_iter().map(|small| small.name).collect();
    assert_eq!(failed, listed.iter().map(String::as_str).collect(), "{output}");

    let folders = fs::read_dir(small::folder()).unwrap().map(Result::unwrap);
    let folders = folders.filter(|entry| entry.path().is_dir());
    let folders: BTreeSet<_> = folders.map(|entry| entry.file_name()).collect();
    assert_eq!(folders, listed.iter().map(Into::into).collect());

    let page = fs::read_to_string(small::folder().join("README.md")).unwrap();
    for name in listed {
        assert!(page.contains(&format!("\n| `{name}` | ")), "the page lacks {name}");
    }
}

#[test]
fn every_exercise_has_a_title_hints_and_files() {
    for exercise in all().unwrap() {
        let Exercise::Small(small) = exercise else { continue };
        assert!(small.title().unwrap().len() > 10, "{}", small.name);
        let hints = small.hints().unwrap();
        assert!(hints.len() >= 3, "{} has {} hints", small.name, hints.len());
        assert!(hints.iter().all(|hint| !hint.text.trim().is_empty()), "{}", small.name);
        let files = small.files().unwrap();
        assert!(!files["README.md"].contains("Hints"), "{}", small.name);
    }
}

#[test]
fn an_exercise_is_begun_checked_solved_and_begun_again() {
    // Always the same folder, so that cargo does not keep another build each time.
    let folder = folder().unwrap().join("exercises-of-the-test");
    let _ = fs::remove_dir_all(&folder);
    let place = Place::at(folder);
    let all = all().unwrap();
    let three = find(&all, "3").unwrap();
    let Exercise::Step { step, .. } = three else { panic!("it is a step") };
    let check = || check::run(&place, three).unwrap();

    let error = check::run(&place, three).unwrap_err().to_string();
    assert!(error.contains("`cargo x exercise 3` does"), "{error}");
    run_in(&place, &arguments("3")).unwrap();
    let wrong = check().unwrap();
    let words = "expected: Casting events to producer\ngot:      Sending events to producer";
    assert!(wrong.ends_with(words), "{wrong}");

    // The word alone is not the lesson.
    let server = place.folder("step03/src/server.rs");
    let changed = fs::read_to_string(&server).unwrap().replace("Sending events", "Casting events");
    fs::write(&server, &changed).unwrap();
    let wrong = check().unwrap();
    assert!(wrong.contains("still knows the messages of the producer"), "{wrong}");

    // The learner's code stays.
    let error = run_in(&place, &arguments("3")).unwrap_err().to_string();
    assert!(error.contains("--again"), "{error}");
    assert_eq!(fs::read_to_string(&server).unwrap(), changed);

    for file in ["producer.rs", "server.rs"] {
        let solved = fs::read_to_string(step.folder().join("src").join(file)).unwrap();
        fs::write(place.folder("step03/src").join(file), solved).unwrap();
    }
    assert_eq!(check(), None);
    assert!(place.state("step03").passed);

    run_in(&place, &Args { again: true, ..arguments("3") }).unwrap();
    assert!(!place.state("step03").passed);
    assert!(place.folder(".put-aside/step03-1/src/server.rs").exists());
    assert!(fs::read_to_string(&server).unwrap().contains("Sending events"));
}

#[test]
fn an_exercise_that_there_is_not_is_refused_with_those_that_there_are() {
    let all = all().unwrap();
    let error = |wanted| find(&all, wanted).err().unwrap().to_string();
    assert_eq!(error("1"), "step 1 is where you start from: the exercises begin with 2");
    assert!(error("10").contains("there are 2, 3, 4, 5, 6, 7, 8, 9, buffer, "), "{}", error("10"));
    assert_eq!(find(&all, "step05").unwrap().argument(), "5");
}
