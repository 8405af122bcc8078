//! Bodies that break off, stall, or are slow.

use std::io;
use std::time::Duration;

use futures_util::future::join_all;
use proptest::prelude::*;
use shared::contents::Limits;
use testing::fault_proxy::Fault::{ResetAfter, Slow, StallAfter};
use tokio::time::sleep;

use super::support::{STALL, World, gzip, noise, rest};

#[tokio::test]
async fn a_download_that_is_reset_goes_on_where_it_broke_off() {
    let world = World::new().await;
    world.put("file", noise(100_000)).await;
    world.proxy.fault_times("GetObject", 1, ResetAfter(10_000));
    assert!(world.download("file").await.unwrap() == noise(100_000));
    assert_eq!(world.requests(), 2);
}

#[tokio::test]
async fn a_gzip_file_that_is_reset_several_times_is_unzipped_as_if_nothing_had_happened() {
    let world = World::new().await;
    let content = noise(5_000_000);
    world.put("file.gz", gzip(&content)).await;
    world.proxy.fault("GetObject", ResetAfter(1_000_000));
    assert!(world.unzip("file.gz", Limits::default()).await.unwrap() == content);
    assert!(world.requests() >= 5, "{}", world.requests());
}

/// Each byte is once the last one before a reset, and another reset follows soon after.
#[tokio::test]
async fn a_reset_may_come_at_any_byte() {
    let world = &World::new().await;
    let content = gzip("one\ntwo\n");
    let downloads = (0..=content.len()).map(|at| {
        let content = &content;
        async move {
            let key = format!("{at}.gz");
            world.put(&key, content.clone()).await;
            world.proxy.fault_times(&format!("GetObject /{key}"), 1, ResetAfter(at as u64));
            world.proxy.fault_times(&format!("GetObject /{key}"), 1, ResetAfter(at as u64 % 4));
            let unzipped = world.unzip(&key, Limits::default()).await;
            assert_eq!(unzipped.unwrap(), b"one\ntwo\n", "broken at {at}");
        }
    });
    // The proxy passes all requests on over a few connections.
    join_all(downloads).await;
    assert!(world.requests() >= 3 * content.len() - 3, "{}", world.requests());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1,
        max_shrink_iters: 10,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Many files at once, each with resets of its own.
    #[test]
    fn resets_may_come_in_any_order(
        files in prop::collection::vec((0usize..300_000, prop::collection::vec(0u64..100_000, 0..5)), 30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = &World::new().await;
            join_all(files.into_iter().enumerate().map(|(number, (length, resets))| async move {
                let key = format!("{number}.bin");
                world.put(&key, noise(length)).await;
                for &reset in &resets {
                    world.proxy.fault_times(&format!("GetObject /{key}"), 1, ResetAfter(reset));
                }
                let content = world.download(&key).await;
                assert!(content.unwrap() == noise(length), "{length} bytes, resets {resets:?}");
            }))
            .await;
        });
    }
}

#[tokio::test]
async fn a_download_that_stands_still_goes_on_over_another_connection() {
    let world = World::new().await;
    world.put("file", noise(100_000)).await;
    for bytes in [0, 10_000] {
        world.proxy.fault_times("GetObject", 1, StallAfter(bytes));
    }
    assert!(world.download("file").await.unwrap() == noise(100_000));
    assert_eq!(world.requests(), 3);
}

/// The download takes four times as long as a stall may.
#[tokio::test]
async fn a_slow_download_is_left_alone() {
    let world = World::new().await;
    world.put("file", noise(1000)).await;
    world.proxy.fault("GetObject", Slow(1000 / (4 * STALL.as_secs())));
    assert!(world.download("file").await.unwrap() == noise(1000));
    assert_eq!(world.requests(), 1);
}

/// The network is not to blame when the program does not read: a full window waits as long as the
/// work on an earlier file takes.
#[tokio::test]
async fn a_download_that_has_to_wait_for_us_is_left_alone() {
    let world = World::new().await;
    // More than the sockets' buffers hold.
    let content = noise(30_000_000);
    world.put("file", content.clone()).await;
    let mut download = world.start("file").await.unwrap();
    let mut read = download.next().await.unwrap().unwrap().to_vec();
    for _ in 0..2 {
        sleep(STALL + Duration::from_millis(500)).await; // This pause is the point of the test.
        read.extend_from_slice(&download.next().await.unwrap().unwrap());
    }
    read.extend(rest(&mut download).await.unwrap());
    assert!(read == content);
    assert_eq!(world.requests(), 1);
}

/// The object in S3 is itself damaged or too large, so a retry would not help.
#[tokio::test]
async fn a_file_that_is_damaged_or_too_large_is_not_asked_for_again() {
    let world = World::new().await;
    let file = gzip(noise(100_000));
    world.put("truncated.gz", &file[..file.len() - 5]).await;
    world.put("bomb.gz", gzip(vec![0; 20 << 20])).await;

    let error = world.unzip("truncated.gz", Limits::default()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let error = world.unzip("bomb.gz", Limits::default()).await.unwrap_err();
    assert!(error.to_string().contains("--max-ratio"), "{error}");
    let limits = Limits { max_file_size: 1_000_000, ..Limits::default() };
    let error = world.unzip("bomb.gz", limits).await.unwrap_err();
    assert!(error.to_string().contains("1000000"), "{error}");
    assert_eq!(world.requests(), 3);
}
