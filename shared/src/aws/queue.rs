//! A queue, and what to do with messages that are not worked on.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clients::ConnectError;
use super::why;

/// A queue, and how to receive from it.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Speaks to the SQS that has it.
    pub client: Client,
    /// Its address.
    pub url: String,
    /// How long a receive waits for messages, in seconds.
    pub wait: i32,
    /// How long a received message stays hidden from others, in seconds. By default, that is up to
    /// the queue.
    pub visibility_timeout: Option<i32>,
    /// A token is held for each message that was received and is not done.
    pub in_hand: TaskTracker,
    /// Cancelled when the program is to end: what is not begun by then is given back.
    pub stopping: CancellationToken,
    idle: CancellationToken,
    /// How many messages were dropped by a stage that crashed. They come back when their visibility
    /// timeout is over.
    pub abandoned: Arc<AtomicU64>,
}

impl Queue {
    pub(crate) fn new(client: Client, url: String) -> Self {
        Self {
            client,
            url,
            wait: 2,
            visibility_timeout: None,
            in_hand: TaskTracker::new(),
            stopping: CancellationToken::new(),
            idle: CancellationToken::new(),
            abandoned: Arc::default(),
        }
    }

    pub(super) fn with(self, wait: u8, visibility_timeout: Option<i32>) -> Self {
        Self { wait: wait.into(), visibility_timeout, ..self }
    }

    /// A receive came back empty.
    pub fn came_back_empty(&self) {
        if self.in_hand.is_empty() {
            self.idle.cancel();
        }
    }

    /// Waits until a receive comes back empty while no message is in hand.
    pub async fn idle(&self) {
        self.idle.cancelled().await;
    }

    /// The queue at this URL, if it is there.
    pub(super) async fn at(client: Client, url: &str) -> Result<Self, ConnectError> {
        let attributes = client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(QueueAttributeName::VisibilityTimeout);
        match attributes.send().await {
            Err(error) if !is_denied(&error) => Err(connect_error(
                url,
                "look at the queue's URL (--queue-url or SQS_QUEUE_URL)",
                &error,
            )),
            // Who may not ask for a queue's attributes may be allowed to receive from it.
            _ => Ok(Self::new(client, url.to_owned())),
        }
    }

    /// The queue of this name, if there is one.
    pub(super) async fn named(client: Client, name: &str) -> Result<Self, ConnectError> {
        match client.get_queue_url().queue_name(name).send().await {
            Ok(found) => Ok(Self::new(client, found.queue_url.unwrap_or_default())),
            Err(error) => {
                let hint = "create it, or name another one (--queue-name or --queue-url)";
                Err(connect_error(name, hint, &error))
            }
        }
    }
}

fn is_denied<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    error.code().is_some_and(|code| code.starts_with("AccessDenied"))
}

fn connect_error<E>(queue: &str, hint: &'static str, error: &SdkError<E>) -> ConnectError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let queue = queue.to_owned();
    match error.code() {
        Some(code) if code.ends_with("NonExistentQueue") || code.ends_with("QueueDoesNotExist") => {
            ConnectError::NoQueue { queue, hint }
        }
        _ => ConnectError::Sqs { queue, reason: why(error) },
    }
}
