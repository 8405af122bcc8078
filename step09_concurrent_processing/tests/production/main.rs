//! Nothing is lost, and nothing is done by two at once: the step as a process, and between it and its
//! SQS and S3 a proxy that breaks what passes through it.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod crashes;
mod leases;
mod outages;
mod poison;
mod redelivery;
mod requests;
mod scene;
mod stopping;
#[allow(dead_code)] // Not all of it is of use here.
#[path = "../end_to_end/support.rs"]
mod support;
