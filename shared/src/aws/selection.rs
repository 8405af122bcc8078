//! Which files are processed.

use std::str::FromStr;

use clap::Args;

use super::policy::stands_for;

/// Which of the files that messages announce are processed. All, by default.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Process only files whose key is like this, in which * stands for any characters, / too, and ? for one
    ///
    /// Several are separated by commas, or given one after the other: one of them is enough. A ? can stand for a
    /// comma. The other files are released, which means that their messages are deleted.
    #[arg(
        long,
        value_name = "GLOB",
        env = "PALLETO_INCLUDE",
        value_delimiter = ',',
        help_heading = "Files"
    )]
    include: Vec<String>,

    /// Release files whose key is like this, even if --include names them
    #[arg(
        long,
        value_name = "GLOB",
        env = "PALLETO_EXCLUDE",
        value_delimiter = ',',
        help_heading = "Files"
    )]
    exclude: Vec<String>,

    /// The way to treat a message whose file is gone: release deletes it, fail leaves it to the queue
    #[arg(
        long,
        value_name = "release|fail",
        env = "PALLETO_ON_MISSING",
        default_value = "release",
        help_heading = "Files"
    )]
    on_missing: OnMissing,
}

/// The way to treat a message whose file is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum OnMissing {
    #[default]
    Release,
    Fail,
}

impl FromStr for OnMissing {
    type Err = &'static str;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        match given {
            "release" | "" => Ok(Self::Release), // An empty environment variable counts as not set.
            "fail" => Ok(Self::Fail),
            _ => Err("it can be release or fail"),
        }
    }
}

impl Selection {
    /// Whether the file of this key, which is decoded, should be processed.
    pub(super) fn has(&self, key: &str) -> bool {
        let is_like = |glob: &&String| stands_for(glob, key);
        let mut included = given(&self.include).peekable();
        let is_included = included.peek().is_none() || included.any(|glob| is_like(&glob));
        is_included && given(&self.exclude).find(is_like).is_none()
    }

    /// Whether a file that is gone is a failure.
    pub(super) fn misses_files(&self) -> bool {
        self.on_missing == OnMissing::Fail
    }
}

/// An empty environment variable counts as not set.
fn given(globs: &[String]) -> impl Iterator<Item = &String> {
    globs.iter().filter(|glob| !glob.is_empty())
}

#[cfg(test)]
pub(super) mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        selection: Selection,
    }

    pub(crate) fn selection(arguments: &[&str]) -> Selection {
        Program::parse_from(["program"].iter().chain(arguments)).selection
    }

    #[test]
    fn a_file_is_processed_if_it_is_included_and_not_excluded() {
        for (arguments, taken, left_out) in [
            (&[][..], &["", "a", "a/b,c"][..], &[][..]),
            (&["--include", "", "--exclude="], &["", "a"], &[]),
            (
                &["--include", "logs/*.gz"],
                &["logs/a.gz", "logs/a/b.gz"],
                &["a/logs/a.gz", "logs/a.GZ", ""],
            ),
            (
                &["--include", "a*,b*", "--include=c?d"],
                &["a", "bb", "c,d", "cüd"],
                &["c", "cd", "d/a"],
            ),
            (&["--exclude", "*/_temporary/*,*.tmp"], &["a/b", "tmp"], &["a/_temporary/b", "a.tmp"]),
            (&["--include", "a*", "--exclude", "*b"], &["a", "abc"], &["ab", "c"]),
            (&["--include", "a b+c"], &["a b+c"], &["a+b+c", "a%20b+c"]),
            (&["--include", "[a]"], &["[a]"], &["a"]),
        ] {
            let selection = selection(arguments);
            for key in taken {
                assert!(selection.has(key), "{key} {arguments:?}");
            }
            for key in left_out {
                assert!(!selection.has(key), "{key} {arguments:?}");
            }
        }
    }

    #[test]
    fn what_is_missing_is_released_or_fails_and_nothing_else() {
        for (arguments, fails) in [
            (&[][..], false),
            (&["--on-missing="], false),
            (&["--on-missing", "release"], false),
            (&["--on-missing", "fail"], true),
        ] {
            assert_eq!(selection(arguments).misses_files(), fails);
        }
        let error = Program::try_parse_from(["program", "--on-missing", "Fail"]).err().unwrap();
        assert!(error.to_string().contains("release or fail"), "{error}");
    }
}
