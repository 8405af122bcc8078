//! The subscriptions of a stage that consumes, and the events that have come on them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::vec;

use tracing::error;

use crate::buffer::take_next;
use crate::message::{Mark, SubscriptionId};
use crate::subscription::Subscription;

pub(super) struct Subscriptions<T> {
    /// The name of the stage.
    stage: Arc<str>,
    pub(super) all: Vec<Subscription<T>>,
    /// The messages that the stage has not begun to handle. Those of a producer-consumer wait until a
    /// consumer wants the events that will be made from them.
    waiting: VecDeque<Waiting<T>>,
    current: Option<Current<T>>,
}

enum Waiting<T> {
    Events {
        id: SubscriptionId,
        events: Vec<T>,
        /// The most events that the stage is handed at once, even if the subscription has ended by
        /// then.
        chunk: usize,
    },
    /// It is dropped when all events before it are handled.
    Mark { _until_dropped: Mark },
}

/// The message that is being handled.
struct Current<T> {
    id: SubscriptionId,
    /// The events that the stage has not been handed yet.
    rest: vec::IntoIter<T>,
    chunk: usize,
    /// How many of them the stage asked for.
    asked_for: usize,
}

/// The events that the stage is handed at once.
pub(super) struct Chunk<T> {
    pub(super) id: SubscriptionId,
    pub(super) events: Vec<T>,
    /// How many of the events the stage asked for. It never asked for the excess, so handling that is no
    /// reason to ask for more.
    pub(super) asked_for: usize,
}

impl<T> Subscriptions<T> {
    pub(super) fn of(stage: Arc<str>) -> Self {
        Self { stage, all: Vec::new(), waiting: VecDeque::new(), current: None }
    }

    pub(super) fn remove(&mut self, id: SubscriptionId) -> Option<Subscription<T>> {
        let index = self.all.iter().position(|it| it.id == id)?;
        Some(self.all.remove(index))
    }

    #[inline]
    pub(super) fn get(&mut self, id: SubscriptionId) -> Option<&mut Subscription<T>> {
        self.all.iter_mut().find(|it| it.id == id)
    }

    /// Takes the events of one message.
    #[inline]
    pub(super) fn receive(&mut self, id: SubscriptionId, events: Vec<T>) {
        let chunk = self.get(id).map_or(events.len(), |it| it.chunk());
        self.waiting.push_back(Waiting::Events { id, events, chunk });
    }

    /// Keeps a mark until all events before it are handled. Returns it if they are handled already.
    pub(super) fn keep(&mut self, mark: Mark) -> Option<Mark> {
        if self.waiting.is_empty() {
            return Some(mark);
        }
        self.waiting.push_back(Waiting::Mark { _until_dropped: mark });
        None
    }

    /// Whether the stage has events to handle now. `may_begin` says whether it may begin with another
    /// message.
    pub(super) fn has_next(&mut self, may_begin: bool) -> bool {
        if self.rest() > 0 {
            return true;
        }
        // No event is left before these marks.
        while self.waiting.front().is_some_and(|it| matches!(it, Waiting::Mark { .. })) {
            self.waiting.pop_front();
        }
        may_begin && !self.waiting.is_empty()
    }

    /// The events that the stage is handed next. With (max 1000, min 500), a message of 1000 goes like this:
    /// handle 500, ask for 500, handle 500, ask for 500.
    pub(super) fn next_chunk(&mut self) -> Option<Chunk<T>> {
        if let Some(current) = self.current.as_mut().filter(|it| it.rest.len() > 0) {
            return Some(current.next());
        }
        let Waiting::Events { id, events, chunk } = self.waiting.pop_front()? else { return None };
        let excess = self.get(id).map_or(0, |it| it.excess(events.len()));
        if excess > 0 {
            let stage = &self.stage;
            error!(%stage, excess, "{stage} was sent {excess} events more than it asked for");
        }
        let asked_for = events.len() - excess;
        // Nearly always, there is only one chunk.
        if events.len() <= chunk {
            return Some(Chunk { id, events, asked_for });
        }
        let current = Current { id, rest: events.into_iter(), chunk, asked_for };
        Some(self.current.insert(current).next())
    }

    /// Whether all events that have come were handed to the stage.
    #[inline]
    pub(super) fn has_handed_out_all(&self) -> bool {
        self.waiting.is_empty() && self.rest() == 0
    }

    #[inline]
    fn rest(&self) -> usize {
        self.current.as_ref().map_or(0, |it| it.rest.len())
    }

    /// How many events have come and were not handed to the stage.
    pub(super) fn unhandled(&self) -> usize {
        let waiting = self.waiting.iter().map(|waiting| match waiting {
            Waiting::Events { events, .. } => events.len(),
            Waiting::Mark { .. } => 0,
        });
        self.rest() + waiting.sum::<usize>()
    }
}

impl<T> Current<T> {
    fn next(&mut self) -> Chunk<T> {
        let events = take_next(&mut self.rest, self.chunk);
        let asked_for = events.len().min(self.asked_for);
        self.asked_for -= asked_for;
        Chunk { id: self.id, events, asked_for }
    }
}
