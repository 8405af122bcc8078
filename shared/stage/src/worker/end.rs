//! The worker's last messages to the others, when its stage has ended.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc::error::TryRecvError;
use tracing::{error, trace, warn};

use super::Worker;
use crate::kind::Stage;
use crate::mailbox::Message;
use crate::message::{End, Exit, FromConsumer, FromProducer};
use crate::subscription::Subscription;

/// However a stage ends, even if its task is aborted, this tells its producers, its consumers, and
/// the tasks that await its end, such as a supervisor's.
impl<S: Stage> Drop for Worker<S> {
    fn drop(&mut self) {
        let Self { name, end: End { exit, lost }, .. } = self;
        trace!(stage = &**name, %exit, "stop");
        if let Exit::Crashed { stage, .. } = exit {
            if stage == name {
                error!(stage = %name, "{exit}");
            } else {
                error!(stage = %name, "{name} ends too, because {exit}");
            }
        }
        self.subscriptions.all.iter_mut().for_each(Subscription::cancel);
        let mut undelivered = self.subscriptions.unhandled() + self.dispatcher.buffered();
        // A consumer that subscribed just now may not have been heard. It must not wait forever, so
        // it is told too.
        self.mailbox.close();
        loop {
            match self.mailbox.try_recv() {
                Ok(Message::FromConsumer(FromConsumer::Subscribe(consumer))) => {
                    self.dispatcher.subscribe(*consumer);
                }
                Ok(message) => {
                    if let Message::FromProducer(FromProducer::Events { events, .. }) = &message {
                        undelivered += events.len();
                    }
                    // A cast or an event can panic as it is dropped. The consumers are told all the
                    // same.
                    let _ = catch_unwind(AssertUnwindSafe(|| drop(message)));
                }
                // Another task is in the middle of sending, which takes almost no time.
                Err(TryRecvError::Empty) => thread::yield_now(),
                Err(TryRecvError::Disconnected) => break,
            }
        }
        if undelivered > 0 {
            warn!(stage = %name, lost = undelivered, "{name} ended with {undelivered} undelivered events");
        }
        *lost += undelivered;
        self.dispatcher.end(exit);
        self.told.send_replace(self.end.clone());
    }
}

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> Arc<str> {
    if let Some(message) = panic.downcast_ref::<&str>() {
        Arc::from(*message)
    } else if let Some(message) = panic.downcast_ref::<String>() {
        Arc::from(message.as_str())
    } else {
        Arc::from("it panicked")
    }
}
