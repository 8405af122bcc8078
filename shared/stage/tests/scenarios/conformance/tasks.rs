//! The consumer supervisor.

use std::convert::Infallible;

use stage::CancelMode::Temporary;
use stage::{Handle, Restart};

use crate::*;

type TasksProbe = Probe<Handle<u32, Infallible, Infallible>, u32>;

/// A consumer supervisor whose tasks record their event and then wait for a permit.
fn tasks() -> (TasksProbe, Arc<Semaphore>) {
    let (started, record) = unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let permits = gate.clone();
    let handle = named("S").start_consumer_supervisor(Restart::Transient, move |event: u32| {
        let (started, permits) = (started.clone(), permits.clone());
        // This is the start of the task, not the task yet.
        assert!(event < 13, "{event} is bad luck");
        async move {
            let _ = started.send(event);
            permits.acquire().await.unwrap().forget();
        }
    });
    (Probe::new(handle, record), gate)
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_before_it_begins_has_failed_too() {
    let (a, (mut s, _gate)) = (source(12..14), tasks());
    s.subscribe(&a, demand(0, 2)).unwrap();
    assert_eq!(s.record().await, [12]);
    let reason = crashed("S", "its tasks were restarted too often");
    assert_eq!(end_of(s.stage()).await, Some(reason));
}

#[tokio::test(start_paused = true)]
async fn tasks_outlive_a_producer_and_another_comes() {
    let (a, (mut s, gate)) = (source(0..2), tasks());
    s.subscribe(&a, demand(0, 2).cancel(Temporary)).unwrap();
    assert_eq!(s.record().await, [0, 1]);
    a.kill();
    assert_eq!(end_of(s.stage()).await, None);

    // The limit is that of a subscription, so there are 4 tasks now.
    let mut b = source(2..9);
    s.subscribe(&b, demand(0, 2).cancel(Temporary)).unwrap();
    assert_eq!((s.record().await, b.record().await), (vec![2, 3], vec![2]));
    gate.add_permits(4);
    assert_eq!((s.record().await, b.record().await), (vec![4, 5], vec![2]));
}
