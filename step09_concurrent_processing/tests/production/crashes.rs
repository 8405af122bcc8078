//! Processes that are killed, and the state that the next process finds.

use std::env;
use std::fs;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;
use testing::fault_proxy::Fault::Latency;

use super::scene::{Ask, Scene};
use super::support::Running;

/// A receive waits for longer than a killed process's messages are hidden. That time is long enough for a busy machine to
/// renew it.
const ARGUMENTS: [&str; 7] =
    ["--until-idle", "--visibility-timeout", "4", "--wait", "5", "--max-demand", "10"];

/// Removes files that a process was still writing when it was killed. They have names of their own,
/// and are no results.
fn remove_unfinished(scene: &Scene) {
    for file in fs::read_dir(scene.world.output.path()).unwrap() {
        let file = file.unwrap();
        if file.file_name().to_string_lossy().starts_with(".unfinished-") {
            fs::remove_file(file.path()).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_gets_everything_done() {
    let seed = env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let scene = Scene::with_files(500).await;
    for _kill in 0..12 {
        let mut running = scene.start(&ARGUMENTS);
        // A run logs about 30 lines at first, and then 4 for each file.
        for _line in 0..random.random_range(1..120) {
            running.wait_for("");
        }
        running.child.kill().unwrap();
        running.wait_for_end();
        // Every result that exists is complete and correct.
        for (key, result) in scene.world.results() {
            assert_eq!(result, scene.expected[&key], "{key}");
        }
    }
    assert_ne!(scene.world.messages().await, (0, 0), "it was always killed in the middle");
    // The last killed process's messages become visible while this process waits.
    assert_eq!(scene.start(&ARGUMENTS).wait_for_end().code(), Some(0));
    remove_unfinished(&scene);
    scene.assert_all_done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_processes_two_do_what_the_killed_one_leaves() {
    let scene = Scene::with_files(300).await;
    scene.proxy.fault("GetObject", Latency(Duration::from_millis(20)));
    let mut running: Vec<Running> = (0..3).map(|_| scene.start(&ARGUMENTS)).collect();
    let mut killed = running.remove(0);
    for running in [&running[0], &running[1], &killed] {
        running.wait_for("Consumer processed");
    }
    killed.child.kill().unwrap();
    killed.wait_for_end();
    for mut running in running {
        assert_eq!(running.wait_for_end().code(), Some(0));
    }
    remove_unfinished(&scene);
    scene.assert_all_done().await;
}
