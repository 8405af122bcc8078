//! The ceiling: channels and demand messages, and only as much of them as these two shapes need.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::measure::{Arrivals, Demand};

pub fn single(demand: Demand, arrivals: &Arc<Arrivals>) {
    let (asks, asked) = unbounded_channel();
    let (events, received) = unbounded_channel();
    tokio::spawn(producer(asked, move |batch| events.send(batch).is_ok()));
    tokio::spawn(consumer(
        demand,
        move |count| asks.send(count).is_ok(),
        received,
        arrivals.clone(),
    ));
}

pub fn chain(demand: Demand, arrivals: &Arc<Arrivals>) {
    let (asks, asked) = unbounded_channel();
    let (middle, mailbox) = unbounded_channel();
    let from_producer = middle.clone();
    tokio::spawn(producer(asked, move |batch| from_producer.send(ToMiddle::Events(batch)).is_ok()));
    let consumers = (0..3).map(|number| {
        let (events, received) = unbounded_channel();
        let middle = middle.clone();
        let ask = move |count| middle.send(ToMiddle::Ask { number, count }).is_ok();
        tokio::spawn(consumer(demand, ask, received, arrivals.clone()));
        (0, events)
    });
    tokio::spawn(middle_stage(demand, mailbox, asks, consumers.collect()));
}

pub async fn producer(mut asked: UnboundedReceiver<usize>, send: impl Fn(Vec<u64>) -> bool) {
    let mut next = 0;
    while let Some(count) = asked.recv().await {
        let first = next;
        next += count as u64;
        if !send((first..next).collect()) {
            return;
        }
    }
}

pub async fn consumer(
    Demand { max, min }: Demand,
    ask: impl Fn(usize) -> bool,
    mut received: UnboundedReceiver<Vec<u64>>,
    arrivals: Arc<Arrivals>,
) {
    ask(max);
    let mut outstanding = max;
    while let Some(batch) = received.recv().await {
        for chunk in batch.chunks(max - min) {
            if !arrivals.add(chunk) {
                return;
            }
            outstanding -= chunk.len();
            if outstanding <= min {
                ask(max - outstanding);
                outstanding = max;
            }
        }
    }
}

enum ToMiddle {
    Events(Vec<u64>),
    Ask { number: usize, count: usize },
}

/// Adds one to each event. `consumers` holds, for each consumer, its pending demand and the channel
/// to it.
async fn middle_stage(
    Demand { max, min }: Demand,
    mut mailbox: UnboundedReceiver<ToMiddle>,
    asks: UnboundedSender<usize>,
    mut consumers: Vec<(usize, UnboundedSender<Vec<u64>>)>,
) {
    let (mut waiting, mut buffer) = (VecDeque::new(), VecDeque::new());
    let _ = asks.send(max);
    let mut outstanding = max;
    while let Some(message) = mailbox.recv().await {
        match message {
            ToMiddle::Events(events) => waiting.push_back(events),
            ToMiddle::Ask { number, count } => {
                consumers[number].0 += count;
                let count = count.min(buffer.len());
                if count > 0 {
                    send(&mut consumers, buffer.drain(..count).collect(), &mut VecDeque::new());
                }
            }
        }
        while consumers.iter().any(|consumer| consumer.0 > 0) {
            let Some(mut batch) = waiting.pop_front() else { break };
            while !batch.is_empty() {
                let rest =
                    if batch.len() > max - min { batch.split_off(max - min) } else { Vec::new() };
                for event in &mut batch {
                    *event += 1;
                }
                outstanding -= batch.len();
                send(&mut consumers, batch, &mut buffer);
                if outstanding <= min {
                    let _ = asks.send(max - outstanding);
                    outstanding = max;
                }
                batch = rest;
            }
        }
    }
}

/// Sends events to the consumer that has asked for the most. Events that no consumer has asked for
/// go into the buffer.
fn send(
    consumers: &mut [(usize, UnboundedSender<Vec<u64>>)],
    mut batch: Vec<u64>,
    buffer: &mut VecDeque<u64>,
) {
    while !batch.is_empty() {
        let Some((pending, events)) = consumers.iter_mut().max_by_key(|consumer| consumer.0) else {
            return;
        };
        if *pending == 0 {
            return buffer.extend(batch);
        }
        let rest = if *pending < batch.len() { batch.split_off(*pending) } else { Vec::new() };
        *pending -= batch.len();
        let _ = events.send(batch);
        batch = rest;
    }
}
