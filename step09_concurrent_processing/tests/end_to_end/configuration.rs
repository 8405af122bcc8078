//! The configuration that every AWS tool reads: endpoints, regions, proxies.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use shared::local_aws::ACCESS_KEY;
use tempfile::TempDir;
use testing::fault_proxy::FaultProxy;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::support::{World, gzip, results, step, text};

/// Nothing listens there.
const NOBODY: &str = "http://127.0.0.1:9";

/// Runs a command while this test's thread serves its SQS and S3.
async fn run(mut command: Command) -> Output {
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    println!("{}{}", text(&output.stdout), text(&output.stderr));
    output
}

/// A world with one file, and an address of its own for S3 that counts requests.
async fn with_s3_elsewhere() -> (World, FaultProxy) {
    let world = World::new().await;
    world.put("file.gz", gzip("line\n")).await;
    let s3 = FaultProxy::start(world.local.endpoint_url()).await.unwrap();
    (world, s3)
}

#[tokio::test]
async fn the_endpoint_of_a_service_wins_over_that_of_all_and_an_argument_over_both() {
    let sqs = |step: &mut Command, world: &World| {
        step.env("AWS_ENDPOINT_URL_SQS", world.local.endpoint_url());
    };
    let (world, s3) = with_s3_elsewhere().await;
    let mut step = world.step(&["--until-idle"]);
    step.env("AWS_ENDPOINT_URL", NOBODY).env("AWS_ENDPOINT_URL_S3", s3.endpoint_url());
    sqs(&mut step, &world);
    assert!(run(step).await.status.success());
    assert_eq!((world.results()["file.gz"], s3.count("GetObject")), ((1, 5), 1));

    // Without one for all, the queue's URL says where SQS is.
    let (world, s3) = with_s3_elsewhere().await;
    let mut step = world.step(&["--until-idle"]);
    step.env_remove("AWS_ENDPOINT_URL").env("AWS_ENDPOINT_URL_S3", s3.endpoint_url());
    assert!(run(step).await.status.success());
    assert_eq!((world.results()["file.gz"], s3.count("GetObject")), ((1, 5), 1));

    let (world, s3) = with_s3_elsewhere().await;
    let mut step = world.step(&["--until-idle", "--endpoint-url", &s3.endpoint_url()]);
    step.env("AWS_ENDPOINT_URL_S3", NOBODY).env("AWS_ENDPOINT_URL_SQS", NOBODY);
    assert!(run(step).await.status.success());
    assert_eq!((world.results()["file.gz"], s3.count("GetObject")), ((1, 5), 1));
}

/// The endpoint counts, because an SQS that is not AWS's can give its queues addresses that lead nowhere.
#[tokio::test]
async fn a_queues_url_that_names_another_place_than_the_endpoint_is_told() {
    let world = World::new().await;
    world.put("file.gz", gzip("line\n")).await;
    let says = format!(
        "SQS is the one at {}, although the queue's URL is {NOBODY}/000000000000/queue",
        world.local.endpoint_url()
    );
    for argument in ["--check", "--until-idle"] {
        let mut step = world.step(&[argument]);
        step.env("SQS_QUEUE_URL", format!("{NOBODY}/000000000000/queue"));
        let told = run(step).await;
        assert!(told.status.success() && text(&told.stdout).contains(&says));
        let told = run(world.step(&[argument])).await;
        assert!(told.status.success() && !text(&told.stdout).contains("although"));
    }
    assert_eq!(world.results()["file.gz"], (1, 5));
}

#[tokio::test]
async fn a_profile_can_have_an_endpoint_for_each_service() {
    let (world, s3) = with_s3_elsewhere().await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("config");
    let profile = format!(
        "[profile here]\nendpoint_url = {NOBODY}\nservices = here\n[services here]\ns3 =\n  endpoint_url = {}\nsqs =\n  endpoint_url = {}\n",
        s3.endpoint_url(),
        world.local.endpoint_url(),
    );
    std::fs::write(&file, profile).unwrap();
    let configured = |arguments: &[&str]| {
        let mut step = world.step(arguments);
        step.env_remove("AWS_ENDPOINT_URL")
            .env("AWS_CONFIG_FILE", &file)
            .env("AWS_PROFILE", "here");
        step
    };
    let checked = run(configured(&["--check"])).await;
    let says = format!(
        "Configuration: SQS is that at {}, S3 is that at {}\n",
        world.local.endpoint_url(),
        s3.endpoint_url()
    );
    assert!(text(&checked.stdout).contains(&says));
    assert_eq!(s3.count("GetObject"), 1, "for a file that is not there");
    assert!(run(configured(&["--until-idle"])).await.status.success());
    assert_eq!((world.results()["file.gz"], s3.count("GetObject")), ((1, 5), 2));
}

#[tokio::test]
async fn no_proxy_is_asked_for_what_is_on_this_machine() {
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        let output = TempDir::new().unwrap();
        let mut embedded = step(&["--until-idle", "--output"]);
        embedded.arg(output.path()).env(name, NOBODY);
        without_exceptions(&mut embedded);
        assert!(run(embedded).await.status.success(), "{name}");
        assert_eq!(results(output.path()).len(), 12);

        let world = World::new().await;
        world.put("file.gz", gzip("line\n")).await;
        let mut local = world.step(&["--until-idle"]);
        local.env(name, NOBODY);
        without_exceptions(&mut local);
        assert!(run(local).await.status.success(), "{name}");
        assert_eq!(world.results()["file.gz"], (1, 5));
    }
}

#[tokio::test]
async fn an_error_names_the_proxy() {
    for (proxy, endpoint) in
        [("HTTP_PROXY", "http://sqs.invalid"), ("https_proxy", "https://sqs.invalid")]
    {
        let world = World::new().await;
        let mut step = world.step(&["--endpoint-url", endpoint]);
        step.env(proxy, "http://somebody:secret@127.0.0.1:9");
        without_exceptions(&mut step);
        let ended = run(step).await;
        assert_eq!(ended.status.code(), Some(1));
        let error = text(&ended.stderr);
        assert!(error.contains("through the proxy http://127.0.0.1:9/"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

/// The proxy is asked for the host.
#[tokio::test]
async fn the_queues_url_says_which_host_is_asked_and_in_which_region() {
    for (url, host) in [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/q", "sqs.eu-west-1.amazonaws.com"),
        ("https://eu-west-1.queue.amazonaws.com/123456789012/q", "sqs.eu-west-1.amazonaws.com"),
        (
            "https://sqs-fips.eu-west-1.amazonaws.com/123456789012/q",
            "sqs-fips.eu-west-1.amazonaws.com",
        ),
        (
            "https://vpce-1-a.sqs.eu-west-1.vpce.amazonaws.com/123456789012/q",
            "vpce-1-a.sqs.eu-west-1.vpce.amazonaws.com",
        ),
    ] {
        let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", proxy.local_addr().unwrap());
        let asked = thread::spawn(move || {
            let (mut connection, _) = proxy.accept().unwrap();
            let mut first = String::new();
            BufReader::new(&connection).read_line(&mut first).unwrap();
            connection.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").unwrap();
            first
        });
        let mut step = step(&[]);
        step.env("SQS_QUEUE_URL", url).env("AWS_REGION", "us-east-1").env("HTTPS_PROXY", &address);
        step.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", ACCESS_KEY);
        without_exceptions(&mut step);
        let ended = run(step).await;
        assert_eq!(ended.status.code(), Some(1));
        let error = text(&ended.stderr);
        assert!(error.contains("asked in the region eu-west-1"), "{error}");
        assert!(error.contains(&format!("through the proxy {address}")), "{error}");
        assert_eq!(asked.join().unwrap(), format!("CONNECT {host}:443 HTTP/1.1\r\n"));
    }
}

#[tokio::test]
async fn whoever_brings_other_keys_to_the_embedded_s3_is_told_which_it_knows() {
    let world = World::new().await;
    world.put("file.gz", gzip("line\n")).await;
    let mut step = world.step(&["--until-idle", "--wait", "1", "--retry-wait", "900"]);
    step.env("AWS_ACCESS_KEY_ID", "somebody's");
    let ended = run(step).await;
    assert_eq!(ended.status.code(), Some(1));
    let log = text(&ended.stdout);
    assert!(log.contains("InvalidAccessKeyId") && log.contains("use test/test"), "{log}");
}

/// Only the authority in the file vouches for the server, in the environment or in the profile.
#[tokio::test]
async fn the_certificates_in_a_file_are_trusted() {
    let folder = TempDir::new().unwrap();
    let authority = certificates("authority.pem");
    let profile = folder.path().join("config");
    let lines = format!("[default]\nca_bundle = {}\n", authority.display());
    std::fs::write(&profile, lines).unwrap();
    for (name, value) in [("AWS_CA_BUNDLE", &authority), ("AWS_CONFIG_FILE", &profile)] {
        let world = World::new().await;
        world.put("file.gz", gzip("line\n")).await;
        let mut step = world.step(&["--until-idle"]);
        step.env("AWS_ENDPOINT_URL", https(&world).await).env(name, value);
        assert!(run(step).await.status.success(), "{name}");
        assert_eq!(world.results()["file.gz"], (1, 5));
    }

    let world = World::new().await;
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let broken = folder.path().join("broken.pem");
    let text_of_authority = std::fs::read_to_string(&authority).unwrap();
    std::fs::write(&broken, text_of_authority.replacen("MII", "AAA", 1)).unwrap();
    for (bundle, reason) in [
        (None, "certificate"),
        (Some("/nowhere.pem".into()), "No such file"),
        (Some(empty), "there are none"),
        (Some(broken), "broken.pem"),
    ] {
        let mut step = world.step(&[]);
        step.env("AWS_ENDPOINT_URL", https(&world).await);
        if let Some(bundle) = bundle {
            step.env("AWS_CA_BUNDLE", bundle);
        }
        let ended = run(step).await;
        assert_eq!(ended.status.code(), Some(1));
        let error = text(&ended.stderr);
        assert!(error.contains(reason), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

fn certificates(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/certificates").join(name)
}

/// The address of a server in front of the world's SQS and S3 that speaks TLS.
async fn https(world: &World) -> String {
    let certificate = CertificateDer::from_pem_file(certificates("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(certificates("key.pem")).unwrap();
    let server = ServerConfig::builder().with_no_client_auth();
    let server =
        TlsAcceptor::from(Arc::new(server.with_single_cert(vec![certificate], key).unwrap()));
    let origin = world.local.endpoint_url().replace("http://", "");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let (server, origin) = (server.clone(), origin.clone());
            tokio::spawn(async move {
                let mut origin = TcpStream::connect(origin).await?;
                copy_bidirectional(&mut server.accept(connection).await?, &mut origin).await
            });
        }
    });
    address
}

fn without_exceptions(step: &mut Command) {
    step.env_remove("NO_PROXY").env_remove("no_proxy");
}
