//! The messages that stages send each other.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};

/// A message from a producer to a consumer that has subscribed to it.
pub enum FromProducer<T> {
    Events {
        id: SubscriptionId,
        events: Vec<T>,
    },
    /// A caller waits until all events before this mark are handled.
    Mark(Mark),
    /// The subscription is over. No message follows this one. Boxed, to keep the frequent messages small.
    Cancelled(Box<Cancelled>),
}

/// The end of a subscription.
pub struct Cancelled {
    pub(super) id: SubscriptionId,
    /// How the producer ended, if it has.
    pub(super) exit: Exit,
}

impl<T> FromProducer<T> {
    pub(super) fn cancelled(id: SubscriptionId, exit: Exit) -> Self {
        Self::Cancelled(Box::new(Cancelled { id, exit }))
    }
}

/// A message from a consumer to the producer that it has subscribed to.
pub enum FromConsumer<T> {
    /// Boxed, to keep the frequent messages small.
    Subscribe(Box<NewConsumer<T>>),
    Ask {
        id: SubscriptionId,
        count: usize,
    },
    Cancel {
        id: SubscriptionId,
    },
    /// A caller waits until all earlier messages have arrived, and asks whether the producer has this subscription
    /// then.
    IsSubscribed {
        id: SubscriptionId,
        reply: oneshot::Sender<bool>,
    },
}

/// The waiting caller holds the receiver. It goes on when all copies of this are dropped.
pub type Mark = mpsc::Sender<Infallible>;

/// A consumer that subscribes.
pub struct NewConsumer<T> {
    pub(super) id: SubscriptionId,
    pub(super) name: Arc<str>,
    pub(super) address: Address<FromProducer<T>>,
    pub(super) selector: Option<Selector<T>>,
    pub(super) partition: usize,
}

/// Whether a consumer wants this event.
pub type Selector<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;

/// An address for letters of one type. It hides all else that the stage behind it understands: a
/// consumer need not know the type of its producer's casts, nor a producer the type of the events
/// that its consumers emit.
pub type Address<Letter> = Arc<dyn Post<Letter>>;

pub trait Post<Letter>: Send + Sync {
    /// Puts the letter into the stage's mailbox. Returns false if the stage is gone.
    fn post(&self, letter: Letter) -> bool;
}

/// Identifies one subscription of one consumer to one producer. It is displayed as its number, which
/// the [tracing](crate#tracing) events contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionId(u64);

impl SubscriptionId {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The number that stands for this subscription in the log.
    #[inline]
    pub(super) fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a stage ended.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) exit: Exit,
    /// The number of events that it lost.
    pub(super) lost: usize,
}

impl Default for End {
    fn default() -> Self {
        Self { exit: Exit::Killed, lost: 0 }
    }
}

/// Why a stage stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// The stage was told to stop, or the stage before it ended normally. This says how the stage
    /// ended, and nothing of its events: if it had no consumer left, it has
    /// [lost](super::StageRef::lost) some.
    Normal,
    /// The stage panicked, or the stage before it did.
    Crashed {
        /// The name of the stage that panicked.
        stage: Arc<str>,
        /// The message of the panic.
        message: Arc<str>,
    },
    /// The stage was [killed](super::Handle::kill), or the stage before it was, or the runtime was shut
    /// down.
    Killed,
    /// The stage subscribed to a stage that had stopped. This is not a normal end, even if that stage ended normally
    /// just before, because a stage that is gone cannot say how it ended.
    NoStage,
}

impl Exit {
    /// Whether the stage ended because it was told to, or because the stage before it ended normally. It can still have
    /// [lost](super::StageRef::lost) events.
    #[must_use]
    pub fn is_normal(&self) -> bool {
        *self == Self::Normal
    }

    /// Returns a normal end as `Ok`, and any other as an error that `main` can return.
    ///
    /// # Errors
    ///
    /// If the stage did not end normally.
    pub fn ok(self) -> Result<(), StageFailed> {
        if self.is_normal() { Ok(()) } else { Err(StageFailed(self)) }
    }

    /// A sentence on how this stage ended. A crash is told of the stage that crashed, because that is where to look.
    pub(super) fn as_end_of(&self, stage: &str) -> String {
        match self {
            Self::Crashed { .. } => self.to_string(),
            _ => format!("{stage} {self}"),
        }
    }
}

/// A stage did not end normally.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.as_end_of("a stage"))]
pub struct StageFailed(Exit);

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("stopped"),
            Self::Crashed { stage, message } => write!(f, "{stage} crashed: {message}"),
            Self::Killed => f.write_str("was killed"),
            Self::NoStage => f.write_str("does not run"),
        }
    }
}
