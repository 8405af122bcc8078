//! The program prints the transcript of the README.

#[test]
fn the_transcript_is_what_happens() {
    testing::transcript::check(
        env!("CARGO_BIN_EXE_step02_async_server"),
        include_str!("../README.md"),
    );
}
