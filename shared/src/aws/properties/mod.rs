//! What holds for every input from outside.

mod notifications;
mod policies;
