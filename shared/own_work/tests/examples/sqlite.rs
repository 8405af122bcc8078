use std::fmt::Write;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use super::world::{World, ended, gzip};

const SQLITE: &str = env!("CARGO_BIN_EXE_sqlite");

/// A row for each number, with quotes and commas, so that splitting at commas is not enough.
fn csv(numbers: std::ops::Range<i64>) -> String {
    let mut csv = "station,time,celsius\n".to_owned();
    for number in numbers {
        let station = number % 3;
        writeln!(csv, "\"North, \"\"{station}\"\"\nPole\",{number},-{number}.5").unwrap();
    }
    csv
}

/// The number of files, rows and stations, and the sum of the temperatures.
fn found(world: &World) -> (i64, i64, i64, f64) {
    let database = Connection::open(world.path("readings.sqlite")).unwrap();
    let files = database.query_row("SELECT count(*) FROM file", (), |row| row.get(0)).unwrap();
    let query = "SELECT count(*), count(DISTINCT station), total(celsius) FROM reading";
    let (rows, stations, sum) =
        database.query_row(query, (), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    (files, rows, stations, sum)
}

#[tokio::test]
async fn all_rows_are_there_and_once_however_often_a_file_is_processed() {
    let world = World::new().await;
    world.put("one.csv.gz", gzip(csv(1..2501))).await;
    world.put("two.csv", csv(2501..3001)).await;
    let (is_well, log) = world.run(SQLITE, "output").await;
    assert!(is_well && log.contains("Processed 2 files"), "{log}");
    // 1 + 2 + … + 3000, and a half for each.
    let all = (2, 3000, 3, -(3000.0 * 3001.0 / 2.0 + 1500.0));
    assert_eq!(found(&world), all);
    let results = world.results("output");
    assert_eq!(results["one.csv.gz"]["row_count"], 2500);
    assert_eq!(results["two.csv"], json!({ "byte_size": csv(2501..3001).len(), "row_count": 500 }));

    // The result was lost, or the program was killed before writing it, so the work is done again.
    world.put("one.csv.gz", gzip(csv(1..2501))).await;
    let (is_well, log) = world.run(SQLITE, "other-output").await;
    assert!(is_well && log.contains("Processed 1 files"), "{log}");
    assert_eq!(found(&world), all);

    // Different content is a different version.
    world.put("two.csv", csv(0..10)).await;
    let (is_well, _) = world.run(SQLITE, "output").await;
    assert!(is_well);
    assert_eq!((found(&world).0, found(&world).1), (3, 3010));
    world.assert_queue_is_empty().await;
}

#[tokio::test]
async fn two_programs_that_process_the_same_files_at_the_same_time_add_them_once() {
    let world = World::new().await;
    let files: Vec<_> = (0..10).map(|number| csv(number * 100..(number + 1) * 100)).collect();
    for _ in 0..2 {
        for (number, file) in files.iter().enumerate() {
            world.put(&format!("{number}.csv"), file.clone()).await;
        }
    }
    let [one, other] = ["one", "other"].map(|output| world.example(SQLITE, output));
    let ((one, _), (other, _)) = tokio::join!(ended(one), ended(other));
    assert!(one && other);
    assert_eq!(found(&world), (10, 1000, 3, -(999.0 * 1000.0 / 2.0 + 500.0)));
    world.assert_queue_is_empty().await;
}

#[tokio::test]
async fn a_file_with_a_bad_row_is_put_aside_at_once_and_none_of_its_rows_are_there() {
    let world = World::new().await;
    world.put("bad.csv", csv(0..5000) + "South Pole,5000,mild\n").await;
    world.put("good.csv", csv(0..1)).await;
    let (is_well, log) = world.run(SQLITE, "output").await;
    assert!(!is_well && log.contains("bad.csv failed"), "{log}");
    assert_eq!((found(&world).0, found(&world).1), (1, 1));
    let (_, [reason, _, key]) = world.dead_letter().await;
    assert!(reason.contains("line") && key == "bad.csv", "{key}: {reason}");
    world.assert_queue_is_empty().await;
}

/// A transaction in progress when the program has to stop is rolled back, and done in full the next
/// time.
#[cfg(unix)]
#[tokio::test]
async fn work_that_is_dropped_half_way_leaves_nothing_behind() {
    use std::process::Command;

    let world = World::new().await;
    world.put("large.csv.gz", gzip(csv(0..300_000))).await;
    let mut example = world.example(SQLITE, "output");
    example.args(["--stop-limit", "0"]);
    let child = example.spawn().unwrap();
    let id = child.id().to_string();
    // Once the database exists, the work has begun.
    while !world.path("readings.sqlite").exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap();
    let log = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{log}");
    assert_eq!((found(&world).0, found(&world).1), (0, 0), "{log}");

    let (is_well, log) = world.run(SQLITE, "output").await;
    assert!(is_well, "{log}");
    assert_eq!((found(&world).0, found(&world).1), (1, 300_000));
    world.assert_queue_is_empty().await;
}
