//! Each example as a process, with files whose counts are known.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod filter;
mod histogram;
mod only_process;
mod sqlite;
mod world;
