//! Checks the answers that a README gives to "Before you run it" against the output of its commands.
//!
//! An answer is the last bold text before a comment that says where its numbers are found. Without bold text, the
//! comment itself ends in the numbers, as in ` = 2`: then they are evidence for the words of the answer.
//!
//! | Comment | The numbers |
//! |---|---|
//! | `<!-- answer: numbers "Asking for {} events" -->` | those at `{}`, in the first lines that have the text |
//! | `<!-- answer: count "Received 10 events" -->` | how many lines have the text |
//!
//! `after "text"` and `before "text"` follow if only a part of the lines counts. The lines are those of all commands in
//! the order of the README, each after its own line, `$ cargo run …`.

use anyhow::{Context, Result, bail, ensure};

const MARK: &str = "<!-- answer: ";

/// Numbers that an answer can say in words. Their places are their values.
const WORDS: [&str; 11] =
    ["nothing", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// Checks all answers of a README.
///
/// # Errors
///
/// If an answer is wrong. The error names its line.
pub fn check(readme: &str, happens: &[String]) -> Result<()> {
    for (at, _) in readme.match_indices(MARK) {
        let line = readme[..at].matches('\n').count() + 1;
        check_one(&readme[..at], &readme[at + MARK.len()..], happens)
            .with_context(|| format!("line {line}"))?;
    }
    Ok(())
}

fn check_one(before: &str, after: &str, happens: &[String]) -> Result<()> {
    let (query, _) = after.split_once(" -->").context("the comment does not end")?;
    let bold = || before.rsplit("**").nth(1).map(|bold| (query, bold));
    let said = query.rsplit_once(" = ").filter(|(_, numbers)| !numbers.contains('"'));
    let (query, answer) =
        said.or_else(bold).context("there is no bold answer before the comment")?;
    let answer = numbers_in(answer);
    ensure!(!answer.is_empty(), "the answer has no number");
    let found = ask(query, happens, answer.len()).with_context(|| query.to_owned())?;
    ensure!(found == answer, "the answer is {}, but {query} is {}", list(&answer), list(&found));
    Ok(())
}

/// The numbers that a text says in digits or words.
fn numbers_in(text: &str) -> Vec<usize> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let number = |word: &str| {
        let word = word.to_lowercase();
        word.parse().ok().or_else(|| WORDS.iter().position(|&known| known == word))
    };
    words.filter_map(number).collect()
}

fn list(numbers: &[usize]) -> String {
    let numbers: Vec<_> = numbers.iter().map(usize::to_string).collect();
    if numbers.is_empty() { "nowhere".to_owned() } else { numbers.join(", ") }
}

/// Returns the numbers that a query finds, up to the given count.
fn ask(query: &str, happens: &[String], at_most: usize) -> Result<Vec<usize>> {
    let mut words = query.split('"').map(str::trim);
    let (kind, text) = (words.next(), words.next().context("it names no text in quotes")?);
    let mut lines = happens;
    while let Some(bound) = words.next().filter(|bound| !bound.is_empty()) {
        let limit = words.next().unwrap_or_default();
        let at = lines.iter().position(|line| line.contains(limit));
        let at = at.with_context(|| format!("no line has \"{limit}\" there"))?;
        lines = match bound {
            "after" => &lines[at + 1..],
            "before" => &lines[..at],
            _ => bail!("{bound} is neither `after` nor `before`"),
        };
    }
    match (kind, text.split_once("{}")) {
        (Some("count"), None) => Ok(vec![lines.iter().filter(|line| line.contains(text)).count()]),
        (Some("numbers"), Some(around)) => {
            Ok(lines.iter().filter_map(|line| number_at(line, around)).take(at_most).collect())
        }
        _ => bail!("it is neither `count \"…\"` nor `numbers \"… {{}} …\"`"),
    }
}

/// The number between two texts of a line.
fn number_at(line: &str, (before, after): (&str, &str)) -> Option<usize> {
    let (_, rest) = line.split_once(before)?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = rest.split_at(digits);
    rest.starts_with(after).then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const HAPPENS: &str = "$ run\nAsking for 10 events\nAsking for 20 events\nConsumed\nAsking for 14 events\n$ run -b\nAsking for 1 events";

    fn checked(readme: &str) -> Result<(), String> {
        let happens: Vec<_> = HAPPENS.lines().map(str::to_owned).collect();
        check(readme, &happens).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn right_numbers_are_found() {
        for readme in [
            "**10, 20** of them <!-- answer: numbers \"Asking for {} events\" -->",
            "**For 14.** <!-- answer: numbers \"Asking for {} events\" after \"Consumed\" -->",
            "**Four times**: <!-- answer: count \"Asking\" -->",
            "**Two** <!-- answer: count \"Asking\" after \"$ run\" before \"Consumed\" -->",
            "**Nothing** <!-- answer: count \"Consumed\" after \"$ run -b\" -->",
            "No. <!-- answer: count \"Asking\" after \"$ run -b\" = 1 -->",
            "no answer",
        ] {
            assert_eq!(checked(readme), Ok(()), "{readme}");
        }
    }

    #[test]
    fn a_wrong_number_is_an_error_that_names_its_line_and_both_numbers() {
        assert_eq!(
            checked("\n1. **10, 21**: a <!-- answer: numbers \"Asking for {} events\" --> b")
                .unwrap_err(),
            "line 2: the answer is 10, 21, but numbers \"Asking for {} events\" is 10, 20"
        );
        assert_eq!(
            checked("**Five** <!-- answer: count \"Asking\" -->").unwrap_err(),
            "line 1: the answer is 5, but count \"Asking\" is 4"
        );
        assert_eq!(
            checked("**Four**. No. <!-- answer: count \"Asking\" = 5 -->").unwrap_err(),
            "line 1: the answer is 5, but count \"Asking\" is 4"
        );
        for readme in [
            "**14, 1, 2** <!-- answer: numbers \"Asking for {} events\" after \"Consumed\" -->",
            "**1** <!-- answer: numbers \"Waiting for {} events\" -->",
        ] {
            checked(readme).unwrap_err();
        }
    }

    #[test]
    fn a_comment_that_says_nothing_is_an_error() {
        for (readme, why) in [
            ("<!-- answer: count \"Asking\" -->", "no bold answer"),
            ("**Some** <!-- answer: count \"Asking\" -->", "has no number"),
            ("**1** <!-- answer: count Asking -->", "no text in quotes"),
            ("**1** <!-- answer: numbers \"Asking\" -->", "neither `count"),
            ("**1** <!-- answer: most \"Asking\" -->", "neither `count"),
            ("**1** <!-- answer: count \"Asking\" until \"Consumed\" -->", "neither `after`"),
            (
                "**1** <!-- answer: count \"Asking\" after \"Waiting\" -->",
                "no line has \"Waiting\"",
            ),
            ("**1** <!-- answer: count \"Asking\"", "does not end"),
        ] {
            let error = checked(readme).unwrap_err();
            assert!(error.contains(why), "{readme}: {error}");
        }
    }
}
