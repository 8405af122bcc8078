//! The tests of this exercise. The clock is paused: a wait takes no time, and every run is the same.

use std::time::Duration;

use stage::{Consumer, ConsumerHandle, Producer, ProducerHandle, SubscribeOptions};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::{Patient, open};

/// A room with this many patients.
struct Room {
    name: &'static str,
    patients: usize,
}

impl Producer for Room {
    type Event = Patient;
    type Cast = std::convert::Infallible;

    async fn handle_demand(&mut self, demand: usize) -> Vec<Patient> {
        let count = demand.min(self.patients);
        self.patients -= count;
        (0..count).map(|_| Patient { room: self.name }).collect()
    }
}

fn room(name: &'static str, patients: usize) -> ProducerHandle<Room> {
    stage::named(name).start_producer(|_me| Room { name, patients })
}

/// Takes ten minutes for each patient.
struct Doctor(UnboundedSender<&'static str>);

impl Consumer for Doctor {
    type Event = Patient;

    async fn handle_events(&mut self, patients: Vec<Patient>) {
        for patient in patients {
            sleep(Duration::from_mins(10)).await;
            let _ = self.0.send(patient.room);
        }
    }
}

fn doctor() -> (ConsumerHandle<Doctor>, UnboundedReceiver<&'static str>) {
    let (sender, rooms) = unbounded_channel();
    (stage::named("Doctor").start_consumer(Doctor(sender)), rooms)
}

/// The rooms of the next patients, or of as many of them as come within a day.
async fn next(rooms: &mut UnboundedReceiver<&'static str>, count: usize) -> Vec<&'static str> {
    let mut seen = Vec::new();
    while seen.len() < count {
        match timeout(Duration::from_hours(24), rooms.recv()).await {
            Ok(Some(room)) => seen.push(room),
            _ => break,
        }
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_behind_more_than_two_patients_of_the_other_room() {
    let ((doctor, mut seen), rooms) = (doctor(), [room("full", 5000), room("quiet", 5)]);
    open::<Doctor, Room>(&doctor, &rooms).unwrap();
    let seen = next(&mut seen, 15).await;
    let quiet: Vec<_> = (0..seen.len()).filter(|place| seen[*place] == "quiet").collect();
    assert_eq!(quiet.len(), 5, "so many of the quiet room are among the first 15: {seen:?}");
    for (number, place) in quiet.iter().enumerate() {
        assert!(place - number <= 2 * (number + 1), "too many are seen before them: {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn when_a_room_is_closed_the_doctor_goes_on_with_the_other_one() {
    let ((doctor, mut seen), rooms) = (doctor(), [room("full", 5000), room("quiet", 5)]);
    open::<Doctor, Room>(&doctor, &rooms).unwrap();
    next(&mut seen, 2).await;
    rooms[1].stop();
    let exit = timeout(Duration::from_hours(240), rooms[1].stopped()).await;
    assert!(exit.expect("the room is closed").is_normal());
    assert_eq!(
        next(&mut seen, 20).await.len(),
        20,
        "so many were seen after that, and 20 could be"
    );
}

#[tokio::test(start_paused = true)]
async fn the_doctor_does_not_ask_for_more_than_can_be_seen() {
    let ((doctor, mut seen), rooms) = (doctor(), [room("full", 5000), room("quiet", 5)]);
    open::<Doctor, Room>(&doctor, &rooms).unwrap();
    assert_eq!(next(&mut seen, 1).await.len(), 1);
    // Another doctor comes to help, and finds patients in the quiet room.
    let (second, mut others) = self::doctor();
    second.subscribe(&rooms[1], SubscribeOptions::default().max_demand(1)).unwrap();
    assert_eq!(next(&mut others, 1).await, ["quiet"]);
}
