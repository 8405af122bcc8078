//! The scraper tells the chapter's story.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod example;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};

const README: &str = include_str!("../examples/scraper/README.md");
const EXPERIMENTS: [&str; 5] =
    ["one-consumer", "two-consumers", "buffer-size", "buffer-keep", "consumer-supervisor"];
const PAGES: [&str; 5] = ["google.com", "facebook.com", "apple.com", "netflix.com", "amazon.com"];

/// Runs the example on the paused clock to its end, and returns its output.
fn run(arguments: &[&str]) -> Vec<String> {
    lines(example::command("scraper").args(arguments))
}

/// A run of an experiment that also logs how long each page took.
fn run_in_detail(experiment: &str, seed: u32) -> Vec<String> {
    let mut scraper = example::command("scraper");
    scraper.args(["--experiment", experiment, "--seed", &seed.to_string()]);
    lines(scraper.env("RUST_LOG", "scraper=debug"))
}

fn lines(scraper: &mut Command) -> Vec<String> {
    let Output { status, stdout, .. } = scraper.env("PALLETO_CLOCK", "paused").output().unwrap();
    let lines: Vec<_> = String::from_utf8(stdout).unwrap().lines().map(str::to_owned).collect();
    assert!(status.success(), "{scraper:?}: {status}, {lines:#?}");
    lines
}

fn sorted(lines: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let mut lines: Vec<_> = lines.into_iter().map(Into::into).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn what_is_shown_is_what_happens() {
    testing::transcript::check(example::program("scraper").to_str().unwrap(), README);
    for experiment in &EXPERIMENTS[1..] {
        assert!(
            README.contains(&format!("--experiment {experiment}")),
            "{experiment} is not shown"
        );
    }
}

#[test]
fn the_same_happens_whatever_the_work_takes() {
    for experiment in EXPERIMENTS {
        let with_seed =
            |seed: u32| sorted(run(&["--experiment", experiment, "--seed", &seed.to_string()]));
        for seed in 2..8 {
            assert_eq!(with_seed(1), with_seed(seed), "{experiment}, seed {seed}");
        }
        run(&["--experiment", experiment]);
    }
}

/// The page and its time, if the line reports them.
fn took(line: &str) -> Option<(&str, &str)> {
    line.strip_suffix(" seconds")?.split_once(" took ")
}

#[test]
fn work_takes_1_to_5_seconds_and_a_seed_makes_them_the_same_again() {
    let runs: BTreeMap<_, _> =
        (0..10).map(|seed| (seed, run_in_detail("one-consumer", seed))).collect();
    let mut seconds = BTreeSet::new();
    for (&seed, run) in &runs {
        assert_eq!(*run, run_in_detail("one-consumer", seed));
        let took: Vec<_> = run.iter().filter_map(|line| took(line)).collect();
        assert_eq!(took.iter().map(|(page, _)| *page).collect::<Vec<_>>(), PAGES);
        seconds.extend(took.into_iter().map(|(_, seconds)| seconds));
    }
    assert_eq!(seconds, ["1", "2", "3", "4", "5"].into());
}

#[test]
fn two_work_at_the_same_time_and_never_three() {
    for (experiment, seed) in [("two-consumers", 1), ("consumer-supervisor", 1)]
        .into_iter()
        .chain((2..8).map(|seed| ("consumer-supervisor", seed)))
    {
        let run = run_in_detail(experiment, seed);
        let (mut begun, mut at_work, mut most) = (BTreeSet::new(), 0_u32, 0);
        for line in &run {
            if let Some((page, _)) = took(line) {
                assert!(begun.contains(page), "{run:#?}");
                at_work -= 1;
            } else if let Some(page) = line.strip_prefix("PageConsumer received ") {
                let page = page.trim_matches(|c| "[\"]".contains(c));
                assert!(begun.insert(page), "{page} twice: {run:#?}");
                at_work += 1;
                most = most.max(at_work);
            }
        }
        assert_eq!((begun, at_work, most), (PAGES.into(), 0, 2), "{run:#?}");
    }
}
