//! The step as a process: its memory, its end, its exit codes.

use std::time::{Duration, Instant};

use super::support::{Running, World, gzip, numbered_lines, results, step, text};

/// Counting 200 MB takes constant memory: the process's peak is a fraction of that.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn memory_does_not_grow_with_a_file() {
    let world = World::new().await;
    world.put("large.gz", gzip(numbered_lines(2_000_000, 100))).await;
    let mut step = world.step(&[]);
    let output = world.output.path().to_owned();
    let hidden = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with('.');
    // This thread serves the SQS and S3 that the process uses.
    let peak = tokio::task::spawn_blocking(move || {
        let running = Running::start(&mut step);
        running.until("Consumer processed large.gz");
        let minute = Instant::now() + Duration::from_mins(1);
        while std::fs::read_dir(&output).unwrap().all(|file| hidden(&file.unwrap().file_name())) {
            assert!(Instant::now() < minute, "there is no result");
            std::thread::sleep(Duration::from_millis(10));
        }
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    });
    assert!(peak.await.unwrap() < 100_000_000);
    assert_eq!(world.results()["large.gz"], (2_000_000, 200_000_000));
}

/// The step ends in order, both under load and when idle.
#[cfg(unix)]
#[tokio::test]
async fn a_signal_ends_it_in_order_and_nothing_is_lost() {
    for (signal, files) in [("TERM", 100), ("INT", 100), ("TERM", 0)] {
        let world = World::new().await;
        for file in 0..files {
            world.put(&format!("{file}.gz"), gzip("line\n".repeat(1000))).await;
        }
        let mut step = world.step(&["--visibility-timeout", "1000"]);
        let seen = if files == 0 { "Run 1" } else { "Consumer processed" };
        let status = tokio::task::spawn_blocking(move || {
            let mut running = Running::start(&mut step);
            running.until(seen);
            let kill = format!("kill -{signal} {}", running.child.id());
            assert!(
                std::process::Command::new("sh").arg("-c").arg(kill).status().unwrap().success()
            );
            running.end()
        });
        let status = status.await.unwrap();
        assert_eq!(status.code(), Some(0));
        // Finished messages are deleted, and all others can be received: none is hidden.
        let done = world.results().len();
        assert!(files == 0 || (1..files).contains(&done), "{done}");
        world.until_messages(files - done, 0).await;
    }
}

#[test]
fn wrong_input_gets_a_clear_line_and_an_exit_code() {
    let usage = [
        (vec!["--pipelines", "0"], "--pipelines"),
        (vec!["no such file.gz"], "no such file.gz"),
        (vec!["/"], "folder"),
        (vec!["--wait", "21"], "--wait"),
        (vec!["--max-demand", "0"], "--max-demand"),
        (vec!["--visibility-timeout", "0"], "1..=43200"),
        (vec!["--metrics", "somewhere"], "--metrics"),
        (vec!["--allow-bucket", "s3://bucket"], "--allow-bucket"),
        (vec!["--on-missing", "ignore"], "release or fail"),
        (vec!["--log-format", "xml"], "full or json"),
        (vec!["--no-such-flag"], "--no-such-flag"),
        (vec!["--queue-url", "http://127.0.0.1:1/q", "Cargo.toml"], "FILES"),
        (vec!["--endpoint-url", "http://127.0.0.1:1", "Cargo.toml"], "FILES"),
        (vec!["--endpoint-url", "http://127.0.0.1:1", "--latency", "1s"], "--latency"),
        (vec!["--max-demand", "-3"], "a number from 1"),
        (vec!["--output", "s3:/bucket/prefix"], "s3://BUCKET/PREFIX/"),
        (vec!["--check", "--until-idle"], "--until-idle"),
    ];
    let others = [
        (vec!["--output", "Cargo.toml/x"], "--output"),
        (vec!["--endpoint-url", "http://127.0.0.1:1"], "AWS_REGION"),
    ];
    let with_code = |cases: Vec<_>, code| cases.into_iter().map(move |case| (case, code));
    for ((arguments, hint), code) in with_code(usage.into(), 2).chain(with_code(others.into(), 1)) {
        let mut step = step(&arguments);
        step.env_clear().env("HOME", "/nowhere").env("AWS_EC2_METADATA_DISABLED", "true");
        let ended = step.output().unwrap();
        let error = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(hint), "{arguments:?}: {error}");
    }
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_an_error() {
    let world = World::new().await;
    let url = format!("{}/000000000000/other", world.local.endpoint_url());
    for arguments in [["--queue-url", &url], ["--queue-name", "other"]] {
        let mut step = world.step(&arguments);
        step.env_remove("SQS_QUEUE_URL");
        let ended = tokio::task::spawn_blocking(move || step.output()).await.unwrap().unwrap();
        let error = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{error}");
        assert!(error.contains("there is no queue"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

/// Only a queue or an endpoint makes the step use a real SQS. Other variables in the
/// environment do not.
#[test]
fn credentials_in_the_environment_do_not_make_it_use_aws() {
    let output = tempfile::TempDir::new().unwrap();
    let mut step = step(&["--until-idle", "--output"]);
    step.arg(output.path());
    step.env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "somebody's")
        .env("AWS_SESSION_TOKEN", "token")
        .env("AWS_PROFILE", "production")
        .env("AWS_REGION", "eu-central-1")
        .env("SQS_QUEUE_URL", "")
        .env("AWS_ENDPOINT_URL", "");
    let ended = step.output().unwrap();
    let log = text(&ended.stdout);
    assert!(ended.status.success(), "{log}{}", text(&ended.stderr));
    assert!(log.starts_with("Using the embedded SQS and S3 at http://127.0.0.1:"), "{log}");
    assert_eq!(results(output.path()).len(), 12);
}
