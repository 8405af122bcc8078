//! The program prints the transcript of the README.

#[test]
fn the_transcript_is_what_happens() {
    testing::transcript::check(
        env!("CARGO_BIN_EXE_step09_concurrent_processing"),
        include_str!("../README.md"),
    );
}

#[test]
fn what_operating_it_shows_is_what_happens() {
    testing::transcript::check(
        env!("CARGO_BIN_EXE_step09_concurrent_processing"),
        include_str!("../../deploy/OPERATING.md"),
    );
}
