//! A queue, and what becomes of the messages that were received from it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, DeleteMessageBatchRequestEntry, QueueAttributeName,
};
use metrics::gauge;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::clients::ConnectError;
use super::lease::Leases;
use super::receives::Receives;
use super::{BATCH, Backoff, Receipt, deletion, why};
use crate::metrics::DEMAND;
use crate::stage::STOP_LIMIT;

/// A queue, and how to receive from it.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Speaks to the SQS that has it.
    pub client: Client,
    /// Its address.
    pub url: String,
    /// How long a receive waits for messages, in seconds.
    pub wait: i32,
    /// How long a received message stays hidden from others, in seconds, if nobody renews that. By
    /// default, that is up to the queue.
    pub visibility_timeout: Option<i32>,
    /// Of whoever receives: there may be one after the other.
    pub(super) receiving: Arc<Mutex<Backoff>>,
    /// How long a message whose work failed for the first time is left alone.
    pub(super) retry_wait: Duration,
    /// A token is held for each message that was received and is neither deleted nor given back.
    pub(crate) in_hand: TaskTracker,
    /// How long what is begun may take when the program is to end.
    pub(super) stop_limit: Duration,
    /// Cancelled when the program is to end: what is not begun by then is given back.
    pub(crate) stopping: CancellationToken,
    /// Cancelled when what is begun must be given back, too.
    pub(super) time_is_up: CancellationToken,
    pub(super) idle: CancellationToken,
    /// Whether the last receive brought all that it could bring.
    pub(super) was_full: Arc<AtomicBool>,
    /// How many messages were dropped by a stage that crashed.
    pub(crate) abandoned: Arc<AtomicU64>,
    pub(super) leases: Leases,
    /// Where to send what is to be deleted.
    pub(super) releases: Arc<OnceLock<UnboundedSender<Receipt>>>,
}

/// How many receives may be under way at the same time.
const RECEIVES: usize = 8;
/// For the last deletions and changes of visibility.
const SETTLE_LIMIT: Duration = Duration::from_secs(8);

impl Queue {
    pub(crate) fn new(client: Client, url: String) -> Self {
        Self {
            client,
            url,
            wait: 2,
            visibility_timeout: None,
            receiving: Arc::new(Mutex::new(Backoff::new("Receiving from SQS"))),
            retry_wait: Duration::from_secs(5),
            in_hand: TaskTracker::new(),
            stop_limit: STOP_LIMIT,
            stopping: CancellationToken::new(),
            time_is_up: CancellationToken::new(),
            idle: CancellationToken::new(),
            was_full: Arc::default(),
            abandoned: Arc::default(),
            leases: Leases::default(),
            releases: Arc::default(),
        }
    }

    /// Looks for what is `missing` by calling `receive`, with how many messages are wanted: SQS gives no
    /// more than 10 at once. What each receive brings comes as soon as it is there. All of them have to
    /// be waited for: a receive must not be dropped.
    ///
    /// One at a time is enough for a queue that has less than 10. When one has brought all it could, the
    /// queue has more, and several look for 25 messages as 10, 10, and 5.
    pub fn look_for<F: Future>(
        &self,
        missing: usize,
        receive: impl Fn(Self, usize) -> F,
    ) -> Receives<F> {
        gauge!(DEMAND).set(float(missing));
        let at_once = if self.was_full.load(Relaxed) { RECEIVES } else { 1 };
        let parts = (0..missing).step_by(BATCH).take(at_once);
        let receives = parts.map(|from| receive(self.clone(), (missing - from).min(BATCH)));
        Receives::new(receives, self.receiving.clone())
    }

    /// A receive that could have brought `wanted` messages has brought `count`.
    pub fn received(&self, count: usize, wanted: usize) {
        gauge!(DEMAND).decrement(float(count));
        self.was_full.store(count == wanted, Relaxed);
        if count == 0 && self.in_hand.is_empty() {
            self.idle.cancel();
        }
    }

    /// Waits until a receive comes back empty while no message is in hand.
    pub async fn idle(&self) {
        self.idle.cancelled().await;
    }

    /// From now on, what is [released](super::Share::release) is deleted by calling `delete`, with at most 10
    /// messages. It is called again for those that SQS could not delete, which it returns.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn delete_with<D, F, E>(&self, delete: D)
    where
        D: Fn(Self, Vec<DeleteMessageBatchRequestEntry>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<BatchResultErrorEntry>, SdkError<E>>> + Send + 'static,
        E: ProvideErrorMetadata + std::error::Error + Send + 'static,
    {
        let (sender, released) = unbounded_channel();
        if self.releases.set(sender).is_ok() {
            tokio::spawn(deletion::run(released, self.clone(), delete));
        }
    }

    /// Has a message deleted soon, together with others.
    pub(super) fn delete(&self, message: Receipt) {
        if let Some(releases) = self.releases.get() {
            let _ = releases.send(message); // Nobody is there only when the program ends.
        }
    }

    /// The program is to end: from now on, messages that are not begun are given back, and what is begun
    /// has the time of `--stop-limit`.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn stop(&self) {
        self.stopping.cancel();
        let (limit, time_is_up) = (self.stop_limit, self.time_is_up.clone());
        tokio::spawn(async move {
            sleep(limit).await;
            time_is_up.cancel();
        });
    }

    /// Waits until no message is in hand: each is deleted, or SQS knows when others may see it. If SQS
    /// cannot be told within 8 seconds, says so.
    pub async fn settled(&self) {
        self.in_hand.close();
        if timeout(SETTLE_LIMIT, self.in_hand.wait()).await.is_err() {
            let count = self.in_hand.len();
            warn!(
                count,
                "{count} messages are neither deleted nor given back: they will come back"
            );
        }
    }

    /// The queue at this URL, if it is there.
    pub(super) async fn at(client: Client, url: &str) -> Result<Self, ConnectError> {
        let attributes = client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(QueueAttributeName::VisibilityTimeout);
        let hidden_for = match attributes.send().await {
            Ok(found) => found.attributes.and_then(|attributes| {
                attributes.get(&QueueAttributeName::VisibilityTimeout)?.parse().ok()
            }),
            // Who may not ask for a queue's attributes may be allowed to receive from it.
            Err(error) if is_denied(&error) => None,
            Err(error) => {
                let hint = "look at the queue's URL (--queue-url or SQS_QUEUE_URL)";
                return Err(connect_error(url, hint, &error));
            }
        };
        // If the queue does not tell, it is asked for what is SQS's own default.
        let visibility_timeout = hidden_for.or(Some(30));
        Ok(Self { visibility_timeout, ..Self::new(client, url.to_owned()) })
    }

    /// The queue of this name, if there is one.
    pub(super) async fn named(client: Client, name: &str) -> Result<Self, ConnectError> {
        match client.get_queue_url().queue_name(name).send().await {
            Ok(found) => Self::at(client, &found.queue_url.unwrap_or_default()).await,
            Err(error) => {
                let hint = "create it, or name another one (--queue-name or --queue-url)";
                Err(connect_error(name, hint, &error))
            }
        }
    }

    /// Starts to keep received messages hidden until they are deleted, left, or given back.
    pub(super) fn keep_hidden(&self) {
        let seconds = self.visibility_timeout.unwrap_or(30).try_into().unwrap_or_default();
        self.leases.keep(self.client.clone(), self.url.clone(), Duration::from_secs(seconds));
    }
}

/// A number of messages, of which there are never that many.
fn float(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
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
