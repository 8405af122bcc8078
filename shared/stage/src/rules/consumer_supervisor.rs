//! Rule 13: a task for each event.

use super::*;

/// A consumer supervisor whose tasks record their event and then wait for a permit. After that, a
/// task panics if its event is 13 or more.
fn supervisor(restart: Restart) -> (Probe<Handle<u32, Infallible, Infallible>, u32>, Gate) {
    let (started, record) = unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let permits = gate.clone();
    let handle = named("S").start_consumer_supervisor(restart, move |event: u32| {
        let (started, permits) = (started.clone(), permits.clone());
        async move {
            let _ = started.send(event);
            permits.acquire().await.unwrap().forget();
            assert!(event < 13, "{event} is bad luck");
        }
    });
    (Probe::new(handle, record), gate)
}

#[tokio::test(start_paused = true)]
async fn rule_13_there_is_a_task_for_each_event_and_never_more_than_max_demand() {
    let (mut a, (mut s, gate)) = (producer(0..12), supervisor(Restart::Temporary));
    s.subscribe(&a, demand(0, 4)).unwrap();
    assert_eq!(s.record().await, [0, 1, 2, 3]);
    assert_eq!(a.record().await, [4]);

    // Three have ended. With min_demand 0, the supervisor asks for more only when the last one has.
    gate.add_permits(3);
    assert!(s.record().await.is_empty());
    gate.add_permits(1);
    assert_eq!(s.record().await, [4, 5, 6, 7]);
    assert_eq!(a.record().await, [4]);
}

#[tokio::test(start_paused = true)]
async fn rule_13_more_is_asked_for_as_tasks_end() {
    let (mut a, (mut s, gate)) = (producer(0..12), supervisor(Restart::Temporary));
    s.subscribe(&a, demand(3, 4)).unwrap();
    assert_eq!(s.record().await, [0, 1, 2, 3]);
    for next in 4..8 {
        gate.add_permits(1);
        assert_eq!(s.record().await, [next]);
    }
    assert_eq!(a.record().await, [4, 1, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn rule_13_a_temporary_task_that_fails_is_given_up() {
    let log = Log::capture();
    let (a, (mut s, gate)) = (producer(13..20), supervisor(Restart::Temporary));
    s.subscribe(&a, demand(0, 1)).unwrap();
    gate.add_permits(5);
    assert_eq!(s.record().await, [13, 14, 15, 16, 17, 18]);
    assert_eq!(end_of(s.stage()).await, None);
    let line = "ERROR a task of S crashed: 13 is bad luck stage=S";
    assert_eq!(log.lines().iter().filter(|it| *it == line).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn rule_13_a_transient_task_that_fails_is_restarted_with_its_event() {
    let (a, (mut s, gate)) = (producer(12..20), supervisor(Restart::Transient));
    s.subscribe(&a, demand(0, 2)).unwrap();
    assert_eq!(s.record().await, [12, 13]);
    gate.add_permits(4);
    // 12 has ended, 13 was restarted three times, and still counts as one event that is not handled.
    assert_eq!(s.record().await, [13, 13, 13]);
    assert_eq!(end_of(s.stage()).await, None);
}

#[tokio::test(start_paused = true)]
async fn rule_13_more_than_3_restarts_in_5_seconds_end_the_supervisor_and_all_its_tasks() {
    let (a, (mut s, gate)) = (producer(13..20), supervisor(Restart::Transient));
    s.subscribe(&a, demand(0, 2)).unwrap();
    assert_eq!(s.record().await, [13, 14]);
    gate.add_permits(3);
    assert_eq!(s.record().await.len(), 3);
    sleep(Duration::from_secs(6)).await;
    // Those restarts were long ago.
    gate.add_permits(3);
    assert_eq!(s.record().await.len(), 3);
    assert_eq!(end_of(s.stage()).await, None);
    gate.add_permits(1);
    settle().await;
    assert_eq!(end_of(s.stage()).await, Some(crashed("S", "its tasks were restarted too often")));
    assert_eq!(gate.available_permits(), 0);
    open(&gate);
    assert!(s.record().await.is_empty(), "the other task was ended");
}

#[tokio::test(start_paused = true)]
async fn rule_13_tasks_outlive_their_producer() {
    let (a, (mut s, gate)) = (producer(0..4), supervisor(Restart::Temporary));
    s.subscribe(&a, demand(0, 4)).unwrap();
    assert_eq!(s.record().await, [0, 1, 2, 3]);
    a.kill();
    assert_eq!(end_of(a.stage()).await, Some(Exit::Killed));
    assert_eq!(end_of(s.stage()).await, None, "its tasks are not done");
    gate.add_permits(4);
    settle().await;
    assert_eq!(
        end_of(s.stage()).await,
        Some(Exit::Killed),
        "for the reason for which its producer ended"
    );
    assert_eq!(gate.available_permits(), 0, "all tasks came to their end");
}

#[tokio::test(start_paused = true)]
async fn rule_13_to_stop_is_to_wait_for_the_tasks() {
    let (a, (mut s, gate)) = (producer(0..8), supervisor(Restart::Temporary));
    s.subscribe(&a, demand(0, 4)).unwrap();
    assert_eq!(s.record().await.len(), 4);
    s.stop();
    assert_eq!(end_of(s.stage()).await, None);
    gate.add_permits(4);
    settle().await;
    assert_eq!(end_of(s.stage()).await, Some(Exit::Normal));
    assert!(s.record().await.is_empty());
}
