//! Builds each example as step 9 with another `consumer.rs`: `main.rs` and all other modules are step 9's own files.

use std::path::Path;
use std::{env, fs};

fn main() {
    let folder = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let step09 = Path::new(&folder).join("../../step09_concurrent_processing/src");
    let main = step09.join("main.rs");
    println!("cargo::rerun-if-changed={}", main.display());
    let main = fs::read_to_string(main).expect("step 9 has a main.rs");
    let mut included = Vec::new();
    for line in main.lines() {
        match line.strip_prefix("mod ").and_then(|line| line.strip_suffix(';')) {
            Some("consumer") => continue,
            Some(module) => {
                let file = step09.join(format!("{module}.rs"));
                included.push(format!("#[path = r\"{}\"]", file.display()));
            }
            None if line.starts_with("//!") => continue, // An included file cannot have such comments.
            None => {}
        }
        included.push(line.to_owned());
    }
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("step09.rs"), included.join("\n"))
        .expect("cargo lets it write there");
}
