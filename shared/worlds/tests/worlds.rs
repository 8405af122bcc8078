//! Some worlds in an unoptimised build. `cargo x worlds` runs thousands.

use std::process::{Command, Output};

fn worlds(arguments: &[&str]) -> Output {
    let mut worlds = Command::new(env!("CARGO_BIN_EXE_worlds"));
    worlds.args(arguments).env("PALLETO_CLOCK", "paused").output().expect("it can be run")
}

#[test]
fn nothing_happens_that_must_not_happen() {
    let output = worlds(&["--seeds", "30"]);
    let says = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{says}");
    assert!(says.contains("30 worlds"), "{says}");
}

#[test]
fn a_world_goes_the_same_way_each_time() {
    for seed in ["3", "4"] {
        let [once, again] = [(); 2].map(|()| worlds(&["--replay", seed]));
        let text = String::from_utf8_lossy(&once.stdout);
        assert!(text.contains("Consumer processed"), "{text}");
        assert_eq!(text, String::from_utf8_lossy(&again.stdout));
    }
}

#[test]
fn faults_of_an_unknown_kind_are_refused() {
    let output = worlds(&["--faults", "weather"]);
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && says.contains("net, sqs, s3"), "{says}");
}
