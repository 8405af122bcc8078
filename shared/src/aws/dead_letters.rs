//! The dead-letter queue: sends messages there if no retry can help them, and counts those that are there.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::{S3Object, why};

/// The queue's dead-letter queue, if its redrive policy names one.
#[derive(Debug)]
pub(super) struct DeadLetters {
    client: Client,
    queue_url: String,
    /// Looked up when it is needed for the first time.
    url: OnceCell<Option<String>>,
}

/// The part of a redrive policy that names the dead-letter queue.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
}

/// The limit for a reason: SQS counts attributes towards a message's size, and a reason can be as
/// long as an S3 response.
const LONGEST_VALUE: usize = 1000;

impl DeadLetters {
    /// For the queue at this URL.
    pub(super) fn of(client: Client, queue_url: String) -> Self {
        Self { client, queue_url, url: OnceCell::new() }
    }

    /// Sends a copy of a message to the dead-letter queue, with the reason, the bucket and the key as
    /// its attributes. `false` if the queue has no dead-letter queue.
    ///
    /// # Errors
    ///
    /// If SQS does not accept the message, in words. The permission `sqs:SendMessage` may be missing.
    pub(super) async fn send(
        &self,
        body: &str,
        object: &S3Object,
        reason: &str,
    ) -> Result<bool, String> {
        let Some(url) = self.url.get_or_try_init(|| self.find()).await? else {
            return Ok(false);
        };
        let mut send = self.client.send_message().queue_url(url).message_body(body);
        for (name, value) in [("reason", reason), ("bucket", &object.bucket), ("key", &object.key)]
        {
            // SQS rejects empty attributes.
            if let Some(value) = attribute(value) {
                send = send.message_attributes(name, value);
            }
        }
        match send.send().await {
            Ok(_) => Ok(true),
            Err(error) => Err(why(&error)),
        }
    }

    /// About how many messages are in the dead-letter queue. `None` if the queue has no dead-letter queue.
    ///
    /// # Errors
    ///
    /// If SQS does not say, in words. The permission `sqs:GetQueueAttributes` may be missing.
    pub(super) async fn count(&self) -> Result<Option<u64>, String> {
        let Some(url) = self.url.get_or_try_init(|| self.find()).await? else {
            return Ok(None);
        };
        let count = self.attribute(url, QueueAttributeName::ApproximateNumberOfMessages).await?;
        Ok(count.and_then(|count| count.parse().ok()))
    }

    /// The queue's URL, once it was needed.
    pub(super) fn url(&self) -> Option<&str> {
        self.url.get()?.as_deref()
    }

    async fn find(&self) -> Result<Option<String>, String> {
        let policy = self.attribute(&self.queue_url, QueueAttributeName::RedrivePolicy).await?;
        let Some(policy) = policy else { return Ok(None) };
        let RedrivePolicy { dead_letter_target_arn: arn } =
            serde_json::from_str(&policy).map_err(|error| error.to_string())?;
        // arn:aws:sqs:REGION:ACCOUNT:NAME
        let mut from_the_end = arn.rsplit(':');
        let (name, account) = (from_the_end.next(), from_the_end.next());
        let found = self.client.get_queue_url().set_queue_name(name.map(Into::into));
        match found.set_queue_owner_aws_account_id(account.map(Into::into)).send().await {
            Ok(found) => Ok(found.queue_url),
            Err(error) => Err(why(&error)),
        }
    }

    async fn attribute(
        &self,
        url: &str,
        name: QueueAttributeName,
    ) -> Result<Option<String>, String> {
        let attributes = self.client.get_queue_attributes().queue_url(url);
        let found = attributes.attribute_names(name.clone()).send().await;
        let found = found.map_err(|error| why(&error))?.attributes;
        Ok(found.and_then(|mut attributes| attributes.remove(&name)))
    }
}

/// Replaces control characters by spaces, because SQS does not accept all of them.
fn attribute(value: &str) -> Option<MessageAttributeValue> {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let value: String = value.chars().take(LONGEST_VALUE).map(plain).collect();
    let value = MessageAttributeValue::builder().data_type("String").string_value(value);
    value.build().ok().filter(|value| value.string_value().is_some_and(|value| !value.is_empty()))
}
