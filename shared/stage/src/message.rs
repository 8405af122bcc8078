//! What stages say to each other.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a producer says to a consumer that has subscribed to it.
pub(super) enum FromProducer<T> {
    Events {
        id: SubscriptionId,
        events: Vec<T>,
    },
    /// The subscription is over. Nothing comes after this.
    Cancelled {
        id: SubscriptionId,
        exit: Exit,
    },
}

/// What a consumer says to the producer that it has subscribed to.
pub(super) enum FromConsumer<T> {
    /// In a box, to keep the frequent messages small.
    Subscribe(Box<NewConsumer<T>>),
    Ask {
        id: SubscriptionId,
        count: usize,
    },
    Cancel {
        id: SubscriptionId,
    },
}

/// A consumer that subscribes.
pub(super) struct NewConsumer<T> {
    pub(super) id: SubscriptionId,
    pub(super) name: Arc<str>,
    pub(super) address: Address<FromProducer<T>>,
}

/// Where a letter can be sent, whatever else the stage behind it understands: a consumer need not
/// know what its producer can be cast, nor a producer what its consumers emit.
pub(super) type Address<Letter> = Arc<dyn Post<Letter>>;

pub(super) trait Post<Letter>: Send + Sync {
    /// Puts the letter into the stage's mailbox. False if the stage is gone.
    fn post(&self, letter: Letter) -> bool;
}

/// Names one subscription of one consumer to one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionId(u64);

impl SubscriptionId {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// What it is called in what is logged.
    #[inline]
    pub(super) fn number(self) -> u64 {
        self.0
    }
}

/// Why a stage stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was told to, or the stage before it ended normally.
    Normal,
    /// It panicked, with this message, or the stage before it did.
    Crashed(Arc<str>),
    /// It was [killed](super::Handle::kill), or the runtime was shut down.
    Killed,
    /// There is no such stage: it had stopped before it was subscribed to.
    NoStage,
}

impl Exit {
    /// Whether everything that had begun was also finished.
    #[must_use]
    pub fn is_normal(&self) -> bool {
        *self == Self::Normal
    }

    /// A normal end as `Ok`, any other as an error, for `main` to return.
    ///
    /// # Errors
    ///
    /// If the stage did not end normally.
    pub fn ok(self) -> Result<(), StageFailed> {
        if self.is_normal() { Ok(()) } else { Err(StageFailed(self)) }
    }
}

/// A stage did not end normally.
#[derive(Debug, thiserror::Error)]
#[error("a stage {0}")]
pub struct StageFailed(Exit);

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("stopped"),
            Self::Crashed(message) => write!(f, "crashed: {message}"),
            Self::Killed => f.write_str("was killed"),
            Self::NoStage => f.write_str("does not run"),
        }
    }
}
