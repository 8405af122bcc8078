//! Objects that change while they are downloaded.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use shared::aws::Download;
use shared::aws::Failure;
use shared::contents::{Contents, Limits};
use shared::local_aws::BUCKET;
use testing::fault_proxy::Fault::ResetAfter;

use super::support::{World, gzip, noise, rest};

/// The new object is as large as the old one, so that its length does not give it away.
#[tokio::test]
async fn what_is_left_of_a_replaced_object_is_not_that_of_the_new_one() {
    let world = World::new().await;
    world.put("file", noise(100_000)).await;
    world.proxy.fault_times("GetObject", 1, ResetAfter(1000));
    let mut download = world.start("file").await.unwrap();
    assert!(download.next().await.unwrap().is_some());
    let mut new = noise(100_000);
    new.reverse();
    world.put("file", new.clone()).await;
    let error = rest(&mut download).await.unwrap_err();
    assert!(matches!(error.into(), Failure::Replaced));
    assert!(world.download("file").await.unwrap() == new);
}

#[tokio::test]
async fn an_object_that_is_deleted_meanwhile_is_to_be_begun_again_and_then_it_is_gone() {
    let world = World::new().await;
    world.put("file", noise(100_000)).await;
    world.proxy.fault_times("GetObject", 1, ResetAfter(1000));
    let mut download = world.start("file").await.unwrap();
    world.delete("file").await;
    let error = rest(&mut download).await.unwrap_err();
    assert!(matches!(error.into(), Failure::Replaced));
    assert_eq!(world.start("file").await.unwrap_err().code(), Some("NoSuchKey"));
}

#[tokio::test]
async fn a_version_stays_what_it_is() {
    let world = World::new().await;
    let enabled =
        VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let versioning = world.s3.put_bucket_versioning().bucket(BUCKET);
    versioning.versioning_configuration(enabled).send().await.unwrap();
    let put = world.s3.put_object().bucket(BUCKET).key("file").body(noise(100_000).into());
    let version = put.send().await.unwrap().version_id;
    world.proxy.fault_times("GetObject", 1, ResetAfter(1000));
    let mut download = Download::start(world.get("file").set_version_id(version)).await.unwrap();
    world.put("file", noise(50_000)).await;
    assert!(rest(&mut download).await.unwrap() == noise(100_000));
    assert_eq!(world.requests(), 2);
}

/// Unzipping must not hide the cause.
#[tokio::test]
async fn contents_tell_that_the_object_was_replaced_and_what_it_was_named() {
    let world = World::new().await;
    let file = gzip(noise(5_000_000));
    world.put("file.gz", file).await;
    // The first or the second connection fills the window, and there is a third.
    world.proxy.fault("GetObject", ResetAfter(2_000_000));
    let mut contents =
        Contents::unzip(world.start("file.gz").await.unwrap(), Limits::default()).await;
    let head = world.s3.head_object().bucket(BUCKET).key("file.gz").send().await.unwrap();
    assert_eq!(format!("{:?}", contents.etag().unwrap()), head.e_tag.unwrap());
    world.put("file.gz", gzip(noise(4_000_000))).await;
    let error = loop {
        match contents.next().await {
            Ok(chunk) => assert!(chunk.is_some(), "it ends well"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error.into(), Failure::Replaced));
    assert!(matches!(std::io::Error::other("something else").into(), Failure::Other(_)));
}
