//! The running stages, and the demand between them.

use std::fmt;
use std::sync::Arc;

use tokio::task;

use super::message::SubscriptionId;

/// Running stages and their subscriptions, as [`topology`](super::topology()) has found them.
///
/// It is displayed as a [Mermaid](https://mermaid.js.org) flowchart, which GitHub and many editors draw. An arrow
/// goes from a producer to its consumer, with how many events are outstanding, and the most that can be. A number
/// below a stage's name tells how many events are in its buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Topology {
    /// The stages, in the order in which they were given.
    pub stages: Vec<StageNow>,
}

/// A running stage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StageNow {
    /// Its name. Several stages can have the same.
    pub name: Arc<str>,
    /// Its kind.
    pub kind: Kind,
    /// How many events it has emitted that no consumer has asked for yet.
    pub buffered: usize,
    /// Its subscriptions to producers, in the order in which it came to them.
    pub subscriptions: Vec<SubscriptionNow>,
    pub(super) task: task::Id,
}

/// A kind of stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// It has events.
    Producer,
    /// It makes events of others.
    ProducerConsumer,
    /// It wants events.
    Consumer,
}

/// A subscription of a running stage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionNow {
    /// Its number.
    pub id: SubscriptionId,
    /// The producer's name. [`Topology::producer`] finds the producer itself.
    pub producer: Arc<str>,
    /// The most events that can be outstanding; [`usize::MAX`] if it is
    /// [manual](super::SubscribeOptions::manual).
    pub max_demand: usize,
    /// How many events the stage has asked for and not handled.
    pub outstanding: usize,
    pub(super) task: task::Id,
}

impl Topology {
    /// The producer of this subscription, or `None` if it was not among the stages that were asked, or has ended.
    pub fn producer(&self, subscription: &SubscriptionNow) -> Option<&StageNow> {
        self.stages.iter().find(|stage| stage.task == subscription.task)
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flowchart LR")?;
        for (number, StageNow { name, buffered, .. }) in self.stages.iter().enumerate() {
            write!(f, "\n    {number}[\"{}", Quoted(name))?;
            if *buffered > 0 {
                write!(f, "<br>{buffered}")?;
            }
            f.write_str("\"]")?;
        }
        for (number, stage) in self.stages.iter().enumerate() {
            for it in &stage.subscriptions {
                match self.stages.iter().position(|stage| stage.task == it.task) {
                    Some(producer) => write!(f, "\n    {producer}")?,
                    None => write!(f, "\n    of{}[\"{}\"]", it.id, Quoted(&it.producer))?,
                }
                write!(f, " -->|\"{}", it.outstanding)?;
                if it.max_demand < usize::MAX {
                    write!(f, " of {}", it.max_demand)?;
                }
                write!(f, "\"| {number}")?;
            }
        }
        Ok(())
    }
}

/// A name in Mermaid's words.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                // These would end the name, or be taken for a tag.
                '"' | '#' | '&' | '<' | '>' => write!(f, "#{};", u32::from(character))?,
                _ => write!(f, "{character}")?,
            }
        }
        Ok(())
    }
}
