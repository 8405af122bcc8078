//! An S3 that is down for a while, before or during a download.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::error::ProvideErrorMetadata;
use shared::aws::Download;
use shared::local_aws::{ACCESS_KEY, BUCKET};
use testing::fault_proxy::Fault::{ResetAfter, StallAfter, Status};

use super::support::{World, config, noise, rest};

#[tokio::test]
async fn connections_that_are_refused_are_tried_again_until_they_are_not() {
    let world = World::new().await;
    world.put("file", noise(100_000)).await;
    world.proxy.fault_times("GetObject", 1, StallAfter(10_000));

    let open_later = || async {
        world.until_two_more_failures().await;
        world.proxy.accept_connections().await.unwrap();
    };
    world.proxy.refuse_connections().await;
    let (download, ()) = tokio::join!(world.start("file"), open_later());

    let mut download = download.unwrap();
    let mut read = download.next().await.unwrap().unwrap().to_vec();
    world.proxy.refuse_connections().await;
    let (remainder, ()) = tokio::join!(rest(&mut download), open_later());
    read.extend(remainder.unwrap());
    assert!(read == noise(100_000));
    assert_eq!(world.requests(), 2);
}

#[tokio::test]
async fn what_passes_is_waited_out() {
    let world = &World::new().await;
    let passing =
        [(503, "SlowDown"), (500, "InternalError"), (400, "ExpiredToken"), (403, "ExpiredToken")];
    let downloads = passing.iter().enumerate().map(|(number, &(status, code))| async move {
        let key = format!("{number}.bin");
        world.put(&key, noise(10_000)).await;
        let get = format!("GetObject /{key}");
        world.proxy.fault_times(&get, 2, Status(status, code));
        world.proxy.fault_times(&get, 1, ResetAfter(1000));
        world.proxy.fault_times(&get, 2, Status(status, code));
        assert!(world.download(&key).await.unwrap() == noise(10_000), "{status} {code}");
    });
    futures_util::future::join_all(downloads).await;
    assert_eq!(world.requests(), 6 * passing.len());
}

#[tokio::test]
async fn credentials_that_cannot_be_had_for_a_while_are_waited_for() {
    let world = World::new().await;
    world.put("file", noise(10_000)).await;
    let asked = &*Box::leak(Box::new(AtomicU32::new(0)));
    let late = provide_credentials_fn(move || async move {
        match asked.fetch_add(1, Relaxed) {
            0..2 => Err(CredentialsError::provider_error("the role cannot be assumed")),
            _ => Ok(Credentials::new(ACCESS_KEY, ACCESS_KEY, None, None, "test")),
        }
    });
    let config = config(&world.s3, &world.proxy.endpoint_url()).credentials_provider(late);
    let get = Client::from_conf(config.build()).get_object().bucket(BUCKET).key("file");
    let mut download = Download::start(get).await.unwrap();
    assert!(rest(&mut download).await.unwrap() == noise(10_000));
    assert_eq!((asked.load(Relaxed), world.requests()), (3, 1));
}

#[tokio::test]
async fn what_does_not_pass_is_reported_at_once() {
    let world = World::new().await;
    let error = world.start("nothing").await.unwrap_err();
    assert_eq!(error.code(), Some("NoSuchKey"));

    world.put("file", noise(10_000)).await;
    world.proxy.fault_times("GetObject", 1, Status(403, "AccessDenied"));
    let error = world.start("file").await.unwrap_err();
    assert_eq!(error.code(), Some("AccessDenied"));
    assert_eq!(world.requests(), 2);

    world.proxy.fault_times("GetObject", 1, ResetAfter(1000));
    world.proxy.fault_times("GetObject", 1, Status(403, "AccessDenied"));
    let error = world.download("file").await.unwrap_err();
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    assert_eq!(world.requests(), 4);
}
