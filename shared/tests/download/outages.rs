//! An S3 that is down for a while, before or during a download.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials, IdentityCache};
use aws_sdk_s3::error::ProvideErrorMetadata;
use shared::aws::{Download, Failure};
use shared::local_aws::{ACCESS_KEY, BUCKET};
use testing::fault_proxy::Fault::{ResetAfter, StallAfter, Status};
use tokio::time::timeout;

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

/// The first two providers of the credentials never answer.
#[tokio::test]
async fn credentials_that_take_too_long_are_waited_for() {
    let world = World::new().await;
    world.put("file", noise(10_000)).await;
    let asked = &*Box::leak(Box::new(AtomicU32::new(0)));
    let slow = provide_credentials_fn(move || async move {
        if asked.fetch_add(1, Relaxed) < 2 {
            std::future::pending::<()>().await;
        }
        Ok(Credentials::new(ACCESS_KEY, ACCESS_KEY, None, None, "test"))
    });
    let cache = IdentityCache::lazy().load_timeout(Duration::from_millis(10)).build();
    let config = config(&world.s3, &world.proxy.endpoint_url()).credentials_provider(slow);
    let s3 = Client::from_conf(config.identity_cache(cache).build());
    let mut download = Download::start(s3.get_object().bucket(BUCKET).key("file")).await.unwrap();
    assert!(rest(&mut download).await.unwrap() == noise(10_000));
    assert_eq!((asked.load(Relaxed), world.requests()), (3, 1));
}

/// Nothing goes wrong on the network: the SDK cannot even make a request.
#[tokio::test]
async fn what_can_never_be_asked_for_is_reported_at_once() {
    let world = World::new().await;
    let at_aws = world
        .local
        .aws()
        .s3
        .config()
        .to_builder()
        .endpoint_url("https://s3.us-east-1.amazonaws.com");
    let at_aws = Client::from_conf(at_aws.force_path_style(false).build());
    for (s3, bucket, key) in [
        (&world.s3, "", "key"),
        (&world.s3, BUCKET, ""),
        (&world.s3, "arn:aws:s3:::b", "key"),
        (&at_aws, "arn:aws:s3:::b", "key"),
        (&at_aws, "arn:aws:s3:us-east-1:1:accesspoint/a/b", "key"),
    ] {
        let get = s3.get_object().bucket(bucket).key(key);
        let answer = timeout(Duration::from_mins(1), Download::start(get)).await;
        let error = answer.expect("it does not wait").unwrap_err();
        assert!(matches!(error.into(), Failure::Other(_)), "{bucket}");
    }
    assert_eq!(world.requests(), 0);
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
