//! A queue, and how to receive from it.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;

use super::clients::ConnectError;
use super::{Backoff, Buckets, InFlight, is_denied, why};

/// A queue, and how to receive from it.
#[derive(Clone, Debug)]
pub struct Queue {
    /// The client for the SQS that has the queue.
    pub client: Client,
    /// The queue's address.
    pub url: String,
    /// How long a receive waits for messages, in seconds.
    pub wait: i32,
    /// How long SQS hides a received message from other receivers, in seconds.
    pub visibility_timeout: i32,
    /// Backs off when receives fail. All loops that receive from the queue share it.
    pub backoff: Backoff,
    /// The messages that were received from the queue, but neither deleted nor given back.
    pub in_flight: InFlight,
    /// The queue's ARN, if this program may read it.
    pub(crate) arn: Option<String>,
    /// The queue's access policy, as JSON, if there is one that this program may read.
    pub(crate) policy: Option<String>,
}

/// SQS's own default, in seconds.
pub(crate) const VISIBILITY_TIMEOUT: i32 = 30;
/// How long the first retry of a failed message waits.
pub(super) const RETRY_WAIT: Duration = Duration::from_secs(5);

impl Queue {
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(crate) fn new(client: Client, url: String, visibility_timeout: i32) -> Self {
        let backoff = Backoff::new("Receiving from SQS");
        let buckets = Buckets::default();
        let in_flight =
            InFlight::of(&client, &url, visibility_timeout, RETRY_WAIT, &backoff, buckets, None);
        Self {
            client,
            url,
            wait: 2,
            visibility_timeout,
            backoff,
            in_flight,
            arn: None,
            policy: None,
        }
    }

    /// The same queue with this visibility timeout, this wait before the first retry of a failed message, and these
    /// buckets that its messages may be about. Its messages count together with those of another queue, if there is one.
    pub(crate) fn with(
        self,
        visibility_timeout: i32,
        retry_wait: Duration,
        buckets: Buckets,
        beside: Option<&InFlight>,
    ) -> Self {
        let Self { client, url, backoff, .. } = &self;
        let in_flight =
            InFlight::of(client, url, visibility_timeout, retry_wait, backoff, buckets, beside);
        Self { visibility_timeout, in_flight, ..self }
    }

    /// The queue at this URL, if it exists.
    pub(crate) async fn at(client: Client, url: &str) -> Result<Self, ConnectError> {
        let attributes = client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(QueueAttributeName::VisibilityTimeout)
            .attribute_names(QueueAttributeName::QueueArn)
            .attribute_names(QueueAttributeName::Policy);
        let mut attributes = match attributes.send().await {
            Ok(found) => found.attributes.unwrap_or_default(),
            // A role that may not read a queue's attributes may still receive from it.
            Err(error) if error.code().is_some_and(is_denied) => HashMap::new(),
            Err(error) => {
                let hint = "look at the queue's URL (--queue-url or SQS_QUEUE_URL)";
                return Err(connect_error(&client, url, hint, &error));
            }
        };
        let hidden_for = attributes.get(&QueueAttributeName::VisibilityTimeout);
        let hidden_for = hidden_for.and_then(|seconds| seconds.parse().ok());
        let arn = attributes.remove(&QueueAttributeName::QueueArn);
        let policy = attributes.remove(&QueueAttributeName::Policy);
        let queue = Self::new(client, url.to_owned(), hidden_for.unwrap_or(VISIBILITY_TIMEOUT));
        Ok(Self { arn, policy, ..queue })
    }

    /// The queue of this name, if it exists.
    pub(super) async fn named(client: Client, name: &str) -> Result<Self, ConnectError> {
        match client.get_queue_url().queue_name(name).send().await {
            Ok(found) => Self::at(client, &found.queue_url.unwrap_or_default()).await,
            Err(error) => {
                let hint = "create it, or name another one (--queue-name or --queue-url)";
                Err(connect_error(&client, name, hint, &error))
            }
        }
    }
}

fn connect_error<E>(
    client: &Client,
    queue: &str,
    hint: &'static str,
    error: &SdkError<E>,
) -> ConnectError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let queue = queue.to_owned();
    let region = client.config().region().map(ToString::to_string).unwrap_or_default();
    match error.code() {
        Some(code) if code.ends_with("NonExistentQueue") || code.ends_with("QueueDoesNotExist") => {
            ConnectError::NoQueue { queue, region, hint }
        }
        _ => ConnectError::Sqs { queue, region, reason: why(error) },
    }
}
