//! Properties that hold for every input from outside.

mod notifications;
mod policies;
