use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use aws_sdk_s3::primitives::ByteStream;
use serde_json::json;

use super::*;
use crate::aws::Download;
use crate::contents::Limits;
use crate::disk::Disk;

fn object(key: &str, version_id: Option<&str>) -> S3Object {
    S3Object {
        bucket: "b".into(),
        key: key.into(),
        version_id: version_id.map(Into::into),
        etag: Some("e".into()),
    }
}

async fn open(folder: &Path) -> Result<Results, OutputError> {
    let output = Output::Folder(folder.to_owned());
    Results::open(&ResultsArgs { output, until_idle: true }, None, &[]).await
}

#[tokio::test]
async fn each_version_has_a_file_of_its_own_inside_the_folder() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/b");
    let results = open(&folder).await.unwrap();
    let keys = [
        "../../etc/x",
        "/etc/x",
        "x",
        "x/",
        "a/x",
        ".",
        "..",
        "…",
        "a\0b",
        "%2e%2e",
        &"k".repeat(1024),
    ];
    let contents = Contents::unzip(Download::of(ByteStream::default()), Limits::default()).await;
    for key in keys {
        let write = async |version, line_count| {
            let outcome = json!({ "line_count": line_count });
            results.write(&object(key, version), &contents, &outcome).await.unwrap();
        };
        write(None, 1).await;
        write(Some("v1"), 1).await;
        write(Some("v1"), 2).await;
    }
    results.make_durable().await;
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 2 * keys.len());
    assert!(files.iter().all(|file| file.extension().is_some_and(|it| it == "json")));
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "nothing outside the folder");
    let contents: HashSet<_> = files
        .iter()
        .map(|file| {
            let result: serde_json::Value =
                serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            let last = if result.get("version_id").is_some() { 2 } else { 1 };
            assert_eq!(result["line_count"], last);
            (result["key"].to_string(), result["version_id"].to_string())
        })
        .collect();
    assert_eq!(contents.len(), files.len());
}

/// No other try can succeed, so the message must not come back.
#[tokio::test]
async fn an_outcome_that_cannot_become_a_result_is_refused_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let contents = Contents::unzip(Download::of(ByteStream::default()), Limits::default()).await;
    let results = open(folder.path()).await.unwrap();
    for outcome in [json!(7), json!({ "key": 7 })] {
        let written = results.write(&object("k", None), &contents, &outcome).await;
        assert!(matches!(written, Err(Failure::Permanent(_))), "{outcome}");
    }
    assert!(results.ensure_new(&object("k", None)).await.is_ok());
}

/// A disk that does nothing, and fails to force names as often as it is told to.
#[derive(Debug, Default)]
struct Failing {
    names: parking_lot::Mutex<HashSet<String>>,
    failures: AtomicU64,
    created: AtomicU64,
}

impl Disk for Failing {
    fn exists(&self, name: &str) -> io::Result<bool> {
        Ok(self.names.lock().contains(name))
    }

    fn read(&self, _: &str) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn create(&self, name: &str, _: &[u8]) -> io::Result<()> {
        self.created.fetch_add(1, Relaxed);
        self.names.lock().insert(name.to_owned());
        Ok(())
    }

    fn force(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut names = self.names.lock();
        assert!(names.remove(from));
        names.insert(to.to_owned());
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.names.lock().remove(name);
        Ok(())
    }

    fn force_names(&self) -> io::Result<()> {
        let failures = &self.failures;
        let fails = failures.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
        if fails { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }
}

async fn on(disk: Arc<Failing>, test: impl AsyncFn(Results)) {
    let surroundings = Surroundings {
        sdk_config: local_aws::sdk_config("http://127.0.0.1:1"),
        queue_url: String::new(),
        disk,
        stop: tokio_util::sync::CancellationToken::new(),
    };
    let test = async move { test(open(Path::new("nowhere")).await.unwrap()).await };
    surroundings.run(test).await;
}

#[tokio::test(start_paused = true)]
async fn a_result_is_written_again_until_its_name_is_on_disk() {
    let disk = Arc::new(Failing { failures: 3.into(), ..Failing::default() });
    on(disk.clone(), async |results| {
        let contents =
            Contents::unzip(Download::of(ByteStream::default()), Limits::default()).await;
        results.write(&object("k", None), &contents, &json!({})).await.unwrap();
        results.make_durable().await;
    })
    .await;
    assert_eq!((disk.created.load(Relaxed), disk.names.lock().len()), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_result_does_not_count_as_long_as_its_name_is_not_on_disk() {
    let name = file_name(&object("k", None), "e");
    let disk = Failing { failures: 1.into(), ..Failing::default() };
    disk.names.lock().insert(name);
    on(disk.into(), async |results| {
        assert!(results.ensure_new(&object("k", None)).await.is_ok());
        let again = results.ensure_new(&object("k", None)).await;
        assert!(matches!(again, Err(Failure::AlreadyDone)));
        assert!(results.ensure_new(&object("k", Some("v"))).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = open(&file.path().join("results")).await.unwrap_err();
    assert!(error.to_string().contains("--output"), "{error}");
}
