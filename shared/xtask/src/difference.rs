//! The difference between the code of two steps.

use std::collections::BTreeSet;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::code::{Code, Line};

/// A file that differs.
pub struct Difference<'a> {
    /// The name of the file in `src`.
    pub file: &'a str,
    /// The code in the first step; empty if the file is new.
    pub old: &'a [Line],
    /// The code in the second step; empty if the file is gone.
    pub new: &'a [Line],
    /// The edits that lead from the first to the second, and the equal parts between them.
    pub ops: Vec<DiffOp>,
}

/// The files that differ, by their names.
pub fn between<'a>(old: &'a Code, new: &'a Code) -> Vec<Difference<'a>> {
    let files: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let of = |code: &'a Code, file| code.get(file).map_or(&[][..], Vec::as_slice);
    let differences =
        files.into_iter().map(|file| Difference::of(file, of(old, file), of(new, file)));
    differences.filter(|difference| difference.changed() > 0).collect()
}

impl<'a> Difference<'a> {
    fn of(file: &'a str, old: &'a [Line], new: &'a [Line]) -> Self {
        // This algorithm finds the shortest difference, and takes long for large files. Ours are small.
        let ops = capture_diff_slices(Algorithm::RawMyers, &texts(old), &texts(new));
        Self { file, old, new, ops }
    }

    /// Counts the lines that are added and the lines that are removed.
    pub fn changed(&self) -> usize {
        let changes = self.ops.iter().filter(|op| !matches!(op, DiffOp::Equal { .. }));
        changes.map(|op| op.old_range().len() + op.new_range().len()).sum()
    }
}

fn texts(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code;

    fn code(files: &[(&str, &str)]) -> Code {
        files.iter().map(|(name, source)| ((*name).to_owned(), code::lines(source))).collect()
    }

    #[test]
    fn added_and_removed_lines_are_counted() {
        let old = code(&[("a.rs", "one\ntwo\nthree"), ("b.rs", "same"), ("gone.rs", "1\n2")]);
        let new = code(&[("a.rs", "one\n2\nthree\nfour"), ("b.rs", "same"), ("new.rs", "1\n2\n3")]);
        let differences = between(&old, &new);
        let changed: Vec<_> =
            differences.iter().map(|difference| (difference.file, difference.changed())).collect();
        assert_eq!(changed, [("a.rs", 3), ("gone.rs", 2), ("new.rs", 3)]);
    }

    #[test]
    fn comments_and_blank_lines_make_no_difference() {
        let old = code(&[("a.rs", "// Why.\none\ntwo")]);
        let new = code(&[("a.rs", "// Why not.\none\n\n// Now.\ntwo\n")]);
        assert_eq!(between(&old, &new).len(), 0);
    }

    #[test]
    fn indentation_makes_one() {
        let old = code(&[("a.rs", "one")]);
        let new = code(&[("a.rs", "    one")]);
        assert_eq!(between(&old, &new)[0].changed(), 2);
    }
}
