//! The consumer: sends a message for each object, ten with a request.

use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchRequestEntry};
use futures_util::future::join_all;
use stage::{Consumer, ConsumerHandle};

use super::Listed;
use super::message::body;
use super::progress::Progress;
use crate::aws::{BATCH, Backoff, Queue, is_transient, why};

/// How many objects it asks for at a time: ten requests, all at the same time. A page is ten times as many.
pub(super) const AT_ONCE: usize = 10 * BATCH;

pub(super) struct Sender {
    queue: Queue,
    bucket: String,
    backoff: Backoff,
    progress: Progress,
}

impl Sender {
    pub(super) fn start(queue: Queue, bucket: &str, progress: &Progress) -> ConsumerHandle<Self> {
        stage::named("Sender").start_consumer(Self {
            queue,
            bucket: bucket.to_owned(),
            backoff: Backoff::new("Sending to SQS"),
            progress: progress.clone(),
        })
    }

    /// Sends their messages, and those again that SQS does not take, until it has all of them.
    ///
    /// # Errors
    ///
    /// Why SQS never takes one, in words, or does not take it now, if the program is told to stop meanwhile.
    async fn send(&self, objects: &[Listed]) -> Result<(), String> {
        let mut entries: Vec<_> =
            objects.iter().enumerate().filter_map(|(id, object)| self.entry(id, object)).collect();
        while !entries.is_empty() {
            let send = self.queue.client.send_message_batch().queue_url(&self.queue.url);
            let error = match send.set_entries(Some(entries.clone())).send().await {
                Ok(answer) => {
                    // SQS can take some and refuse others.
                    let refused = answer.failed;
                    let reason = |it: &BatchResultErrorEntry| {
                        format!("{}: {}", it.code, it.message.as_deref().unwrap_or_default())
                    };
                    if let Some(for_good) = refused.iter().find(|it| it.sender_fault) {
                        return Err(reason(for_good));
                    }
                    entries.retain(|entry| refused.iter().any(|refused| refused.id == entry.id));
                    refused.first().map(reason)
                }
                Err(error) if is_transient(&error) => Some(why(&error)),
                Err(error) => return Err(why(&error)),
            };
            match error {
                None => self.backoff.succeeded(),
                Some(error) => {
                    let wait = self.backoff.failed_so_wait(&error);
                    let waited = self.progress.stopping().run_until_cancelled(wait).await;
                    waited.ok_or(error)?;
                }
            }
        }
        Ok(())
    }

    /// An entry's id is its position.
    fn entry(&self, id: usize, object: &Listed) -> Option<SendMessageBatchRequestEntry> {
        let entry = SendMessageBatchRequestEntry::builder().id(id.to_string());
        entry.message_body(body(&self.bucket, object)).build().ok() // The builder has all that it needs.
    }
}

impl Consumer for Sender {
    type Event = Listed;

    async fn handle_events(&mut self, objects: Vec<Listed>) {
        let batches = || objects.chunks(BATCH);
        let results = join_all(batches().map(|batch| self.send(batch))).await;
        for (batch, result) in batches().zip(results) {
            match result {
                Ok(()) => self.progress.sent(batch),
                Err(reason) => {
                    self.progress.fail(format!("SQS does not take the messages: {reason}"));
                }
            }
        }
    }
}
