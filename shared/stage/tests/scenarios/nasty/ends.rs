//! A stage that has ended, in any way, has given back everything.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, mpsc};

use futures_util::FutureExt;
use stage::CancelMode::Temporary;
use stage::{Handle, Supervisor};
use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;

use crate::*;

/// A producer without events.
struct Silent;

impl Producer for Silent {
    type Event = u32;
    type Cast = Infallible;

    async fn handle_demand(&mut self, _demand: usize) -> Vec<u32> {
        Vec::new()
    }
}

/// A producer that takes its time as it is dropped.
struct Reluctant {
    begins: mpsc::Sender<()>,
    may_end: mpsc::Receiver<()>,
}

impl Drop for Reluctant {
    fn drop(&mut self) {
        self.begins.send(()).unwrap();
        self.may_end.recv().unwrap();
    }
}

impl Producer for Reluctant {
    type Event = u32;
    type Cast = ();

    async fn handle_demand(&mut self, _demand: usize) -> Vec<u32> {
        Vec::new()
    }

    async fn handle_cast(&mut self, (): ()) -> Vec<u32> {
        panic!("out of order")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_has_stopped_only_when_it_is_dropped() {
    let end: [fn(&ProducerHandle<Reluctant>); 3] = [|a| a.stop(), |a| a.cast(()), |a| a.kill()];
    for end in end {
        let ((begins, begun), (may_end, allowed)) = (mpsc::channel(), mpsc::channel());
        let a = named("A").start_producer(|_| Reluctant { begins, may_end: allowed });
        end(&a);
        spawn_blocking(move || begun.recv_timeout(LONG)).await.unwrap().unwrap();
        assert_eq!(a.stopped().now_or_never(), None, "it is not dropped yet");
        may_end.send(()).unwrap();
        soon(a.stopped()).await;
    }
}

struct Listener(TcpListener);

impl Producer for Listener {
    type Event = u32;
    type Cast = ();

    async fn handle_demand(&mut self, _demand: usize) -> Vec<u32> {
        Vec::new()
    }

    async fn handle_cast(&mut self, (): ()) -> Vec<u32> {
        panic!("lost {:?}", self.0)
    }
}

/// If the supervisor were too early, the address would still be in use, and it would give up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_starts_a_group_again_when_its_port_is_free() {
    let mut supervisor = Supervisor::with_intensity(30, Duration::from_hours(1));
    let (starts, mut started) = unbounded_channel();
    let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
    supervisor.start_group("Listener", move || {
        let listener = TcpListener::bind(address)?;
        address = listener.local_addr()?;
        let a = named("A").start_producer(|_| Listener(listener));
        let _ = starts.send(a.clone());
        Ok::<_, io::Error>(vec![a.stage()])
    });
    for _ in 0..30 {
        soon(started.recv()).await.unwrap().cast(());
    }
    assert!(soon(started.recv()).await.is_some());
    assert_eq!(supervisor.groups()[0].restarts, 30);
}

/// A message that panics as it is dropped.
struct Poison;

impl Drop for Poison {
    fn drop(&mut self) {
        panic!("poison");
    }
}

/// A producer that is held in its first cast.
struct Held(Arc<Semaphore>);

impl Producer for Held {
    type Event = u32;
    type Cast = Option<Poison>;

    async fn handle_demand(&mut self, _demand: usize) -> Vec<u32> {
        Vec::new()
    }

    async fn handle_cast(&mut self, message: Option<Poison>) -> Vec<u32> {
        std::mem::forget(message);
        self.0.add_permits(1);
        pending().await
    }
}

#[tokio::test]
async fn a_message_that_panics_as_it_is_dropped_keeps_no_consumer_waiting() {
    let is_held = Arc::new(Semaphore::new(0));
    let a = named("A").start_producer(|_| Held(is_held.clone()));
    let (permanent, temporary) = (sink("C"), sink("D"));
    permanent.subscribe(&a, demand(0, 1)).unwrap();
    temporary.subscribe(&a, demand(0, 1).cancel(Temporary)).unwrap();
    a.cast(None);
    soon(is_held.acquire()).await.unwrap().forget();
    a.cast(Some(Poison));
    let late = sink("E");
    late.subscribe(&a, demand(0, 1)).unwrap();
    late.buffered().await; // By now it has subscribed.

    a.kill();
    assert_eq!(soon(a.stopped()).await, Exit::Killed);
    assert_eq!(soon(permanent.stopped()).await, Exit::Killed);
    assert_eq!(soon(late.stopped()).await, Exit::Killed);
    temporary.stop();
    assert_eq!(soon(temporary.stopped()).await, Exit::Normal);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_ends_before_its_stage_does() {
    struct Blocker(mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>);

    impl Consumer for Blocker {
        type Event = u32;

        async fn handle_events(&mut self, _events: Vec<u32>) {
            self.0.send(()).unwrap();
            let _ = self.1.lock().unwrap().recv();
        }
    }

    let ((begins, begun), (may_end, allowed)) = (mpsc::channel(), mpsc::channel());
    let (a, c) = (source(0..1), named("C").start_consumer(Blocker(begins, allowed.into())));
    c.subscribe(&a, demand(0, 1)).unwrap();
    spawn_blocking(move || begun.recv_timeout(LONG)).await.unwrap().unwrap();
    c.kill();
    assert_eq!(c.stopped().now_or_never(), None);
    may_end.send(()).unwrap();
    assert_eq!(soon(c.stopped()).await, Exit::Killed);
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap()
}

#[test]
fn a_stage_ends_with_its_runtime_and_handles_still_work_in_another() {
    let (one, other) = (runtime(), runtime());
    let (a, c) = one.block_on(async { (source(0..0), sink("C")) });
    // A stage of one runtime can subscribe to a stage of the other.
    let mut d = other.block_on(async { sink("D") });
    d.subscribe(&a, demand(0, 10).cancel(Temporary)).unwrap();
    a.cast(Order::Emit((0..3).collect()));
    assert_eq!(other.block_on(soon(d.next())), Some(vec![0, 1, 2]));

    drop(one);
    other.block_on(async {
        assert_eq!(soon(a.stopped()).await, Exit::Killed);
        assert_eq!(a.buffered().await, 0);
        a.cast(Order::Panic);
        a.stop();
        c.subscribe(&a, demand(0, 10)).unwrap();
        assert_eq!(soon(c.stopped()).await, Exit::Killed);
        assert_eq!(d.stopped().now_or_never(), None);
        d.stop();
        assert_eq!(soon(d.stopped()).await, Exit::Normal);
    });
}

#[tokio::test(start_paused = true)]
async fn a_producer_can_be_killed_or_stopped_or_panic_while_it_is_made() {
    let make = |then: fn(&ProducerHandle<Silent>)| {
        named("A").start_producer(|me| {
            then(me);
            Silent
        })
    };
    assert_eq!(end_of(make(Handle::kill).stage()).await, Some(Exit::Killed));
    assert_eq!(end_of(make(Handle::stop).stage()).await, Some(Exit::Normal));

    let escaped = Mutex::new(None);
    let start = || {
        named("A").start_producer(|me| -> Silent {
            *escaped.lock().unwrap() = Some(me.clone());
            panic!("out of order");
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(start)).is_err());
    let a = escaped.into_inner().unwrap().unwrap();
    assert_eq!(end_of(a.stage()).await, Some(Exit::Killed));
}

struct Batches(UnboundedSender<Vec<u32>>);

impl Consumer for Batches {
    type Event = u32;

    async fn handle_events(&mut self, events: Vec<u32>) {
        self.0.send(events).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_without_a_handle_runs_on() {
    let mut c = {
        let (batches, record) = unbounded_channel();
        let c = named("C").start_consumer(Batches(batches));
        c.subscribe(&source(0..3), demand(0, 2)).unwrap();
        Probe::new((), record)
    };
    assert_eq!(c.record().await, [vec![0, 1], vec![2]]);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_of_stopped_or_stopped_within_changes_nothing() {
    let c = sink("C");
    assert!(timeout(MOMENT, c.stopped()).await.is_err());
    assert!(timeout(MOMENT, c.stopped_within(2 * MOMENT)).await.is_err());
    sleep(10 * MOMENT).await;
    assert_eq!(end_of(c.stage()).await, None);
}

#[tokio::test]
async fn a_handle_and_a_supervisor_can_be_printed() {
    let a = source(0..0);
    let mut supervisor = Supervisor::default();
    supervisor.start_group("One", || Ok::<_, Infallible>(vec![]));
    assert_eq!(format!("{a:?}"), r#"Probe(Handle("A"))"#);
    assert!(format!("{supervisor:?}").contains("One"));
}

/// The listing of the public API does not show this, and losing it would break programs.
#[test]
fn all_that_is_public_can_be_sent_and_shared_between_threads() {
    fn is<T: Send + Sync + 'static>() {}
    is::<stage::Handle<u32, u32, u32>>();
    is::<stage::StageRef>();
    is::<Supervisor>();
    is::<stage::Options>();
    is::<stage::SubscribeOptions>();
    is::<stage::EventStream<u32>>();
    is::<stage::Topology>();
    is::<stage::StageFailed>();
    is::<stage::TooManyRestarts>();
    is::<stage::NotTaken>();
    is::<Source<u32>>();
}
