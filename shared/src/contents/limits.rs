//! Limits the size of a file.

use std::io;

use clap::Args;

/// How large a file may become by unzipping. A file beyond these limits fails, because it was most
/// likely made to fill a disk. A program flattens these into its own arguments.
#[derive(Args, Clone, Copy, Debug)]
pub struct Limits {
    /// How many bytes a file may have after unzipping, from 1
    #[arg(
        long,
        value_name = "BYTES",
        env = "PALLETO_MAX_FILE_SIZE",
        default_value_t = MAX_FILE_SIZE,
        value_parser = |number: &str| at_least_one(number, MAX_FILE_SIZE),
        help_heading = "Limits"
    )]
    pub max_file_size: u64,

    /// How many times larger a file may become by unzipping, from 1
    ///
    /// The first 10 MiB do not count.
    #[arg(
        long,
        value_name = "TIMES",
        env = "PALLETO_MAX_RATIO",
        default_value_t = MAX_RATIO,
        value_parser = |number: &str| at_least_one(number, MAX_RATIO),
        help_heading = "Limits"
    )]
    pub max_ratio: u64,
}

/// 1 TiB.
const MAX_FILE_SIZE: u64 = 1 << 40;
/// Ordinary logs shrink by a factor of 5 to 50. Gzip's maximum is 1032.
const MAX_RATIO: u64 = 500;
/// The ratio does not matter up to this size, because so few bytes do no harm.
const HARMLESS: u64 = 10 << 20;

impl Limits {
    /// Checks whether `zipped` bytes may become this many `unzipped` bytes.
    pub(super) fn check(&self, unzipped: u64, zipped: u64) -> io::Result<()> {
        let Self { max_file_size, max_ratio } = self;
        if unzipped > *max_file_size {
            return Err(io::Error::other(format!(
                "unzipped, it has more than {max_file_size} bytes. If it should, raise --max-file-size"
            )));
        }
        if unzipped > zipped.saturating_mul(*max_ratio).max(HARMLESS) {
            return Err(io::Error::other(format!(
                "unzipped, it is more than {max_ratio} times as large. If it should, raise --max-ratio"
            )));
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_file_size: MAX_FILE_SIZE, max_ratio: MAX_RATIO }
    }
}

/// Rejects 0, and takes an empty environment variable as not set.
fn at_least_one(number: &str, default: u64) -> Result<u64, String> {
    match number.parse() {
        _ if number.is_empty() => Ok(default),
        Ok(number @ 1..) => Ok(number),
        _ => Err(format!("it must be a whole number, from 1 to {}", u64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        limits: Limits,
    }

    #[test]
    fn limits_are_whole_numbers_from_one() {
        let parse = |arguments: &[&str]| {
            let arguments = ["program"].iter().chain(arguments);
            Program::try_parse_from(arguments).map(|program| program.limits)
        };
        assert_eq!(parse(&["--max-file-size", "7"]).unwrap().max_file_size, 7);
        assert_eq!(parse(&["--max-file-size", ""]).unwrap().max_file_size, MAX_FILE_SIZE);
        for wrong in ["0", "-1", "1.5", "1G", "18446744073709551616"] {
            let error = parse(&[&format!("--max-ratio={wrong}")]).unwrap_err().to_string();
            assert!(error.contains("from 1 to"), "{error}");
        }
    }
}
