//! Measures stages against crates that a program may use in their place: `cargo run --release` in this folder. It
//! prints the table that is in the README of `stage`.
//!
//! All send the same events from one task to another, with at most `max` under way.

#[path = "../../benches/stages/by_hand.rs"]
#[expect(dead_code, reason = "the chain is not measured here")]
mod by_hand;
#[path = "../../benches/stages/measure.rs"]
mod measure;
#[path = "../../benches/stages/stages.rs"]
#[expect(dead_code, reason = "the chain is not measured here")]
mod stages;

use std::sync::Arc;

use futures::{StreamExt, future, stream};
use kameo::Actor;
use kameo::actor::Spawn;
use kameo::mailbox;
use kameo::message::{Context, Message};
use pumps::{Concurrency, Pipeline};
use tokio::sync::mpsc;

use measure::{Arrivals, DEMANDS, Demand, Way, rates, runtime};

const WAYS: [(&str, Way); 6] = [
    ("stages", stages::single),
    ("by hand", by_hand::single),
    ("tokio's bounded channel", channel),
    ("`buffer_unordered`", buffer_unordered),
    ("kameo", actor),
    ("pumps", pump),
];

/// A bounded channel, one event at a time.
fn channel(Demand { max, .. }: Demand, arrivals: &Arc<Arrivals>) {
    let arrivals = arrivals.clone();
    let (sender, mut receiver) = mpsc::channel(max);
    tokio::spawn(async move {
        let mut next = 0;
        while sender.send(next).await.is_ok() {
            next += 1;
        }
    });
    tokio::spawn(async move {
        while let Some(event) = receiver.recv().await {
            if !arrivals.add(&[event]) {
                return;
            }
        }
    });
}

/// A stream in one task: nothing goes from one task to another.
fn buffer_unordered(Demand { max, .. }: Demand, arrivals: &Arc<Arrivals>) {
    let arrivals = arrivals.clone();
    let events = stream::iter(0..).map(future::ready).buffer_unordered(max);
    tokio::spawn(async move {
        events
            .take_while(|event| future::ready(arrivals.add(&[*event])))
            .for_each(|_| future::ready(()))
            .await;
    });
}

#[derive(Actor)]
struct Arrive(Arc<Arrivals>);

struct Event(u64);

impl Message<Event> for Arrive {
    type Reply = ();

    async fn handle(&mut self, Event(event): Event, context: &mut Context<Self, ()>) {
        if !self.0.add(&[event]) {
            context.stop();
        }
    }
}

/// An actor with a bounded mailbox.
fn actor(Demand { max, .. }: Demand, arrivals: &Arc<Arrivals>) {
    let actor = Arrive::spawn_with_mailbox(Arrive(arrivals.clone()), mailbox::bounded(max));
    tokio::spawn(async move {
        let mut next = 0;
        while actor.tell(Event(next)).await.is_ok() {
            next += 1;
        }
    });
}

fn pump(Demand { max, .. }: Demand, arrivals: &Arc<Arrivals>) {
    let arrivals = arrivals.clone();
    let (mut events, _) =
        Pipeline::from_iter(0..).map(future::ready, Concurrency::concurrent_unordered(max)).build();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if !arrivals.add(&[event]) {
                return;
            }
        }
    });
}

fn main() {
    let ways = WAYS.map(|(_, way)| way);
    println!("| (max, min) | Threads | {} |", WAYS.map(|(name, _)| name).join(" | "));
    println!("|---|---|{}", "---:|".repeat(WAYS.len()));
    for (threads, word) in [(1, "one"), (2, "two")] {
        let runtime = runtime(threads).expect("a runtime can be built");
        for (demand, events) in DEMANDS {
            // Those that send one event at a time would take a minute for millions.
            let events = events.min(200_000);
            print!("| {demand} | {word} |");
            for (rate, _) in rates(&ways, &runtime, demand, events) {
                print!(" {:.1} |", rate / 1e6);
            }
            println!();
        }
    }
}
