//! Compares the output that a README shows with the real one.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex_lite::Regex;

use super::GAP;
use super::difference::Difference;
use super::lines::Lines;
use super::process::Patience;

/// How exactly the two outputs have to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// To the letter, on the paused clock, because every run is the same there.
    ToTheLetter,
    /// Line by line, except for the numbers of tasks and ports, seconds, and random ids.
    ButForIds,
    /// The same lines in any order, because work that is done at the same time ends in any order, and the
    /// demand depends on that.
    InAnyOrder,
}

impl Rule {
    /// Returns the rule with this name, which follows `console` at the beginning of a block.
    pub fn named(name: &str) -> Self {
        match name.trim() {
            "varying-ids" => Self::ButForIds,
            "any-order" => Self::InAnyOrder,
            _ => Self::ToTheLetter,
        }
    }

    /// Returns the rule for a reader's own program that does the same: it may start more tasks, or in another order.
    pub fn leniently(self) -> Self {
        if self == Self::ToTheLetter { Self::ButForIds } else { self }
    }

    /// Returns the value of `PALLETO_CLOCK`.
    pub fn clock(self) -> &'static str {
        if self == Self::ToTheLetter { "paused" } else { "" }
    }

    /// Returns how long the program may stay silent.
    pub fn patience(self) -> Patience {
        if self == Self::ToTheLetter { Patience::PAUSED } else { Patience::REAL }
    }

    /// Returns the line without the parts that may differ.
    pub fn mask(self, line: &str) -> String {
        let mask =
            |pattern: &Regex, line: &str| match pattern.replace_all(line, "${before}_${after}") {
                Cow::Borrowed(_) => line.to_owned(),
                Cow::Owned(masked) => masked,
            };
        match self {
            Self::ToTheLetter => line.to_owned(),
            Self::ButForIds => mask(&IDS, line),
            Self::InAnyOrder => mask(&COUNTS, &mask(&IDS, line)),
        }
    }

    /// Compares the outputs, reading only as much as necessary. Returns the first difference.
    pub fn compare(self, shown: &[String], happens: &mut Lines) -> Result<(), Difference> {
        match self {
            Self::InAnyOrder => self.compare_sets(shown, happens),
            _ => self.compare_lines(shown, happens),
        }
    }

    fn compare_lines(self, shown: &[String], happens: &mut Lines) -> Result<(), Difference> {
        let mut at = 0;
        let mut shown = shown.iter();
        while let Some(line) = shown.next() {
            if line == GAP {
                let Some(next) = shown.next() else { return Ok(()) };
                let found = happens.find(at, |happens| self.mask(happens) == self.mask(next));
                at = found.map_err(|why| Difference::missing(next, why))? + 1;
            } else {
                match happens.get(at) {
                    Ok(happens) if self.mask(happens) == self.mask(line) => at += 1,
                    Ok(happens) => return Err(Difference::another(line, happens)),
                    Err(why) => return Err(Difference::missing(line, why)),
                }
            }
        }
        match happens.get(at) {
            Ok(more) => Err(Difference::one_more(more)),
            Err(_) => happens.all().map(drop).map_err(Difference::without_end),
        }
    }

    fn compare_sets(self, shown: &[String], happens: &mut Lines) -> Result<(), Difference> {
        let masked = |lines: &[String]| -> BTreeSet<String> {
            lines.iter().map(|line| self.mask(line)).collect()
        };
        let first_not_in = |lines: &[String], others: &[String]| {
            let others = masked(others);
            lines.iter().find(|line| *line != GAP && !others.contains(&self.mask(line))).cloned()
        };
        let happens = happens.all().map_err(Difference::without_end)?;
        if let Some(line) = first_not_in(shown, happens) {
            return Err(Difference::missing(&line, "no line is like it"));
        }
        match first_not_in(happens, shown) {
            Some(line) if !shown.iter().any(|line| line == GAP) => Err(Difference::one_more(&line)),
            _ => Ok(()),
        }
    }
}

static IDS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?<before>#Task<|127\.0\.0\.1:)\d+|[\d.]+(?<after> seconds)|[0-9a-f]{8}(-[0-9a-f]{4,12}){4}")
        .expect("the pattern is right")
});
static COUNTS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?<before>Pipeline|demand of |Asking for |currently |Run |Looking for |about )\d+")
        .expect("the pattern is right")
});

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(rule: Rule, shown: &str, happens: &str) -> Result<(), Difference> {
        let shown: Vec<_> = shown.lines().map(str::to_owned).collect();
        rule.compare(&shown, &mut happens.into())
    }

    fn same(shown: &str, happens: &str) -> bool {
        compare(Rule::ButForIds, shown, happens).is_ok()
    }

    #[test]
    fn every_line_must_be_the_same() {
        assert!(same("a\nb", "a\nb"));
        for (shown, happens) in [("a\nb", "a"), ("a", "a\nb"), ("a\nb", "b\na"), ("a", "A")] {
            assert!(!same(shown, happens), "{shown:?} {happens:?}");
        }
    }

    #[test]
    fn a_gap_stands_for_any_lines() {
        assert!(same("a\n...", "a\nb\nc"));
        assert!(same("...\nb\nc", "a\nb\nc"));
        assert!(!same("...\nb\nd", "a\nb\nc"));
        assert!(!same("a\n...\nd", "a\nb\nc"));
    }

    #[test]
    fn ids_may_differ_and_nothing_else() {
        assert!(same("Consumed by #Task<1>: 7", "Consumed by #Task<23>: 7"));
        assert!(!same("Consumed by #Task<1>: 7", "Consumed by #Task<1>: 8"));
        assert!(same("at http://127.0.0.1:1, 2.5 seconds", "at http://127.0.0.1:80, 3.0 seconds"));
    }

    #[test]
    fn to_the_letter_not_even_ids_may_differ() {
        assert!(compare(Rule::ToTheLetter, "#Task<1>", "#Task<1>").is_ok());
        assert!(compare(Rule::ToTheLetter, "#Task<1>", "#Task<2>").is_err());
    }

    #[test]
    fn in_any_order_the_lines_must_be_the_same() {
        let same = |shown, happens| compare(Rule::InAnyOrder, shown, happens).is_ok();
        assert!(same("a\nAsking for 1", "Asking for 2\na\nAsking for 3"));
        assert!(same("a\n...\nc", "c\nb\na"));
        assert!(!same("a\n...\nd", "c\nb\na"));
        assert!(!same("a", "a\nb"));
        assert!(!same("a\nb", "a"));
    }

    #[test]
    fn the_first_difference_is_told() {
        let difference = compare(Rule::ToTheLetter, "a\nb", "a\nc\nb").unwrap_err();
        assert_eq!(difference.to_string(), "shown:\nb\nhappens:\nc");
        let difference = compare(Rule::InAnyOrder, "Run 1\nRun 2 of b\na", "Run 3").unwrap_err();
        assert_eq!(difference.shown.as_deref(), Some("Run 2 of b"), "as the README has it");
    }
}
