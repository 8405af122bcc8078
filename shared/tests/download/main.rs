//! Downloads over connections that break, from an S3 that is sometimes down.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod answers;
mod faults;
mod objects;
mod outages;
mod support;
