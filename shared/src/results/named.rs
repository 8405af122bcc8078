//! A result that waits to be written.

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

/// A result, and the name of its file or object.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) json: Bytes,
    /// Its part of the memory for results that wait.
    pub(super) _room: OwnedSemaphorePermit,
}
