//! Calls by tasks that are no stages.

use std::time::Duration;

use tokio::time::timeout;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_caller_waits_until_its_event_is_asked_for() {
    let a = named("A").start_feed::<u32>();
    let (mut c, gate) = held_consumer("C");
    c.subscribe(&a, demand(0, 1)).unwrap();
    a.call(0).await.unwrap();
    let second = tokio::spawn({
        let a = a.clone();
        async move { a.call(1).await }
    });
    assert_eq!(c.record().await, [[0]]);
    assert!(!second.is_finished());
    gate.add_permits(1);
    assert_eq!(c.record().await, [[1]]);
    second.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_waits_no_longer_takes_its_event_back() {
    let a = named("A").start_feed::<u32>();
    let mut c = consumer("C");
    assert!(timeout(Duration::from_secs(1), a.call(0)).await.is_err());
    let call = tokio::spawn({
        let a = a.clone();
        async move { a.call(1).await }
    });
    settle().await;
    c.subscribe(&a, demand(0, 10)).unwrap();
    assert_eq!(c.record().await, [[1]]);
    call.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn at_a_stop_all_calls_before_are_taken_and_none_after_it() {
    let a = named("A").start_feed::<u32>();
    let (mut c, gate) = held_consumer("C");
    c.subscribe(&a, demand(0, 1)).unwrap();
    let calls: Vec<_> = (0..3)
        .map(|event| {
            let a = a.clone();
            tokio::spawn(async move { a.call(event).await })
        })
        .collect();
    settle().await;
    a.stop();
    open(&gate);
    assert_eq!(c.record().await.concat(), [0, 1, 2]);
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(()));
    }
    assert_eq!(a.stopped().await, Exit::Normal);
    assert!(a.call(3).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_is_killed_tells_its_callers() {
    let a = named("A").start_feed::<u32>();
    let call = tokio::spawn({
        let a = a.clone();
        async move { a.call(1).await }
    });
    settle().await;
    a.kill();
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the stage has ended without taking the event");
}
