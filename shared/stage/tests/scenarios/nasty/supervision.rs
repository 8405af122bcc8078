//! Supervisors, and tasks that do not end.

use std::convert::Infallible;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, mpsc};

use stage::{InvalidDemand, Restart, Supervisor};
use tokio::task::spawn_blocking;

use crate::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_consumer_supervisor_has_stopped_when_its_tasks_have() {
    let ((begins, begun), (may_end, allowed)) = (mpsc::channel(), mpsc::channel());
    let (begins, allowed) = (Mutex::new(begins), Arc::new(Mutex::new(allowed)));
    let has_ended = Arc::new(AtomicBool::new(false));
    let ends = has_ended.clone();
    let s = named("S").start_consumer_supervisor(Restart::Temporary, move |_: u32| {
        let (allowed, ends) = (allowed.clone(), ends.clone());
        begins.lock().unwrap().send(()).unwrap();
        async move {
            // The task cannot be interrupted here.
            let _ = allowed.lock().unwrap().recv();
            ends.store(true, SeqCst);
        }
    });
    let a = source(0..1);
    s.subscribe(&a, demand(0, 1)).unwrap();
    spawn_blocking(move || begun.recv_timeout(LONG)).await.unwrap().unwrap();
    s.kill();
    assert!(timeout(20 * MOMENT, s.stopped()).await.is_err(), "the task still runs");
    may_end.send(()).unwrap();
    assert_eq!(soon(s.stopped()).await, Exit::Killed);
    assert!(has_ended.load(SeqCst));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_supervisor_that_gives_up_while_it_drains_waits_for_no_task() {
    let gate = Arc::new(Semaphore::new(0));
    let permits = gate.clone();
    let s = named("S").start_consumer_supervisor(Restart::Transient, move |event: u32| {
        let permits = permits.clone();
        async move {
            permits.acquire().await.unwrap().forget();
            assert_ne!(event, 1, "bad luck");
            pending::<()>().await;
        }
    });
    let a = source(0..2);
    s.subscribe(&a, demand(0, 2)).unwrap();
    settle().await;
    s.stop();
    assert_eq!(end_of(s.stage()).await, None);
    gate.add_permits(5);
    let reason = crashed("S", "its tasks were restarted too often");
    assert_eq!(end_of(s.stage()).await, Some(reason));
}

/// A `?` between the start of two groups does this.
#[tokio::test(start_paused = true)]
async fn a_supervisor_that_is_dropped_at_once_kills_its_stages() {
    for has_run in [false, true] {
        let a = source(0..0);
        let stage = a.stage();
        let mut supervisor = Supervisor::default();
        supervisor.start_group("One", move || Ok::<_, Infallible>(vec![stage.clone()]));
        if has_run {
            settle().await;
        }
        drop(supervisor);
        assert_eq!(end_of(a.stage()).await, Some(Exit::Killed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_panics_fails_like_any_other_and_is_tried_again() {
    let (starts, record) = unbounded_channel();
    let mut started = Probe::new((), record);
    let mut supervisor = Supervisor::default();
    let mut count = 0;
    supervisor.start_group("One", move || {
        count += 1;
        assert_ne!(count, 2, "bad luck");
        let a = source(0..0);
        let stage = a.stage();
        let _ = starts.send(a);
        Ok::<_, Infallible>(vec![stage])
    });
    started.record().await[0].cast(Order::Panic);
    let again = started.record().await;
    assert_eq!((again.len(), supervisor.groups()[0].restarts), (1, 2));
    let reason = supervisor.groups()[0].last_failure.clone().unwrap();
    assert!(reason.starts_with("it cannot start: it panicked: "), "{reason}");
    assert_eq!(end_of(again[0].stage()).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_halfway_kills_what_it_has_started() {
    let a = source(0..0);
    let (starts, mut started) = unbounded_channel();
    let mut supervisor = Supervisor::default();
    let producer = (*a).clone();
    supervisor.start_group("One", move || {
        let c = sink("C");
        let _ = starts.send(c.stage());
        // This makes no sense, so the group cannot start.
        let subscribed = c.subscribe(&producer, demand(1, 1));
        subscribed.inspect_err(|_| c.kill())?;
        Ok::<_, InvalidDemand>(vec![c.stage()])
    });
    assert!(soon(supervisor.stopped()).await.is_err());
    for _ in 0..4 {
        assert_eq!(end_of(started.recv().await.unwrap()).await, Some(Exit::Killed));
    }
}
