//! The claims of `SECURITY.md`: each names tests that exist, and the image has nothing that it need not have.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use std::fs;
use std::path::Path;

/// The text of a file of the repository.
fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The tests that a line links to, as ``[`name`](file)``: their names and files.
fn tests_in(line: &str) -> Vec<(&str, &str)> {
    let links = line.split("[`").skip(1);
    links
        .filter_map(|link| link.split_once("`]("))
        .map(|(name, rest)| (name, rest.split(')').next().unwrap()))
        .collect()
}

/// Whether a Rust or Python file has a test of this name.
fn has_test(file: &str, name: &str) -> bool {
    let lines: Vec<_> = file.lines().map(str::trim).collect();
    let is_it = |line: &str| {
        let rust = [format!("fn {name}()"), format!("async fn {name}()")];
        rust.iter().any(|start| line.starts_with(start))
            || line.starts_with(&format!("def {name}("))
    };
    let Some(at) = lines.iter().position(|line| is_it(line)) else { return false };
    let mut above = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
    let is_rust_test =
        above.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    is_rust_test || name.starts_with("test_")
}

#[test]
fn each_claim_names_the_tests_that_hold_it() {
    let security = read("SECURITY.md");
    let mut claims = 0;
    let mut lines = security.lines();
    while lines.by_ref().any(|line| line.starts_with('|') && line.ends_with(" | Held by |")) {
        let rows = lines.by_ref().skip(1).take_while(|line| line.starts_with('|'));
        for claim in rows {
            claims += 1;
            let (_, held_by) = claim.trim_end_matches(" |").rsplit_once(" | ").unwrap();
            let tests = tests_in(held_by);
            assert!(!tests.is_empty(), "no test: {claim}");
            for (name, file) in tests {
                assert!(has_test(&read(file), name), "there is no test {name} in {file}");
            }
        }
    }
    assert!(claims > 20, "{claims} claims");
}

#[test]
fn the_last_stage_of_the_image_has_no_shell_and_no_root() {
    let dockerfile = read("Dockerfile");
    // A line that ends with a backslash goes on.
    let dockerfile = dockerfile.replace("\\\n", " ");
    let instructions: Vec<_> =
        dockerfile.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let last = instructions.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    assert!(instructions[last].starts_with("FROM gcr.io/distroless/"), "{}", instructions[last]);
    assert!(instructions[last].ends_with(":nonroot"), "{}", instructions[last]);
    for instruction in &instructions[last + 1..] {
        let (name, rest) = instruction.split_once(' ').unwrap();
        match name {
            "COPY" => assert!(rest.starts_with("--from=build "), "{instruction}"),
            "WORKDIR" => {}
            // The form with brackets: the other one would start a shell.
            "ENTRYPOINT" => assert_eq!(rest, r#"["/usr/local/bin/step"]"#),
            // RUN needs a shell, and USER could be root.
            _ => panic!("{instruction}"),
        }
    }
}
