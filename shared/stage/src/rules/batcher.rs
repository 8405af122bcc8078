//! Batches by number and by time.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;

use super::*;

const LONGEST: Duration = Duration::from_secs(1);

fn batches(a: &ProducerProbe, size: usize) -> (EventStream<Vec<u32>>, StageRef) {
    let b = named("B").start_batcher(size, LONGEST);
    b.subscribe(a, demand(0, 2)).unwrap();
    (b.stream(SubscribeOptions::default().max_demand(1)).unwrap(), b.stage())
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_full_whatever_the_demand_is() {
    let a = producer(0..6);
    let (mut batches, _) = batches(&a, 3);
    let start = Instant::now();
    assert_eq!(batches.next().await, Some(vec![0, 1, 2]));
    assert_eq!(batches.next().await, Some(vec![3, 4, 5]));
    assert!(start.elapsed() < LONGEST);
}

#[tokio::test(start_paused = true)]
async fn the_first_event_of_a_batch_waits_no_longer_than_that() {
    let a = producer(0..0);
    let (mut batches, _) = batches(&a, 3);
    settle().await;
    let start = Instant::now();
    a.emit(0..1).await;
    sleep(LONGEST / 2).await;
    a.emit(1..2).await;
    assert_eq!(batches.next().await, Some(vec![0, 1]));
    assert_eq!(start.elapsed(), LONGEST);

    // A full batch stops the timer: the next one has its own.
    a.emit(2..4).await;
    sleep(LONGEST / 2).await;
    a.emit(4..6).await;
    let start = Instant::now() - MOMENT;
    assert_eq!(batches.next().await, Some(vec![2, 3, 4]));
    assert_eq!(batches.next().await, Some(vec![5]));
    assert_eq!(start.elapsed(), LONGEST);
}

#[tokio::test(start_paused = true)]
async fn the_rest_comes_at_the_end() {
    let a = producer(0..0);
    let (batches, stage) = batches(&a, 3);
    settle().await;
    a.emit(0..1).await;
    a.stop();
    assert_eq!(batches.collect::<Vec<_>>().await, [vec![0, LAST]]);
    assert_eq!(stage.stopped().await, Exit::Normal);
    assert_eq!(stage.lost(), 0);
}

#[tokio::test(start_paused = true)]
async fn while_nobody_wants_a_batch_no_more_than_one_is_made() {
    let mut a = producer(0..100);
    let b = named("B").start_batcher(3, LONGEST);
    b.subscribe(&a, demand(0, 2)).unwrap();
    sleep(10 * LONGEST).await;
    assert_eq!(a.record().await, [2], "it has not begun with the first two");
    assert_eq!(b.buffered().await, 0);
}
