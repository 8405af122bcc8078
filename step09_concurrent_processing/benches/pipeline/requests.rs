//! The requests of the loop written by hand: through the SDK, and without it.

use std::env;
use std::future::Future;
use std::io;
use std::time::SystemTime;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime, DateTimeFormat};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::Error;
use shared::aws::S3Object;

use super::place::clients;

/// The requests of the loop to SQS and S3.
pub trait Requests: Clone + Send + Sync + 'static {
    type Body: Send;

    /// Receives up to ten messages.
    fn receive(&self) -> impl Future<Output = Result<Vec<Message>, Error>> + Send;

    /// Begins to download an object.
    fn get(&self, object: &S3Object) -> impl Future<Output = Result<Self::Body, Error>> + Send;

    /// The next part of a download, or `None` at its end.
    fn next(body: &mut Self::Body) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;

    /// Deletes up to ten messages.
    fn delete(&self, handles: Vec<String>) -> impl Future<Output = Result<(), Error>> + Send;
}

/// The SDK, as it is by default.
#[derive(Clone)]
pub struct Sdk {
    sqs: aws_sdk_sqs::Client,
    s3: aws_sdk_s3::Client,
    queue_url: String,
}

impl Sdk {
    pub async fn new() -> Result<Self, Error> {
        let (sqs, s3) = clients(None).await;
        Ok(Self { sqs, s3, queue_url: env::var("SQS_QUEUE_URL")? })
    }
}

impl Requests for Sdk {
    type Body = ByteStream;

    async fn receive(&self) -> Result<Vec<Message>, Error> {
        let receive = self.sqs.receive_message().queue_url(&self.queue_url);
        let receive = receive.max_number_of_messages(10).wait_time_seconds(1);
        Ok(receive.send().await?.messages.unwrap_or_default())
    }

    async fn get(&self, object: &S3Object) -> Result<ByteStream, Error> {
        let get = self.s3.get_object().bucket(&object.bucket).key(&object.key);
        let GetObjectOutput { body, .. } = get.send().await?;
        Ok(body)
    }

    async fn next(body: &mut ByteStream) -> Result<Option<Bytes>, Error> {
        Ok(body.try_next().await?)
    }

    async fn delete(&self, handles: Vec<String>) -> Result<(), Error> {
        let entries = handles.into_iter().enumerate().filter_map(|(position, handle)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(position.to_string());
            entry.receipt_handle(handle).build().ok() // All required fields are set.
        });
        let delete = self.sqs.delete_message_batch().queue_url(&self.queue_url);
        delete.set_entries(Some(entries.collect())).send().await?;
        Ok(())
    }
}

/// Hyper, with requests that are signed here. It speaks no TLS, so it can only reach the embedded SQS and S3.
#[derive(Clone)]
pub struct Unassisted {
    http: Client<HttpConnector, Full<Bytes>>,
    /// Such as `127.0.0.1:4566`.
    host: String,
    queue_url: String,
    signer: Signer,
}

impl Unassisted {
    pub fn new() -> Result<Self, Error> {
        let endpoint: Uri = env::var("AWS_ENDPOINT_URL")?.parse()?;
        let host =
            endpoint.authority().ok_or_else(|| io::Error::other("AWS_ENDPOINT_URL has no host"))?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Ok(Self {
            http: Client::builder(TokioExecutor::new()).build(connector),
            host: host.to_string(),
            queue_url: env::var("SQS_QUEUE_URL")?,
            signer: Signer::new()?,
        })
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Incoming, Error> {
        let answer = self.http.request(request).await?;
        if !answer.status().is_success() {
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            let body = String::from_utf8_lossy(&body);
            return Err(io::Error::other(format!("{status}: {body}")).into());
        }
        Ok(answer.into_body())
    }

    async fn sqs(&self, operation: &str, input: &Value) -> Result<Value, Error> {
        let body = Bytes::from(serde_json::to_vec(input)?);
        let mut request = self.signer.sign(&Method::POST, &self.host, "/", "sqs", &body)?;
        let headers = request.headers_mut();
        headers.insert("content-type", "application/x-amz-json-1.0".parse()?);
        headers.insert("x-amz-target", format!("AmazonSQS.{operation}").parse()?);
        let answer = self.send(request).await?.collect().await?;
        Ok(serde_json::from_slice(&answer.to_bytes())?)
    }
}

impl Requests for Unassisted {
    type Body = Incoming;

    async fn receive(&self) -> Result<Vec<Message>, Error> {
        let input = json!({
            "QueueUrl": self.queue_url,
            "MaxNumberOfMessages": 10,
            "WaitTimeSeconds": 1,
        });
        let mut answer = self.sqs("ReceiveMessage", &input).await?;
        let Value::Array(messages) = answer["Messages"].take() else { return Ok(Vec::new()) };
        let message = |message: Value| {
            let field = |name| message[name].as_str().map(str::to_owned);
            let (body, handle) = (field("Body"), field("ReceiptHandle"));
            Message::builder().set_body(body).set_receipt_handle(handle).build()
        };
        Ok(messages.into_iter().map(message).collect())
    }

    async fn get(&self, object: &S3Object) -> Result<Incoming, Error> {
        // The benchmark's keys need no escapes.
        let path = format!("/{}/{}", object.bucket, object.key);
        let request = self.signer.sign(&Method::GET, &self.host, &path, "s3", &Bytes::new())?;
        self.send(request).await
    }

    async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Error> {
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    async fn delete(&self, handles: Vec<String>) -> Result<(), Error> {
        let entries = handles.into_iter().enumerate().map(
            |(position, handle)| json!({ "Id": position.to_string(), "ReceiptHandle": handle }),
        );
        let entries: Vec<_> = entries.collect();
        let input = json!({ "QueueUrl": self.queue_url, "Entries": entries });
        self.sqs("DeleteMessageBatch", &input).await?;
        Ok(())
    }
}

/// Signs requests as AWS's Signature Version 4 has it.
#[derive(Clone)]
struct Signer {
    access_key: String,
    secret: String,
    region: String,
}

impl Signer {
    fn new() -> Result<Self, Error> {
        Ok(Self {
            access_key: env::var("AWS_ACCESS_KEY_ID")?,
            secret: env::var("AWS_SECRET_ACCESS_KEY")?,
            region: env::var("AWS_REGION")?,
        })
    }

    fn sign(
        &self,
        method: &Method,
        host: &str,
        path: &str,
        service: &str,
        body: &Bytes,
    ) -> Result<Request<Full<Bytes>>, Error> {
        // 20260720T090000Z
        let now = DateTime::from(SystemTime::now()).fmt(DateTimeFormat::DateTime)?;
        let seconds = now.split('.').next().unwrap_or_default().trim_end_matches('Z');
        let now = seconds.replace(['-', ':'], "") + "Z";
        let day = &now[..8];
        let Self { access_key, secret, region } = self;

        let hash = hex::encode(Sha256::digest(body));
        let signed = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!(
            "{method}\n{path}\n\nhost:{host}\nx-amz-content-sha256:{hash}\nx-amz-date:{now}\n\n{signed}\n{hash}"
        );
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let digest = hex::encode(Sha256::digest(canonical));
        let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}");
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in scope.split('/') {
            key = mac(&key, part)?;
        }
        let signature = hex::encode(mac(&key, &to_sign)?);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={signed}, Signature={signature}"
        );
        let request = Request::builder().method(method).uri(format!("http://{host}{path}"));
        let request = request.header("x-amz-content-sha256", hash).header("x-amz-date", now);
        Ok(request.header("authorization", authorization).body(Full::new(body.clone()))?)
    }
}

fn mac(key: &[u8], text: &str) -> Result<Vec<u8>, Error> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}
