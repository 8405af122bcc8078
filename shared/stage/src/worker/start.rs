//! Starts the task of a stage.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument, Span};

use super::{MessageTo, Worker};
use crate::buffer::Buffer;
use crate::dispatcher::Dispatcher;
use crate::handle::Handle;
use crate::kind::Stage;
use crate::mailbox::{Message, ToAny};
use crate::message::End;
use crate::stage_ref::StageRef;

/// Starts the stage that `init` makes. `accumulates` says whether asks wait until the demand is forwarded.
pub(crate) fn start<S: Stage>(
    name: Arc<str>,
    dispatcher: impl Dispatcher<S::Out>,
    buffer: Buffer<S::Out>,
    accumulates: bool,
    init: impl FnOnce(&Handle<S::In, S::Out, S::Cast>, &watch::Sender<End>) -> S,
) -> Handle<S::In, S::Out, S::Cast> {
    let (mailbox, receiver) = mpsc::unbounded_channel::<MessageTo<S>>();
    let (told, end) = watch::channel(End::default());
    // The task exists before the stage, because `init` needs a complete handle.
    let (worker, ready) = oneshot::channel::<Worker<S>>();
    let task = Worker::run(ready);
    // Log lines of a stage belong to the span in which the stage was started.
    let task = match Span::current() {
        span if span.is_none() => tokio::spawn(task),
        span => tokio::spawn(task.instrument(span)),
    };
    let unheard = Arc::<AtomicUsize>::default();
    let send = {
        let (mailbox, unheard) = (mailbox.clone(), unheard.clone());
        Arc::new(move |message: ToAny| {
            if matches!(message, ToAny::Stop) {
                unheard.fetch_add(1, Relaxed);
            }
            let _ = mailbox.send(Message::ToAny(message)); // A stage that has stopped needs none.
        })
    };
    let stage = StageRef { name: name.clone(), end, task: task.abort_handle(), send };
    let handle = Handle { stage, mailbox: mailbox.clone(), unheard: unheard.clone() };

    let dispatcher = dispatcher.make(name.clone(), Arc::new(mailbox.clone()), buffer);
    let stage = init(&handle, &told);
    let mailbox = (mailbox, receiver);
    // If the task was killed already, the worker is dropped here, and its `Drop` reports the end.
    let _ =
        worker.send(Worker::new(name, stage, mailbox, (dispatcher, accumulates), unheard, told));
    handle
}
