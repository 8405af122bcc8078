//! The step as its users run it: a process, an SQS and an S3, and files.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod check;
mod faults;
mod files;
mod logging;
mod process;
#[allow(dead_code)] // Some of it is for the tests of production alone.
mod support;
mod watching;
