//! The tests of this exercise. The clock is paused: a wait takes no time, and every run is the same.

use std::time::Duration;

use stage::{Consumer, Producer, ProducerConsumer, ProducerHandle, Supervisor};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::start_line;

/// The sheets 0, 1, 2 and so on.
struct Sheets {
    next: u32,
    end: u32,
}

impl Producer for Sheets {
    type Event = u32;
    type Cast = std::convert::Infallible;

    async fn handle_demand(&mut self, demand: usize) -> Vec<u32> {
        let sheets: Vec<_> = (self.next..self.end).take(demand).collect();
        self.next += u32::try_from(sheets.len()).unwrap();
        sheets
    }
}

fn sheets() -> ProducerHandle<Sheets> {
    stage::named("Sheets").start_producer(|_me| Sheets { next: 0, end: 8 })
}

/// Cuts a piece of each sheet, and crashes with this one.
struct Cutter(Option<u32>);

impl ProducerConsumer for Cutter {
    type Input = u32;
    type Event = String;

    async fn handle_events(&mut self, sheets: Vec<u32>) -> Vec<String> {
        sleep(Duration::from_secs(1)).await;
        let cut = |sheet| {
            assert_ne!(Some(sheet), self.0, "this crash of the cutter belongs to the test");
            format!("piece {sheet}")
        };
        sheets.into_iter().map(cut).collect()
    }
}

/// Packs each piece, and crashes with this one.
struct Packer(UnboundedSender<String>, Option<&'static str>);

impl Consumer for Packer {
    type Event = String;

    async fn handle_events(&mut self, pieces: Vec<String>) {
        for piece in pieces {
            assert_ne!(Some(&*piece), self.1, "this crash of the packer belongs to the test");
            let _ = self.0.send(piece);
        }
    }
}

/// A line that crashes with this sheet, or this piece.
fn line(
    supervisor: &mut Supervisor,
    name: &'static str,
    sheets: &ProducerHandle<Sheets>,
    (sheet, piece): (Option<u32>, Option<&'static str>),
) -> UnboundedReceiver<String> {
    let (sender, pieces) = unbounded_channel();
    let (cutter, packer) = (move || Cutter(sheet), move || Packer(sender.clone(), piece));
    start_line::<Sheets, _, _>(supervisor, name, sheets, cutter, packer);
    pieces
}

/// The numbers of all pieces that are packed, until nothing is for an hour.
async fn all(packed: &mut UnboundedReceiver<String>) -> Vec<String> {
    let mut pieces = Vec::new();
    while let Ok(Some(piece)) = timeout(Duration::from_hours(1), packed.recv()).await {
        pieces.push(piece.replace("piece ", ""));
    }
    pieces
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_of_the_cutter_the_next_sheets_are_cut_and_packed() {
    let mut supervisor = Supervisor::default();
    let mut packed = line(&mut supervisor, "Line", &sheets(), (Some(3), None));
    assert_eq!(all(&mut packed).await, ["0", "1", "2", "4", "5", "6", "7"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_of_the_packer_the_next_sheets_are_cut_and_packed() {
    let mut supervisor = Supervisor::default();
    let mut packed = line(&mut supervisor, "Line", &sheets(), (None, Some("piece 3")));
    let packed = all(&mut packed).await;
    // The sheet that the cutter is cutting at that time is lost too.
    assert_eq!(packed[..3], ["0", "1", "2"]);
    assert_eq!(packed.last().map(String::as_str), Some("7"), "it goes on after 3: {packed:?}");
}

#[tokio::test(start_paused = true)]
async fn another_line_does_not_notice() {
    let mut supervisor = Supervisor::default();
    let mut good = line(&mut supervisor, "Good", &sheets(), (None, None));
    let mut bad = line(&mut supervisor, "Bad", &sheets(), (Some(3), None));
    assert_eq!(all(&mut good).await.len(), 8, "so many of 8 are packed by the good line");
    assert_eq!(all(&mut bad).await.len(), 7, "so many of 8 are packed by the line with the crash");
    let restarts: Vec<_> = supervisor.groups().iter().map(|group| group.restarts).collect();
    assert_eq!(restarts, [0, 1], "restarts of the two lines");
}

#[tokio::test(start_paused = true)]
async fn when_there_are_no_more_sheets_the_line_ends_in_order() {
    let (mut supervisor, sheets) = (Supervisor::default(), sheets());
    let mut packed = line(&mut supervisor, "Line", &sheets, (None, None));
    assert_eq!(all(&mut packed).await.len(), 8, "so many of 8 are packed");
    sheets.stop();
    let ended = timeout(Duration::from_hours(1), supervisor.stopped()).await;
    assert!(ended.expect("the line ends with its sheets").is_ok());
}
