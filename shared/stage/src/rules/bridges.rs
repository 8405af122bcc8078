//! Streams and sinks at the ends of a line of stages.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::mpsc::unbounded_channel;

use super::*;

/// A stream that counts how many items were read from it.
fn counted(most: usize) -> (impl futures_util::Stream<Item = usize> + Send, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let counter = read.clone();
    let items = stream::iter(0..most).inspect(move |_| {
        counter.fetch_add(1, Relaxed);
    });
    (items, read)
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_read_as_far_as_is_asked_for() {
    let (items, read) = counted(10_000);
    let a = named("A").start_stream(items);
    settle().await;
    assert_eq!(read.load(Relaxed), 0);
    let mut events = a.stream(SubscribeOptions::default().max_demand(4)).unwrap();
    settle().await;
    assert_eq!(read.load(Relaxed), 4);
    assert_eq!(events.next().await, Some(0));
    settle().await;
    assert_eq!(read.load(Relaxed), 4, "a chunk of two is not polled yet");
    assert_eq!(events.next().await, Some(1));
    settle().await;
    assert_eq!(read.load(Relaxed), 6);
    assert_eq!(events.count().await, 10_000 - 2);
    assert_eq!(a.stopped().await, Exit::Normal);
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_together_stays_together() {
    let mut c = consumer("C");
    let a = named("A").start_stream(stream::iter(0..7_u32));
    c.subscribe(&a, demand(0, 5)).unwrap();
    assert_eq!(c.record().await, [vec![0, 1, 2, 3, 4], vec![5, 6]]);
    assert_eq!(c.stopped().await, Exit::Normal);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_was_read_when_the_stage_is_stopped_is_delivered() {
    let (items, received) = unbounded_channel();
    let read = Arc::new(AtomicUsize::new(0));
    let counter = read.clone();
    let stream = stream::unfold(received, async |mut received: UnboundedReceiver<u32>| {
        received.recv().await.map(|item| (item, received))
    });
    let stream = stream.inspect(move |_| {
        counter.fetch_add(1, Relaxed);
    });
    let mut c = consumer("C");
    let a = named("A").start_stream(stream);
    c.subscribe(&a, demand(0, 5)).unwrap();
    settle().await;
    items.send(7).unwrap();
    a.stop();
    assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
    assert_eq!(read.load(Relaxed), 1, "the reader has its turn before the stage hears of the stop");
    assert_eq!(c.record().await, [[7]]);
    assert_eq!(a.stage().lost(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_panics_ends_the_stage_and_its_consumer() {
    let _log = Log::capture();
    let a = named("A").start_stream(stream::iter(0..3_u32).inspect(|item| assert_ne!(*item, 2)));
    let events = a.stream(SubscribeOptions::default()).unwrap();
    let consumer = events.stage();
    events.count().await;
    assert_eq!(consumer.stopped().await, Exit::Killed);
}

#[tokio::test(start_paused = true)]
async fn streams_of_a_stage_share_its_events_and_one_that_is_dropped_leaves_them_to_the_others() {
    let (mut a, two) = (producer(0..0), SubscribeOptions::default().max_demand(2).min_demand(0));
    let (dropped, mut other) = (a.stream(two).unwrap(), a.stream(two).unwrap());
    assert_eq!(a.record().await, [2, 2]);
    let consumer = dropped.stage();
    drop(dropped);
    assert_eq!(end_of(consumer).await, Some(Exit::Normal));
    a.emit(0..2).await;
    assert_eq!(other.next().await, Some(0));
    assert_eq!(other.next().await, Some(1));
    assert_eq!(end_of(a.stage()).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_with_events_in_it_ends_too() {
    let a = producer(0..100);
    let mut events = a.stream(SubscribeOptions::default().max_demand(10)).unwrap();
    assert_eq!(events.next().await, Some(0));
    let consumer = events.stage();
    drop(events);
    assert_eq!(end_of(consumer).await, Some(Exit::Normal));
}

/// A record of all that was written, flushed and closed.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<String>>>);

impl Written {
    fn sink(
        &self,
        room: Gate,
    ) -> impl futures_sink::Sink<u32, Error = &'static str> + Send + use<> {
        let written = self.clone();
        Recording { written, room, closed: false }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Recording {
    written: Written,
    room: Gate,
    closed: bool,
}

impl futures_sink::Sink<u32> for Recording {
    type Error = &'static str;

    fn poll_ready(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), &'static str>> {
        use std::task::Poll;
        match self.room.clone().acquire_owned().now_or_never() {
            Some(Ok(permit)) => {
                permit.forget();
                Poll::Ready(Ok(()))
            }
            Some(Err(_)) => Poll::Ready(Err("no room")),
            None => {
                let (waker, room) = (cx.waker().clone(), self.room.clone());
                tokio::spawn(async move {
                    if let Ok(permit) = room.acquire().await {
                        drop(permit);
                    }
                    waker.wake();
                });
                Poll::Pending
            }
        }
    }

    fn start_send(self: std::pin::Pin<&mut Self>, item: u32) -> Result<(), &'static str> {
        self.written.0.lock().unwrap().push(item.to_string());
        Ok(())
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), &'static str>> {
        self.written.0.lock().unwrap().push("flush".into());
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_close(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), &'static str>> {
        assert!(!std::mem::replace(&mut self.closed, true));
        self.written.0.lock().unwrap().push("close".into());
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_sets_the_pace_and_is_flushed_and_closed() {
    let (mut a, written, room) =
        (producer(0..100), Written::default(), Gate::new(Semaphore::new(1)));
    let c = named("C").start_sink(written.sink(room.clone()));
    c.subscribe(&a, demand(0, 2)).unwrap();
    assert_eq!(a.record().await, [2]);
    assert_eq!(written.take(), ["0"]);
    room.add_permits(1);
    assert_eq!(a.record().await, [2]);
    assert_eq!(written.take(), ["1", "flush"]);
    room.add_permits(100);
    a.stop();
    assert_eq!(c.stopped().await, Exit::Normal);
    let all = written.take();
    assert_eq!(all.last().unwrap(), "close");
    assert!(all.contains(&LAST.to_string()));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_fails_crashes_the_stage() {
    let (a, written, room) = (producer(0..100), Written::default(), Gate::new(Semaphore::new(1)));
    let c = named("C").start_sink(written.sink(room.clone()));
    c.subscribe(&a, demand(0, 2)).unwrap();
    settle().await;
    room.close();
    assert_eq!(end_of(c.stage()).await, Some(crashed("C", "the sink failed: no room")));
    assert_eq!(end_of(a.stage()).await, None);
}
