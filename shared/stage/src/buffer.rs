//! The events that a producer has emitted and that no consumer has asked for yet.

use std::collections::VecDeque;
use std::{mem, vec};

/// Which events a full buffer keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Keeps the newest events, and discards the oldest.
    #[default]
    Last,
    /// Keeps the oldest events, and discards the newest.
    First,
}

/// Events in the order in which they were emitted.
pub struct Buffer<T> {
    events: VecDeque<T>,
    size: usize,
    keep: Keep,
}

impl<T> Buffer<T> {
    /// An empty buffer for at most `size` events.
    pub(super) fn new(size: usize, keep: Keep) -> Self {
        Self { events: VecDeque::new(), size, keep }
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Adds the newest events. Returns the events that had to be discarded.
    pub(super) fn store(&mut self, events: impl IntoIterator<Item = T>) -> Vec<T> {
        self.events.extend(events);
        let excess = self.events.len().saturating_sub(self.size);
        match self.keep {
            Keep::First => self.events.drain(self.events.len() - excess..).collect(),
            Keep::Last => self.events.drain(..excess).collect(),
        }
    }

    /// Adds the newest events, which will be taken at once, so the size does not matter.
    pub(super) fn store_unlimited(&mut self, events: impl IntoIterator<Item = T>) {
        self.events.extend(events);
    }

    /// An empty buffer of the same kind.
    pub(super) fn another(&self) -> Self {
        Self::new(self.size, self.keep)
    }

    /// Takes at most `count` events, the oldest first.
    pub(super) fn take(&mut self, count: usize) -> Vec<T> {
        self.events.drain(..count.min(self.events.len())).collect()
    }
}

/// Takes the next `count` of these events, or all that are left. All of them keep the vector that they
/// came in, so nothing is copied then.
#[inline]
pub(super) fn take_next<T>(events: &mut vec::IntoIter<T>, count: usize) -> Vec<T> {
    if count < events.len() {
        events.by_ref().take(count).collect()
    } else {
        mem::take(events).collect()
    }
}
