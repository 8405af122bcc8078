//! Files of many kinds, and the fate of each file and its message.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::{World, gzip, results, step, text};
use serde_json::{Value, json};
use shared::local_aws::BUCKET;
use tempfile::TempDir;

fn created(key: &str) -> Value {
    json!({
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": BUCKET }, "object": { "key": key } },
    })
}

/// `zcat FILE | grep -c .`, and `| wc -c`.
fn independent_count(file: &Path) -> (u64, u64) {
    let count = |counter: &str| {
        let script = format!("gzip -dcf < '{}' | LC_ALL=C {counter}", file.display());
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        text(&output.stdout).trim().parse().unwrap()
    };
    (count("grep -ac ."), count("wc -c"))
}

/// The gzip files that this machine has anyway, if any: the smaller ones of its manuals.
fn files_of_the_machine() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("/usr/share/doc")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file()
                && path.extension().is_some_and(|extension| extension == "gz")
                // These would have to be unpacked first.
                && !path.to_string_lossy().ends_with(".tar.gz")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files.truncate(200);
    files
}

#[test]
fn real_files_are_counted_as_zcat_and_grep_count_them() {
    let (folder, output) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut files = files_of_the_machine();
    for lines in [0, 1, 2, 999, 100_000] {
        let content: String =
            (0..lines).flat_map(|line| ["x".repeat(line % 7), "\n".into()]).collect();
        for (name, content) in [("txt", content.clone().into_bytes()), ("gz", gzip(content))] {
            let file = folder.path().join(format!("{lines}.{name}"));
            fs::write(&file, content).unwrap();
            files.push(file);
        }
    }
    let mut step = step(&["--until-idle", "--output"]);
    let ended = step.arg(output.path()).args(&files).output().unwrap();
    assert!(ended.status.success(), "{}{}", text(&ended.stdout), text(&ended.stderr));

    let results = results(output.path());
    assert_eq!(results.len(), files.len());
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let path = file.to_string_lossy();
        // A file that shares its name with one in another folder has its path as its key.
        let result = results
            .get(&format!("packrat/data/{name}"))
            .or_else(|| results.get(&format!("packrat/data{path}")));
        assert_eq!(result, Some(&independent_count(&file)), "{path}");
    }
}

#[tokio::test]
async fn a_key_can_have_any_character() {
    let world = World::new().await;
    let long = "k".repeat(1024);
    let keys = [
        "plain.gz",
        "no extension",
        "a b+c%20d%2B.gz",
        "ünï/cödé/…/日本.gz",
        "../../etc/x",
        "./.",
        "a//b",
        "folder/",
        ".hidden",
        "q?a=b&c#d",
        "quote\"'\\.gz",
        &long,
    ];
    for (lines, key) in keys.iter().enumerate() {
        world.put(key, gzip("line\n".repeat(lines))).await;
    }
    let ended = world.run_until_idle(&[]).await;
    assert_eq!(ended.status.code(), Some(0));
    let expected = keys.iter().zip(0..).map(|(key, lines)| ((*key).to_owned(), (lines, 5 * lines)));
    assert_eq!(world.results(), expected.collect());
    world.until_messages(0, 0).await;
}

/// macOS and Windows fold the case of names and their Unicode forms, and Windows drops dots and spaces at their end.
#[tokio::test]
async fn keys_that_a_file_system_folds_have_results_of_their_own() {
    let world = World::new().await;
    let keys = [
        "Report.GZ",
        "report.gz",
        "REPORT.gz",
        "report.gz.",
        "report.gz ",
        "report.gz..",
        "\u{e9}",
        "e\u{301}",
        "\u{c9}",
        "ﬁ",
        "fi",
        "ß",
        "ss",
        "con.txt",
        "CON.txt",
        "nul",
        "aux.",
        "COM1.gz",
        "lpt9.x.y",
        "prn.",
        "\u{130}",
        "i\u{307}",
    ];
    for key in keys {
        world.put(key, "line\n").await;
    }
    assert!(world.run_until_idle(&[]).await.status.success());
    assert_eq!(world.results().len(), keys.len());
    let files = fs::read_dir(world.output.path()).unwrap().map(|file| file.unwrap().file_name());
    let names: Vec<_> = files.map(|name| name.into_string().unwrap()).collect();
    let mut folded: Vec<_> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    folded.sort_unstable();
    folded.dedup();
    assert_eq!(folded.len(), keys.len(), "{names:?}");
    for name in folded {
        let stem = name.split('.').next().unwrap();
        let is_device = ["con", "prn", "aux", "nul", "com1", "lpt9"].contains(&stem);
        let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        assert!(
            !is_device && is_plain && !name.ends_with(['.', ' ']) && name.len() < 144,
            "{name}"
        );
    }
}

#[tokio::test]
async fn good_files_are_counted_and_bad_ones_are_left_to_the_queue() {
    let world = World::new().await;
    let good = gzip("one\n\ntwo\n");
    let mut corrupt = gzip("text\n".repeat(1000));
    corrupt[25] ^= 0xff;
    world.put("empty", "").await;
    world.put("empty.gz", gzip("")).await;
    world.put("truncated.gz", &good[..good.len() - 4]).await;
    world.put("corrupt.gz", corrupt).await;
    world.put("two members.gz", [gzip("one\ntw"), gzip("o\n")].concat()).await;
    world.put("not gzip.gz", "one\ntwo").await;
    world.put("padded.gz", [&good[..], &[0; 512]].concat()).await;
    world.put("newline.gz", [&good[..], b"\n"].concat()).await;
    world.put("good.gz", good).await;
    let ended = world.run_until_idle(&[]).await;

    assert_eq!(ended.status.code(), Some(1), "a file failed");
    let log = text(&ended.stdout);
    for failed in ["truncated.gz", "corrupt.gz", "newline.gz"] {
        assert!(
            log.contains(&format!("{BUCKET}/{failed} failed, and is left to the queue")),
            "{failed}"
        );
    }
    assert!(log.contains("Processed 6 files: 8 lines, 33 bytes, 3 failed"), "{log}");
    let expected = [
        ("empty", (0, 0)),
        ("empty.gz", (0, 0)),
        ("good.gz", (2, 9)),
        ("not gzip.gz", (2, 7)),
        ("padded.gz", (2, 9)),
        ("two members.gz", (2, 8)),
    ];
    assert_eq!(world.results(), expected.map(|(key, count)| (key.to_owned(), count)).into());
    world.until_messages(0, 3).await;
}

/// Files that this machine's tools zip, as far as it has them.
#[tokio::test]
async fn a_zipped_file_is_unzipped_and_counted() {
    let (world, folder) = (World::new().await, TempDir::new().unwrap());
    fs::write(folder.path().join("text"), "line\n".repeat(1000)).unwrap();
    let mut expected = BTreeMap::new();
    for (script, files) in [
        ("gzip -c text", 1),
        ("zstd -qc text", 1),
        ("zstd -qc19 text; zstd -qc --no-check < text", 2),
        ("bzip2 -c text", 1),
        ("bzip2 -c /dev/null; bzip2 -1c text text", 2),
    ] {
        let mut shell = Command::new("sh");
        let output = shell.arg("-ec").arg(script).current_dir(folder.path()).output().unwrap();
        if output.status.success() {
            world.put(script, output.stdout).await;
            expected.insert(script.to_owned(), (1000 * files, 5000 * files));
        }
    }
    assert_eq!(world.run_until_idle(&[]).await.status.code(), Some(0));
    assert_eq!(world.results(), expected);
    world.until_messages(0, 0).await;
}

/// Files that this machine's tools pack, as far as it has them.
#[tokio::test]
async fn no_packed_file_is_counted_as_if_it_were_text() {
    let (world, folder) = (World::new().await, TempDir::new().unwrap());
    fs::write(folder.path().join("text"), "line\n".repeat(1000)).unwrap();
    let mut packed = Vec::new();
    for (name, script) in [
        ("tar", "tar -cf - text"),
        ("tar in gzip", "tar -czf - text"),
        ("zip", "zip -q - text"),
        ("zip", "7z a -bso0 -tzip 7z.zip text && cat 7z.zip"),
        ("7z", "7z a -bso0 7z.7z text && cat 7z.7z"),
        ("tar in zstd", "tar -cf - text | zstd -qc"),
        ("xz", "xz -c text"),
        ("gzip in bzip2", "gzip -c text | bzip2"),
        ("lz4", "lz4 -qc text"),
        ("lz4", "lz4 -lqc text"),
        ("compress", "compress -c text"),
        ("gzip in gzip", "gzip -c text | gzip"),
    ] {
        let mut shell = Command::new("sh");
        let output = shell.arg("-c").arg(script).current_dir(folder.path()).output().unwrap();
        if output.status.success() {
            let key = format!("{}.packed", packed.len());
            world.put(&key, output.stdout).await;
            packed.push(format!("{key} failed, and is left to the queue: it is packed as {name},"));
        }
    }
    let log = text(&world.run_until_idle(&[]).await.stdout);
    for said in &packed {
        assert!(log.contains(said), "{said} in {log}");
    }
    assert_eq!(world.results(), [].into());
    world.until_messages(0, packed.len()).await;
}

#[tokio::test]
async fn files_whose_keys_are_not_selected_are_released_and_counted() {
    let world = World::new().await;
    for key in ["logs/a b+ü.gz", "logs/x/c.gz", "logs/_temporary/d.gz", "other/e.gz"] {
        world.put(key, gzip("line\n")).await;
    }
    world.send(json!({ "Records": [created("other/e.gz"), created("logs/x/c.gz")] })).await;
    let arguments = ["--include", "logs/a b+?.gz,logs/*/?.gz", "--exclude", "*/_temporary/*"];
    let ended = world.run_until_idle(&arguments).await;
    assert_eq!(ended.status.code(), Some(0));
    let log = text(&ended.stdout);
    let last = log.lines().last().unwrap();
    assert!(last.contains("0 failed") && last.contains("3 were left out"), "{log}");
    let expected = ["logs/a b+ü.gz", "logs/x/c.gz"].map(|key| (key.to_owned(), (1, 5)));
    assert_eq!(world.results(), expected.into());
    world.until_messages(0, 0).await;
}

#[tokio::test]
async fn a_file_that_is_gone_is_left_to_the_queue_if_that_is_asked_for() {
    let world = World::new().await;
    world.send(json!({ "Records": [created("gone")] })).await;
    let ended = world.run_until_idle(&["--on-missing", "fail"]).await;
    assert_eq!(ended.status.code(), Some(1));
    let log = text(&ended.stdout);
    let said = "gone failed, and is left to the queue: it is gone (--on-missing fail)";
    assert!(log.contains(said), "{log}");
    world.until_messages(0, 1).await;
}

#[tokio::test]
async fn messages_of_other_kinds_are_released_and_what_cannot_be_read_is_left() {
    let world = World::new().await;
    world.put("here", "x").await;
    // Left in the queue, because another program may understand it, and a dead-letter queue can
    // keep it.
    world.send("this is not JSON").await;
    world.send(json!({ "hello": "world" })).await;
    // Released, because there is nothing to do.
    world.send(json!({ "Records": [] })).await;
    let mut removed = created("here");
    removed["eventName"] = "ObjectRemoved:Delete".into();
    world.send(json!({ "Records": [removed] })).await;
    world.send(json!({ "Records": [created("gone")] })).await;
    // Done: wrapped messages, which announce the same object twice.
    let sns = json!({ "Records": [created("here")] }).to_string();
    world.send(json!({ "Type": "Notification", "Message": sns })).await;
    world
        .send(json!({
            "source": "aws.s3", "detail-type": "Object Created",
            "detail": { "bucket": { "name": BUCKET }, "object": { "key": "here" } },
        }))
        .await;
    let ended = world.run_until_idle(&[]).await;

    assert_eq!(ended.status.code(), Some(1), "two messages stay in the queue");
    assert!(text(&ended.stderr).contains("2 failed"), "{}", text(&ended.stderr));
    let log = text(&ended.stdout);
    assert!(log.lines().last().unwrap().contains(" 2 failed, "), "{log}");
    assert!(log.contains(&format!("{BUCKET}/gone is gone")), "{log}");
    assert!(log.contains("Nothing to do for ObjectRemoved:Delete"), "{log}");
    assert_eq!(log.matches("Cannot read the message").count(), 2, "{log}");
    assert_eq!(world.results(), [("here".to_owned(), (1, 1))].into());
    world.until_messages(0, 2).await;
}

#[tokio::test]
async fn a_message_of_several_records_is_released_when_all_are_done() {
    let world = World::new().await;
    let keys = ["one", "two", "three", "bad.gz"];
    let truncated = &gzip("text")[..15];
    let s3 = &world.local.aws().s3;
    // Switches the notifications off, because the messages below replace them.
    let nothing = aws_sdk_s3::types::NotificationConfiguration::builder().build();
    let configure = s3.put_bucket_notification_configuration().bucket(BUCKET);
    configure.notification_configuration(nothing).send().await.unwrap();
    for key in keys {
        let content = if key == "bad.gz" { truncated.to_vec() } else { key.into() };
        world.put(key, content).await;
    }
    world.send(json!({ "Records": [created("one"), created("two"), created("three")] })).await;
    world.run_until_idle(&[]).await;
    assert_eq!(world.results().len(), 3);
    world.until_messages(0, 0).await;

    // One record fails, so the message comes back, although the other records are done.
    world.send(json!({ "Records": [created("bad.gz"), created("one"), created("two")] })).await;
    let ended = world.run_until_idle(&[]).await;
    assert_eq!(ended.status.code(), Some(1));
    world.until_messages(0, 1).await;
}

#[tokio::test]
async fn the_version_that_the_event_names_is_processed() {
    let world = World::new().await;
    let versioning = aws_sdk_s3::types::VersioningConfiguration::builder()
        .status(aws_sdk_s3::types::BucketVersioningStatus::Enabled)
        .build();
    let configure = world.local.aws().s3.put_bucket_versioning().bucket(BUCKET);
    configure.versioning_configuration(versioning).send().await.unwrap();
    for lines in 1..=3 {
        world.put("key", "line\n".repeat(lines)).await;
    }
    world.run_until_idle(&[]).await;
    let files = fs::read_dir(world.output.path()).unwrap().map(|file| file.unwrap().path());
    let mut lines: Vec<_> = files
        .map(|file| serde_json::from_slice::<Value>(&fs::read(file).unwrap()).unwrap())
        .map(|result| result["line_count"].as_u64().unwrap())
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, [1, 2, 3]);
}
