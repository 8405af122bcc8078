//! The step as its users run it: as a process, with an SQS and S3, and files.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod check;
mod configuration;
mod faults;
mod files;
mod logging;
mod process;
#[allow(dead_code)] // Only the tests in `production` use some of it.
mod support;
mod watching;
