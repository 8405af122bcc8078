//! Measures how many events per second go through stages, and through the same shapes written by
//! hand with tokio's channels, which are the ceiling: `cargo bench -p stage`. It prints the tables
//! that are in the README.
//!
//! Two shapes, each with the demands (max, min) of (10, 0), (1000, 500) and (1, 0), on one thread and
//! on two:
//!
//! - single: a producer and a consumer
//! - chain: a producer, a producer-consumer, and three consumers
//!
//! Then, on one thread, the cost of supervision, and that of cancellation.

mod by_hand;
mod costs;
mod measure;
mod stages;

use measure::{DEMANDS, Way, rates, runtime};

const SHAPES: [(&str, [Way; 2]); 2] =
    [("single", [by_hand::single, stages::single]), ("chain", [by_hand::chain, stages::chain])];

const COSTS: [Way; 5] = [
    by_hand::single,
    costs::supervised,
    costs::cancellable,
    costs::supervised_and_cancellable,
    stages::single,
];

fn main() {
    println!("| Shape | (max, min) | Threads | Stages | By hand | Ratio |");
    println!("|---|---|---|---:|---:|---:|");
    for (name, ways) in SHAPES {
        for (threads, word) in [(1, "one"), (2, "two")] {
            let runtime = runtime(threads).expect("a runtime can be built");
            for (demand, events) in DEMANDS {
                let rates = rates(&ways, &runtime, demand, events);
                let [(by_hand, _), (stages, ratio)] = rates[..] else { unreachable!("two ways") };
                let (stages, by_hand) = (stages / 1e6, by_hand / 1e6);
                println!(
                    "| {name} | {demand} | {word} | {stages:.1} M/s | {by_hand:.1} M/s | {ratio:.2} |"
                );
            }
        }
    }
    println!();
    println!("| (max, min) | By hand | Supervised | Cancellable | Both | Stages |");
    println!("|---|---:|---:|---:|---:|---:|");
    let runtime = runtime(1).expect("a runtime can be built");
    for (demand, events) in DEMANDS {
        print!("| {demand} |");
        for (_, ratio) in rates(&COSTS, &runtime, demand, events) {
            print!(" {ratio:.2} |");
        }
        println!();
    }
}
