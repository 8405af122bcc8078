//! The tests of this exercise. The clock is paused: a wait takes no time, and every run is the same.

use std::time::Duration;

use stage::{Consumer, ProducerHandle, SubscribeOptions};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::Ferry;

/// Shows a passenger the way, which takes a second.
struct Guide(UnboundedSender<u32>);

impl Consumer for Guide {
    type Event = u32;

    async fn handle_events(&mut self, passengers: Vec<u32>) {
        for passenger in passengers {
            sleep(Duration::from_secs(1)).await;
            let _ = self.0.send(passenger);
        }
    }
}

struct Island {
    ferry: ProducerHandle<Ferry>,
    departures: UnboundedReceiver<u32>,
    guided: UnboundedReceiver<u32>,
}

/// An island with a guide that asks for `at_a_time` passengers at a time.
fn island(at_a_time: usize) -> Island {
    let (departs, departures) = unbounded_channel();
    let (sender, guided) = unbounded_channel();
    let ferry = Ferry::start(departs);
    let guide = stage::named("Guide").start_consumer(Guide(sender));
    let options = SubscribeOptions::default().max_demand(at_a_time).min_demand(0);
    guide.subscribe(&ferry, options).unwrap();
    Island { ferry, departures, guided }
}

impl Island {
    /// Stops the ferry after `seconds`, and returns all passengers that were shown the way until it has ended.
    async fn stop_after(&mut self, seconds: u64) -> Vec<u32> {
        sleep(Duration::from_secs(seconds)).await;
        self.ferry.stop();
        let end = timeout(Duration::from_hours(1), self.ferry.stopped()).await;
        assert!(end.expect("the ferry ends within an hour").is_normal());
        let mut guided = Vec::new();
        while let Ok(Some(passenger)) = timeout(Duration::from_hours(1), self.guided.recv()).await {
            guided.push(passenger);
        }
        guided
    }

    fn departures(&mut self) -> usize {
        std::iter::from_fn(|| self.departures.try_recv().ok()).count()
    }
}

#[tokio::test(start_paused = true)]
async fn passengers_on_the_quay_are_handed_on() {
    // The ferry arrives after 5 seconds with 10 passengers, and the guide has asked for 3.
    let mut island = island(3);
    let everybody: Vec<_> = (0..10).collect();
    assert_eq!(island.stop_after(6).await, everybody, "7 of the 10 were on the quay at the stop");
}

#[tokio::test(start_paused = true)]
async fn passengers_on_the_water_are_handed_on() {
    let mut island = island(10);
    let everybody: Vec<_> = (0..10).collect();
    assert_eq!(island.stop_after(2).await, everybody, "all 10 were on the water at the stop");
}

#[tokio::test(start_paused = true)]
async fn passengers_on_the_water_are_handed_on_even_if_fewer_were_asked_for() {
    let mut island = island(3);
    let everybody: Vec<_> = (0..10).collect();
    assert_eq!(island.stop_after(2).await, everybody, "10 were on the water, and 3 asked for");
}

#[tokio::test(start_paused = true)]
async fn no_ferry_leaves_after_the_stop() {
    // The guide has asked for as many as two ferries carry.
    let mut island = island(20);
    let everybody: Vec<_> = (0..10).collect();
    assert_eq!(island.stop_after(2).await, everybody, "the first ferry had left, with 10");
    assert_eq!(island.departures(), 1, "so many ferries have left");
}
