//! A ferry, which loses passengers when it is told to stop.

use std::collections::VecDeque;
use std::time::Duration;

use stage::{Producer, ProducerHandle};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Brings passengers, ten at a time.
pub struct Ferry {
    me: ProducerHandle<Self>,
    /// The passengers on the quay, whom no guide has asked for.
    quay: VecDeque<u32>,
    /// How many were asked for and not emitted yet.
    owed: usize,
    /// The ferry that has left and not arrived.
    boat: Option<JoinHandle<()>>,
    /// The number of the next passenger.
    next: u32,
    /// Tells of each ferry that leaves.
    departures: UnboundedSender<u32>,
}

impl Ferry {
    /// Starts the ferry, which tells `departures` the number of its first passenger each time it leaves.
    pub fn start(departures: UnboundedSender<u32>) -> ProducerHandle<Self> {
        stage::named("Ferry").start_producer(|me| Self {
            me: me.clone(),
            quay: VecDeque::new(),
            owed: 0,
            boat: None,
            next: 0,
            departures,
        })
    }

    fn emit(&mut self) -> Vec<u32> {
        let count = self.owed.min(self.quay.len());
        self.owed -= count;
        if self.owed > 0 && self.boat.is_none() {
            self.leave();
        }
        self.quay.drain(..count).collect()
    }

    fn leave(&mut self) {
        let _ = self.departures.send(self.next);
        let passengers = (self.next..self.next + 10).collect();
        self.next += 10;
        let me = self.me.clone();
        self.boat = Some(self.me.spawn(async move {
            sleep(Duration::from_secs(5)).await;
            me.cast(passengers);
        }));
    }
}

impl Producer for Ferry {
    type Event = u32;
    /// The passengers of a ferry that has arrived.
    type Cast = Vec<u32>;

    async fn handle_demand(&mut self, demand: usize) -> Vec<u32> {
        self.owed = self.owed.saturating_add(demand);
        self.emit()
    }

    async fn handle_cast(&mut self, passengers: Vec<u32>) -> Vec<u32> {
        self.boat = None;
        self.quay.extend(passengers);
        self.emit()
    }
}

#[cfg(test)]
mod tests;
