//! Makes new output for a README whose transcript is out of date.

use std::cmp::Reverse;

use super::GAP;
use super::lines::Lines;

/// Returns the new output, with as many lines before, between and after the gaps as before. A part between
/// two gaps begins where its lines appear again. The part after the last gap is the end.
pub fn renew(
    shown: &[String],
    happens: &mut Lines,
    mask: impl Fn(&str) -> String,
) -> Result<Vec<String>, String> {
    let mut parts: Vec<_> = shown.split(|line| line == GAP).collect();
    let Some(last) = parts.pop().filter(|_| !parts.is_empty()) else {
        return Ok(happens.all()?.to_vec());
    };

    let mut renewed = Vec::new();
    let mut at = 0;
    for (number, part) in parts.into_iter().enumerate() {
        if number > 0 {
            renewed.push(GAP.to_owned());
            at = find_again(part, at, happens, &mask)?;
        }
        for _ in part {
            renewed.push(happens.get(at)?.to_owned());
            at += 1;
        }
    }

    renewed.push(GAP.to_owned());
    if !last.is_empty() {
        let rest = happens.all()?.get(at..).unwrap_or_default();
        renewed.extend_from_slice(&rest[rest.len().saturating_sub(last.len())..]);
    }
    Ok(renewed)
}

/// Finds the beginning of a part: the next occurrence of its first line, or else the place with most of its
/// lines.
fn find_again(
    part: &[String],
    at: usize,
    happens: &mut Lines,
    mask: impl Fn(&str) -> String,
) -> Result<usize, String> {
    let part: Vec<_> = part.iter().map(|line| mask(line)).collect();
    let Some(first) = part.first() else { return Ok(at) };
    if let Ok(found) = happens.find(at, |happens| mask(happens) == *first) {
        return Ok(found);
    }
    // All lines have been read by now.
    let rest: Vec<_> = happens.seen().iter().skip(at).map(|line| mask(line)).collect();
    let same = |start: usize| rest[start..].iter().zip(&part).filter(|(a, b)| a == b).count();
    match (0..rest.len()).max_by_key(|&start| (same(start), Reverse(start))) {
        Some(start) if same(start) > 0 => Ok(at + start),
        _ => Err(format!(
            "the lines after a gap do not happen any more; put other lines there. The output begins with:\n{first}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renewed(shown: &str, happens: &str) -> Result<String, String> {
        let shown: Vec<_> = shown.split_terminator(' ').map(str::to_owned).collect();
        let mut happens = Lines::from(happens.replace(' ', "\n").as_str());
        renew(&shown, &mut happens, str::to_lowercase).map(|lines| lines.join(" "))
    }

    #[test]
    fn without_a_gap_all_is_shown() {
        assert_eq!(renewed("a b", "a c d").as_deref(), Ok("a c d"));
        assert_eq!(renewed("", "a").as_deref(), Ok("a"));
    }

    #[test]
    fn before_a_gap_are_as_many_lines_as_there_were() {
        assert_eq!(renewed("a b ...", "a c d e").as_deref(), Ok("a c ..."));
        assert_eq!(renewed("a b c ...", "a d").ok(), None);
    }

    #[test]
    fn after_the_last_gap_is_the_end() {
        assert_eq!(renewed("a ... y z", "b c d e f").as_deref(), Ok("b ... e f"));
        assert_eq!(renewed("... z", "b c").as_deref(), Ok("... c"));
    }

    #[test]
    fn between_gaps_is_what_begins_with_the_same_line_or_has_most_of_the_lines() {
        assert_eq!(renewed("a ... m n ...", "a b M o p").as_deref(), Ok("a ... M o ..."));
        assert_eq!(renewed("a ... m n o ...", "a b n c x n O p").as_deref(), Ok("a ... x n O ..."));
        assert!(renewed("a ... m n ...", "a b c d").is_err());
    }
}
