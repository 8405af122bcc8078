//! Events from callers that are no stages, with back-pressure for them.

use std::collections::VecDeque;
use std::convert::Infallible;

use tokio::sync::oneshot;

use super::Producer;
use super::dispatcher::Dispatcher;
use super::handle::{Handle, ProducerHandle};
use super::options::Options;

impl<D> Options<D> {
    /// Starts a producer that has no events of its own: others [call](Handle::call) it with theirs, and wait until a
    /// consumer has asked for them. So its mailbox holds only the calls that wait.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use stage::SubscribeOptions;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let orders = stage::named("Orders").start_feed();
    /// let mut cook = orders.stream(SubscribeOptions::default().max_demand(1))?;
    /// orders.call("soup").await?; // The cook has nothing to do, and has asked for one.
    /// assert_eq!(cook.next().await, Some("soup"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start_feed<T: Send + 'static>(self) -> ProducerHandle<Feed<T>>
    where
        D: Dispatcher<T>,
    {
        self.start_producer(|_| Feed { waiting: VecDeque::new(), asked_for: 0 })
    }
}

impl<T: Send + 'static> Handle<Infallible, T, Call<T>> {
    /// Hands the stage an event, and waits until a consumer has asked for it. Events are taken in the order of the
    /// calls. Dropping the future takes the event back, unless it was taken already.
    ///
    /// A stage that is told to stop takes the events of all calls before, and emits them.
    ///
    /// # Errors
    ///
    /// If the stage has ended before that.
    pub async fn call(&self, event: T) -> Result<(), NotTaken> {
        let (taken, is_taken) = oneshot::channel();
        self.cast(Call { event, taken });
        is_taken.await.map_err(|_| NotTaken(()))
    }
}

/// The stage has ended, and did not take the event of a call.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the stage has ended without taking the event")]
pub struct NotTaken(());

/// A producer of the events that it is called with: see [`Options::start_feed`].
#[derive(Debug)]
pub struct Feed<T> {
    waiting: VecDeque<Call<T>>,
    asked_for: usize,
}

/// An event, and its caller.
#[derive(Debug)]
pub struct Call<T> {
    event: T,
    taken: oneshot::Sender<()>,
}

impl<T> Feed<T> {
    fn take(&mut self, most: usize) -> Vec<T> {
        let mut events = Vec::new();
        while events.len() < most
            && let Some(Call { event, taken }) = self.waiting.pop_front()
        {
            // A caller that waits no longer has taken its event back.
            if taken.send(()).is_ok() {
                events.push(event);
            }
        }
        self.asked_for = self.asked_for.saturating_sub(events.len());
        events
    }
}

impl<T: Send + 'static> Producer for Feed<T> {
    type Event = T;
    type Cast = Call<T>;

    async fn handle_demand(&mut self, demand: usize) -> Vec<T> {
        self.asked_for = self.asked_for.saturating_add(demand);
        self.take(self.asked_for)
    }

    async fn handle_cast(&mut self, call: Call<T>) -> Vec<T> {
        self.waiting.push_back(call);
        self.take(self.asked_for)
    }

    async fn prepare_for_draining(&mut self) -> Vec<T> {
        self.asked_for = usize::MAX;
        self.take(usize::MAX)
    }
}
