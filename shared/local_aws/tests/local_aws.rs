//! The embedded SQS and S3 on their own, as a process.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_sdk_s3::operation::head_object::builders::HeadObjectFluentBuilder;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_types::SdkConfig;
use local_aws::LocalAws;

fn start(port: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local_aws"));
    command.args(["--port", port, "--samples"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The variables that it prints for a second terminal: names and values.
fn exports(child: &mut Child) -> Vec<(String, String)> {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
    let mut exports = Vec::new();
    for line in lines {
        for export in line.strip_prefix("export ").unwrap_or_default().split(' ') {
            exports.extend(export.split_once('=').map(|(name, value)| (name.into(), value.into())));
        }
        if line.contains("SQS_QUEUE_URL") {
            break;
        }
    }
    exports
}

fn sdk_config(exports: &[(String, String)]) -> SdkConfig {
    let key = value(exports, "AWS_ACCESS_KEY_ID");
    let keys = Credentials::new(key, value(exports, "AWS_SECRET_ACCESS_KEY"), None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(value(exports, "AWS_ENDPOINT_URL"))
        .region(Region::new(value(exports, "AWS_REGION").to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .build()
}

fn value<'a>(exports: &'a [(String, String)], wanted: &str) -> &'a str {
    &exports.iter().find(|(name, _)| name == wanted).unwrap().1
}

fn end(local: &Child) {
    let kill = Command::new("kill").arg(local.id().to_string()).status().unwrap();
    assert!(kill.success());
}

#[tokio::test]
async fn it_serves_what_it_says_at_this_machine_only_and_ends_when_told_to() {
    let mut local = start("0");
    let exports = exports(&mut local);
    let endpoint = value(&exports, "AWS_ENDPOINT_URL");
    let port = endpoint.strip_prefix("http://127.0.0.1:").unwrap();
    // A server at all of this machine's addresses would answer at this one too.
    assert!(TcpStream::connect(format!("127.0.0.2:{port}")).is_err());

    let receive = aws_sdk_sqs::Client::new(&sdk_config(&exports)).receive_message();
    let receive = receive.queue_url(value(&exports, "SQS_QUEUE_URL")).max_number_of_messages(10);
    let messages = receive.send().await.unwrap().messages.unwrap();
    assert!(messages[0].body().unwrap().contains("s3:TestEvent"));
    assert!(messages[1].body().unwrap().contains("packrat/data/20160720.gz"));

    let second = start(port).wait_with_output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let error = String::from_utf8(second.stderr).unwrap();
    assert!(error.contains(port) && error.contains("in use"), "{error}");

    end(&local);
    assert!(local.wait().unwrap().success());
}

/// `--check` asks for the owner of the credentials, and there is no STS here.
#[tokio::test]
async fn a_request_that_it_does_not_know_is_its_clients_error_and_not_its_own() {
    let mut local = start("0");
    let sts = aws_sdk_sts::Client::new(&sdk_config(&exports(&mut local)));
    let error = sts.get_caller_identity().send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 501);
    end(&local);
    let ended = local.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "");
}

#[tokio::test(start_paused = true)]
async fn each_answer_takes_as_long_as_it_is_told() {
    let local = LocalAws::start_in_memory("queue").await.unwrap();
    let time_of_an_answer = async || {
        let before = tokio::time::Instant::now();
        local.aws().queue.client.list_queues().send().await.unwrap();
        before.elapsed()
    };
    let near = time_of_an_answer().await;
    let latency = local_aws::latency("3s").unwrap();
    local.answer_after(latency);
    assert_eq!(time_of_an_answer().await, near + latency);

    assert_eq!(local_aws::latency("300ms"), Ok(Duration::from_millis(300)));
    for wrong in ["300", "s", "-1s", "1.5s", "ms"] {
        assert!(local_aws::latency(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_head_answers_the_same_conditions_as_a_get() {
    let local = LocalAws::start_in_memory("queue").await.unwrap();
    let s3 = &local.aws().s3;
    s3.create_bucket().bucket("bucket").send().await.unwrap();
    let put = s3.put_object().bucket("bucket").key("key").send().await.unwrap();
    let head = || s3.head_object().bucket("bucket").key("key");
    let status = async |head: HeadObjectFluentBuilder| {
        head.send().await.unwrap_err().raw_response().unwrap().status().as_u16()
    };
    assert_eq!(head().if_match(put.e_tag().unwrap()).send().await.unwrap().e_tag(), put.e_tag());
    assert_eq!(status(head().if_match("\"another\"")).await, 412);
    assert_eq!(status(head().if_none_match(put.e_tag().unwrap())).await, 304);
}
