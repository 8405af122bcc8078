//! The same shapes, made of stages.

use std::convert::Infallible;
use std::sync::Arc;

use stage::{
    Consumer, ConsumerHandle, Producer, ProducerConsumer, ProducerHandle, SubscribeOptions, named,
};

use super::measure::{Arrivals, Demand};

struct Numbers(u64);

impl Producer for Numbers {
    type Event = u64;
    type Cast = Infallible;

    async fn handle_demand(&mut self, demand: usize) -> Vec<u64> {
        let first = self.0;
        self.0 += demand as u64;
        (first..self.0).collect()
    }
}

struct AddOne;

impl ProducerConsumer for AddOne {
    type Input = u64;
    type Event = u64;

    async fn handle_events(&mut self, mut events: Vec<u64>) -> Vec<u64> {
        for event in &mut events {
            *event += 1;
        }
        events
    }
}

struct Arrive {
    arrivals: Arc<Arrivals>,
    producer: ProducerHandle<Numbers>,
}

impl Consumer for Arrive {
    type Event = u64;

    async fn handle_events(&mut self, events: Vec<u64>) {
        if !self.arrivals.add(&events) {
            self.producer.kill(); // This also ends all stages that have subscribed.
        }
    }
}

fn producer() -> ProducerHandle<Numbers> {
    named("producer").start_producer(|_| Numbers(0))
}

fn consumer(
    arrivals: &Arc<Arrivals>,
    producer: &ProducerHandle<Numbers>,
) -> ConsumerHandle<Arrive> {
    let (arrivals, producer) = (arrivals.clone(), producer.clone());
    named("consumer").start_consumer(Arrive { arrivals, producer })
}

fn options(Demand { max, min }: Demand) -> SubscribeOptions {
    SubscribeOptions::default().max_demand(max).min_demand(min)
}

pub fn single(demand: Demand, arrivals: &Arc<Arrivals>) {
    let producer = producer();
    let consumer = consumer(arrivals, &producer);
    consumer.subscribe(&producer, options(demand)).expect("the demand is valid");
}

pub fn chain(demand: Demand, arrivals: &Arc<Arrivals>) {
    let producer = producer();
    let middle = named("producer-consumer").start_producer_consumer(AddOne);
    for _ in 0..3 {
        let consumer = consumer(arrivals, &producer);
        consumer.subscribe(&middle, options(demand)).expect("the demand is valid");
    }
    middle.subscribe(&producer, options(demand)).expect("the demand is valid");
}
