//! Builds step 9 into this program, from step 9's own files.

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
        if let Some(module) = line.strip_prefix("mod ").and_then(|line| line.strip_suffix(';')) {
            let file = step09.join(format!("{module}.rs"));
            included.push(format!("#[path = r\"{}\"]", file.display()));
        }
        if line.starts_with("//!") {
            continue; // An included file cannot have such comments.
        }
        if line.starts_with("fn main()") {
            included.push("#[allow(dead_code)]".to_owned());
        }
        included.push(line.replace("fn main()", "fn main_of_step09()"));
    }
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("step09.rs"), included.join("\n"))
        .expect("cargo lets it write there");
}
