//! Demand in, messages out: it receives them from SQS.

use std::time::Duration;

use aws_sdk_sqs::types::Message;
use shared::aws::{Queue, why};
use shared::stage::{self, Producer, ProducerHandle};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{error, info};

/// The wait after a poll that brought nothing. It doubles with each further one.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(20);

pub struct SqsProducer {
    queue: Queue,
    /// This stage, which casts messages to itself.
    me: ProducerHandle<Self>,
    /// How many messages are asked for and not received. While it is not 0, a poll is in flight or about to start.
    demand: usize,
    /// The latest poll.
    poll: Option<JoinHandle<()>>,
    /// The wait between the last poll and the next.
    wait: Duration,
}

/// Messages that the producer casts to itself.
pub enum Cast {
    /// It is time to poll.
    GetMessages,
    /// A poll has brought messages, or an error.
    Received(Result<Vec<Message>, String>),
}

impl SqsProducer {
    pub fn start(queue: Queue) -> ProducerHandle<Self> {
        stage::named("SQSProducer").start_producer(|me| Self {
            queue,
            me: me.clone(),
            demand: 0,
            poll: None,
            wait: Duration::ZERO,
        })
    }

    /// Polls in a task of its own, because a stage that waits for SQS does not hear of new demand.
    fn poll(&mut self) {
        // SQS gives at most 10 messages at once.
        let count = self.demand.min(10);
        info!("SQSProducer polls for {count} messages");
        let (queue, me) = (self.queue.clone(), self.me.clone());
        self.poll = Some(tokio::spawn(async move {
            me.cast(Cast::Received(receive(&queue, count).await));
        }));
    }

    fn received(&mut self, received: Result<Vec<Message>, String>) -> Vec<Message> {
        let messages = received.unwrap_or_else(|error| {
            error!("Receiving from SQS failed: {error}");
            Vec::new()
        });
        info!("SQSProducer received {} messages", messages.len());
        // After a stop the demand is 0, and a last poll can still bring messages.
        self.demand = self.demand.saturating_sub(messages.len());
        if messages.is_empty() {
            self.wait = (self.wait * 2).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        } else {
            self.wait = Duration::ZERO;
        }
        if self.demand > 0 {
            self.poll_again();
        }
        messages
    }

    /// Polls again: at once after messages, later if the queue is empty or SQS fails.
    fn poll_again(&self) {
        let (wait, me) = (self.wait, self.me.clone());
        if wait.is_zero() {
            return me.cast(Cast::GetMessages);
        }
        info!("SQSProducer polls again in {} seconds", wait.as_secs_f32());
        tokio::spawn(async move {
            sleep(wait).await;
            me.cast(Cast::GetMessages);
        });
    }
}

impl Producer for SqsProducer {
    type Event = Message;
    type Cast = Cast;

    async fn handle_demand(&mut self, demand: usize) -> Vec<Message> {
        // If the demand was not 0, a poll is under way, and polls follow until it is.
        if self.demand == 0 {
            self.me.cast(Cast::GetMessages);
        }
        self.demand += demand;
        info!("SQSProducer received demand for {demand} messages, {} in all", self.demand);
        Vec::new()
    }

    async fn handle_cast(&mut self, message: Cast) -> Vec<Message> {
        match message {
            // The producer was stopped in the meantime.
            Cast::GetMessages if self.demand == 0 => Vec::new(),
            Cast::GetMessages => {
                self.poll();
                Vec::new()
            }
            Cast::Received(received) => self.received(received),
        }
    }

    /// Waits for a poll in flight instead of dropping it, because SQS would hide its messages although no
    /// stage has them. The poll casts them before this returns, so they are delivered.
    async fn prepare_for_draining(&mut self) -> Vec<Message> {
        self.demand = 0; // It will not poll again.
        if let Some(poll) = self.poll.take() {
            let _ = poll.await;
        }
        Vec::new()
    }
}

/// Receives at most `count` messages. SQS waits for a while if there are none.
async fn receive(queue: &Queue, count: usize) -> Result<Vec<Message>, String> {
    let receive = queue.client.receive_message().queue_url(&queue.url);
    let received = receive
        .max_number_of_messages(count.try_into().unwrap_or(10))
        .wait_time_seconds(queue.wait)
        .visibility_timeout(queue.visibility_timeout)
        .send()
        .await
        .map_err(|error| why(&error))?;
    Ok(received.messages.unwrap_or_default())
}
