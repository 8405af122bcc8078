//! The single shape by hand again, with more of the parts that stages have.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::FutureExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::by_hand::{consumer, producer};
use super::measure::{Arrivals, Demand};

/// Panics are caught, and others can wait for the end of a task.
pub fn supervised(demand: Demand, arrivals: &Arc<Arrivals>) {
    let (asks, asked) = unbounded_channel();
    let (events, received) = unbounded_channel();
    spawn_supervised(producer(asked, move |batch| events.send(batch).is_ok()));
    spawn_supervised(consumer(
        demand,
        move |count| asks.send(count).is_ok(),
        received,
        arrivals.clone(),
    ));
}

/// Subscriptions come and go while both run, so a message names its subscription, and can be another one than events or an ask.
pub fn cancellable(demand: Demand, arrivals: &Arc<Arrivals>) {
    let (producer, consumer) = subscribed(demand, arrivals);
    tokio::spawn(producer);
    tokio::spawn(consumer);
}

pub fn supervised_and_cancellable(demand: Demand, arrivals: &Arc<Arrivals>) {
    let (producer, consumer) = subscribed(demand, arrivals);
    spawn_supervised(producer);
    spawn_supervised(consumer);
}

fn spawn_supervised(task: impl Future<Output = ()> + Send + 'static) {
    let (told, end) = watch::channel(None);
    let task = tokio::spawn(async move {
        let exit = AssertUnwindSafe(task).catch_unwind().await;
        told.send_replace(Some(exit.is_ok()));
    });
    // A supervisor would keep both.
    drop((end, task.abort_handle()));
}

enum ToProducer {
    Subscribe { id: u64, consumer: UnboundedSender<ToConsumer> },
    Ask { id: u64, count: usize },
    Cancel { id: u64 },
}

enum ToConsumer {
    Events { id: u64, events: Vec<u64> },
    Cancelled { id: u64 },
}

struct Subscription {
    id: u64,
    outstanding: usize,
    producer: UnboundedSender<ToProducer>,
}

fn subscribed(
    demand: Demand,
    arrivals: &Arc<Arrivals>,
) -> (impl Future<Output = ()> + use<>, impl Future<Output = ()> + use<>) {
    let (producer, asked) = unbounded_channel();
    let (consumer, received) = unbounded_channel();
    let _ = producer.send(ToProducer::Subscribe { id: 1, consumer });
    let _ = producer.send(ToProducer::Ask { id: 1, count: demand.max });
    let subscription = Subscription { id: 1, outstanding: demand.max, producer };
    let unheard = Arc::default();
    (
        cancellable_producer(asked),
        cancellable_consumer(demand, subscription, received, unheard, arrivals.clone()),
    )
}

async fn cancellable_producer(mut mailbox: UnboundedReceiver<ToProducer>) {
    let mut consumers = Vec::new();
    let mut next = 0;
    while let Some(message) = mailbox.recv().await {
        match message {
            ToProducer::Subscribe { id, consumer } => consumers.push((id, consumer)),
            ToProducer::Ask { id, count } => {
                let Some((_, consumer)) = consumers.iter().find(|it| it.0 == id) else { continue };
                let first = next;
                next += count as u64;
                let _ = consumer.send(ToConsumer::Events { id, events: (first..next).collect() });
            }
            ToProducer::Cancel { id } => {
                if let Some(index) = consumers.iter().position(|it| it.0 == id) {
                    let (_, consumer) = consumers.swap_remove(index);
                    let _ = consumer.send(ToConsumer::Cancelled { id });
                }
            }
        }
    }
}

async fn cancellable_consumer(
    Demand { max, min }: Demand,
    subscription: Subscription,
    mut mailbox: UnboundedReceiver<ToConsumer>,
    unheard: Arc<AtomicUsize>,
    arrivals: Arc<Arrivals>,
) {
    let mut subscriptions = vec![subscription];
    while let Some(message) = mailbox.recv().await {
        match message {
            ToConsumer::Events { id, events } => {
                let Some(it) = subscriptions.iter_mut().find(|it| it.id == id) else { continue };
                for chunk in events.chunks(max - min) {
                    let more = arrivals.add(chunk);
                    it.outstanding -= chunk.len();
                    if !more {
                        let _ = it.producer.send(ToProducer::Cancel { id });
                        break;
                    }
                    // While a cancellation is on its way, it asks for nothing.
                    if it.outstanding <= min && unheard.load(Relaxed) == 0 {
                        let count = max - it.outstanding;
                        let _ = it.producer.send(ToProducer::Ask { id, count });
                        it.outstanding = max;
                    }
                }
            }
            ToConsumer::Cancelled { id } => {
                subscriptions.retain(|it| it.id != id);
                if subscriptions.is_empty() {
                    return;
                }
            }
        }
    }
}
