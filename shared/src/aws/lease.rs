//! Keeps messages hidden from other receivers while they are being processed, however long that takes.
//!
//! SQS hides a received message for its visibility timeout. One task per queue, the keeper, renews
//! that timeout at about half of it, until the message is deleted, dropped or given back. The keeper
//! makes all changes of visibility, one request after the other, so that no change overtakes another.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{Builder, Config};
use aws_sdk_sqs::types::{BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry};
use futures_util::StreamExt;
use metrics::counter;
use rand::RngExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tokio_util::time::{DelayQueue, delay_queue};
use tracing::warn;

use super::backoff::Backoff;
use super::{BATCH, BATCH_WAIT, why};
use crate::metrics::LOST;

/// Hands out leases.
#[derive(Clone, Debug)]
pub(super) struct Leases(UnboundedSender<Order>);

/// Keeps a message hidden until the lease ends or is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    handle: String,
    lost: CancellationToken,
    leases: Leases,
}

/// An instruction for the keeper.
#[derive(Debug)]
enum Order {
    Begin { handle: String, message_id: String, lost: CancellationToken },
    End { handle: String },
    GiveUp { handle: String, visible_in: Duration, in_flight: TaskTrackerToken },
}

impl Leases {
    /// Starts the keeper, which keeps a queue's messages hidden by renewing their visibility timeout.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(super) fn keep(client: Client, queue_url: String, visibility_timeout: Duration) -> Self {
        let (sender, orders) = unbounded_channel();
        tokio::spawn(Keeper::new(client, queue_url, visibility_timeout).run(orders));
        Self(sender)
    }

    pub(super) fn begin(&self, message_id: &str, handle: &str) -> Lease {
        let lease = Lease {
            handle: handle.to_owned(),
            lost: CancellationToken::new(),
            leases: self.clone(),
        };
        let (handle, message_id) = (handle.to_owned(), message_id.to_owned());
        self.order(Order::Begin { handle, message_id, lost: lease.lost.clone() });
        lease
    }

    fn order(&self, order: Order) {
        let _ = self.0.send(order); // The keeper is gone only when the program ends.
    }
}

impl Lease {
    /// Cancelled when the message could not be kept hidden.
    pub(super) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Ends the lease, so that the message can be deleted.
    pub(super) fn end(&self) {
        self.leases.order(Order::End { handle: self.handle.clone() });
    }

    /// Ends the lease, and makes the message visible after `visible_in`. The message stays in flight
    /// until SQS knows.
    pub(super) fn give_up(&self, visible_in: Duration, in_flight: TaskTrackerToken) {
        let handle = self.handle.clone();
        self.leases.order(Order::GiveUp { handle, visible_in, in_flight });
    }
}

/// Carries out the orders of leases.
struct Keeper {
    client: Client,
    queue_url: String,
    visibility_timeout: Duration,
    /// The leases, by their messages' receipt handles.
    held: HashMap<String, Held>,
    /// The handles of the leases, by when each must be renewed.
    to_renew: DelayQueue<String>,
    /// Waiting to be sent together.
    changes: Vec<Change>,
    /// The latest time to send them.
    send_at: Instant,
    backoff: Backoff,
}

struct Held {
    message_id: String,
    lost: CancellationToken,
    /// Its entry in the queue of renewals. `None` while a renewal is being sent.
    renewal: Option<delay_queue::Key>,
}

struct Change {
    handle: String,
    visible_in: Duration,
    /// Whether the lease goes on. Otherwise the message was given up.
    is_renewal: bool,
    /// A message that is given up stays in flight until the change is made.
    _in_flight: Option<TaskTrackerToken>,
    tries: u32,
}

/// The keeper tries this many times to give a message back. Then the message becomes visible by itself
/// when its timeout ends.
const TRIES: u32 = 5;
/// How long a request may take before its response counts as lost. A lease must outlast that, and a retry.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(5);

impl Keeper {
    /// For a queue whose messages are received with this visibility timeout.
    fn new(client: Client, queue_url: String, visibility_timeout: Duration) -> Self {
        Self {
            client,
            queue_url,
            visibility_timeout,
            held: HashMap::new(),
            to_renew: DelayQueue::new(),
            changes: Vec::new(),
            send_at: Instant::now(),
            backoff: Backoff::new("Changing the visibility of messages"),
        }
    }

    /// Runs as long as anything can send orders.
    async fn run(mut self, mut orders: UnboundedReceiver<Order>) {
        loop {
            tokio::select! {
                // Orders come first, because a lease that has ended must not be renewed.
                biased;
                order = orders.recv() => match order {
                    Some(order) => self.carry_out(order),
                    None => return,
                },
                () = sleep_until(self.send_at), if !self.changes.is_empty() => self.send().await,
                Some(due) = self.to_renew.next(), if !self.to_renew.is_empty() => {
                    self.renew(due.into_inner());
                }
            }
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Begin { handle, message_id, lost } => {
                self.held.insert(handle.clone(), Held { message_id, lost, renewal: None });
                self.renew_later(handle);
            }
            Order::End { handle } => self.end(&handle),
            Order::GiveUp { handle, visible_in, in_flight } => {
                self.end(&handle);
                self.change(Change {
                    handle,
                    visible_in,
                    is_renewal: false,
                    _in_flight: Some(in_flight),
                    tries: 0,
                });
            }
        }
    }

    fn end(&mut self, handle: &str) {
        // Removes the renewal too, because thousands of files can be done before it would be due.
        if let Some(Held { renewal: Some(key), .. }) = self.held.remove(handle) {
            self.to_renew.remove(&key);
        }
    }

    fn renew_later(&mut self, handle: String) {
        if let Some(held) = self.held.get_mut(&handle) {
            // A random part of the timeout, so that the renewals are spread out.
            let part = rand::rng().random_range(0.4..0.5);
            let key = self.to_renew.insert(handle, self.visibility_timeout.mul_f64(part));
            held.renewal = Some(key);
        }
    }

    fn renew(&mut self, handle: String) {
        if let Some(held) = self.held.get_mut(&handle) {
            held.renewal = None;
        }
        let visible_in = self.visibility_timeout;
        self.change(Change { handle, visible_in, is_renewal: true, _in_flight: None, tries: 0 });
    }

    /// Makes a change soon, in a batch with others.
    fn change(&mut self, change: Change) {
        // A renewal is pointless if the lease has ended.
        if !change.is_renewal || self.held.contains_key(&change.handle) {
            if self.changes.is_empty() {
                self.send_at = Instant::now() + BATCH_WAIT;
            }
            self.changes.push(change);
            if self.changes.len() >= BATCH {
                self.send_at = Instant::now();
            }
        }
    }

    async fn send(&mut self) {
        let held = &self.held;
        self.changes.retain(|it| !it.is_renewal || held.contains_key(&it.handle));
        let count = self.changes.len().min(BATCH);
        let changes: Vec<_> = self.changes.drain(..count).collect();
        let entries = changes.iter().enumerate().filter_map(|(position, change)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(position.to_string())
                .receipt_handle(&change.handle)
                .visibility_timeout(change.visible_in.as_secs().try_into().unwrap_or(i32::MAX))
                .build()
                .ok() // Never fails: all required fields are set.
        });
        let request = self.client.change_message_visibility_batch().queue_url(&self.queue_url);
        if changes.is_empty() {
            return;
        }
        let request = request.set_entries(Some(entries.collect())).customize();
        match request.config_override(self.timeouts()).send().await {
            Ok(answer) => {
                self.backoff.succeeded();
                for (position, change) in changes.into_iter().enumerate() {
                    let id = position.to_string();
                    match answer.failed.iter().find(|failed| failed.id == id) {
                        None if change.is_renewal => self.renew_later(change.handle),
                        None => {}
                        Some(failed) => self.has_failed(change, failed),
                    }
                }
            }
            Err(error) => {
                for change in changes {
                    self.try_again(change);
                }
                // Waiting here delays no other change, because none could succeed either.
                self.backoff.failed_so_wait(why(&error)).await;
            }
        }
    }

    fn timeouts(&self) -> Builder {
        let timeout = (self.visibility_timeout / 5).clamp(*TIMEOUT.start(), *TIMEOUT.end());
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(timeout);
        Config::builder().timeout_config(timeouts.build())
    }

    fn has_failed(&mut self, change: Change, failed: &BatchResultErrorEntry) {
        let reason = failed.message.as_ref().unwrap_or(&failed.code);
        if !failed.sender_fault {
            self.try_again(change);
        } else if !change.is_renewal {
            warn!("A message could not be given back, and stays hidden for a while: {reason}");
        } else if let Some(Held { message_id, lost, .. }) = self.held.remove(&change.handle) {
            warn!(message_id, "The message {message_id} can no longer be kept hidden: {reason}");
            counter!(LOST).increment(1);
            lost.cancel();
        }
    }

    fn try_again(&mut self, change: Change) {
        let tries = change.tries + 1;
        // A renewal is retried until the lease ends, or SQS reports that the lease is lost.
        if change.is_renewal || tries < TRIES {
            self.change(Change { tries, ..change });
        } else {
            warn!("A message could not be given back, and stays hidden for a while");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Clients;

    #[tokio::test]
    async fn nothing_is_kept_of_a_lease_that_has_ended() {
        let sqs = Clients::local("http://127.0.0.1:1").sqs;
        let mut keeper = Keeper::new(sqs, String::new(), Duration::from_hours(12));
        let begin = |handle: &str| Order::Begin {
            handle: handle.to_owned(),
            message_id: String::new(),
            lost: CancellationToken::new(),
        };
        keeper.carry_out(begin("ends"));
        keeper.carry_out(begin("lasts"));
        keeper.carry_out(Order::End { handle: "ends".to_owned() });
        assert_eq!((keeper.held.len(), keeper.to_renew.len()), (1, 1));
    }
}
