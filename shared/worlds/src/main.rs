//! Step 9 in simulated worlds, in which everything goes wrong that can.
//!
//! ```text
//! cargo x worlds --seeds 1000
//! ```
//!
//! | file | what it does |
//! |---|---|
//! | `main` | runs many worlds, each in a process of its own, and shrinks one that has failed |
//! | `plan` | what is decided before a world begins |
//! | `world` | a world: programs, SQS and S3, disks, and what goes wrong |
//! | `network` | the way of a request, with latency and faults |
//! | `disk` | a disk that loses what was not forced |
//! | `files` | the files, and what their results must say |
//! | `history` | what the programs log, for `--replay` |
//! | `ledger` | writes down what happens to each message, and objects to what must not happen |
//! | `luck` | makes all randomness follow from the seed |

mod disk;
mod files;
mod history;
mod ledger;
mod luck;
mod many;
mod network;
mod plan;
mod world;

include!(concat!(env!("OUT_DIR"), "/step09.rs"));

fn main() -> anyhow::Result<()> {
    many::main()
}
