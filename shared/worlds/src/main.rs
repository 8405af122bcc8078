//! Step 9 in simulated worlds, in which everything goes wrong that can.
//!
//! ```text
//! cargo x worlds --seeds 1000
//! ```
//!
//! | file | contents |
//! |---|---|
//! | `main` | runs many worlds, each in a process of its own, and shrinks one that has failed |
//! | `plan` | the decisions before a world begins |
//! | `world` | a world: programs, SQS and S3, disks, and faults |
//! | `network` | the way of a request, with latency and faults |
//! | `disk` | a disk that loses writes that were not forced |
//! | `files` | the files, and their expected results |
//! | `history` | the log of the programs, for `--replay` |
//! | `ledger` | writes down the fate of each message, and objects to violations |
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
