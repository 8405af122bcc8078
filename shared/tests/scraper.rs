//! The scraper tells the chapter's story.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod example;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};

const MAIN: &str = include_str!("../examples/scraper/main.rs");
const PAGES: [&str; 5] = ["google.com", "facebook.com", "apple.com", "netflix.com", "amazon.com"];

/// Runs the example on the paused clock to its end, and returns what it prints.
fn run(arguments: &[&str]) -> Vec<String> {
    lines(example::command("scraper").args(arguments))
}

/// A run of an experiment, which also tells what each page took.
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

/// The experiments that are shown, with what comes after `--`, and what is shown to happen.
fn shown() -> Vec<(Vec<&'static str>, Vec<&'static str>)> {
    let run = "$ cargo run -p shared --example scraper";
    let arguments = |command: &'static str| {
        let arguments = command.strip_prefix(run).unwrap().trim_start_matches(" -- ");
        arguments.split_whitespace().collect()
    };
    let transcripts = example::transcripts(MAIN).into_iter();
    transcripts.map(|(command, lines)| (arguments(command), lines)).collect()
}

fn sorted(lines: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let mut lines: Vec<_> = lines.into_iter().map(Into::into).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn what_is_shown_is_what_happens() {
    let mut experiments = BTreeSet::new();
    for (arguments, lines) in shown() {
        experiments.insert(arguments.get(1).copied().unwrap_or("one-consumer"));
        assert_eq!(lines, run(&arguments), "left: what is shown of {arguments:?}");
    }
    let all =
        ["buffer-keep", "buffer-size", "consumer-supervisor", "one-consumer", "two-consumers"];
    assert_eq!(experiments, all.into());
}

#[test]
fn the_same_happens_whatever_the_work_takes() {
    for (arguments, lines) in shown() {
        let experiment = &arguments[..arguments.len().min(2)];
        for seed in 2..8_u32 {
            let seed = seed.to_string();
            let arguments = [experiment, &["--seed", &seed]].concat();
            assert_eq!(sorted(lines.clone()), sorted(run(&arguments)), "{arguments:?}");
        }
        run(experiment);
    }
}

/// The page, and how long it took, if the line tells of that.
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
