//! Works on several things, where one failure does not stop the others.

use anyhow::{Result, bail};

/// Does the work for each, and fails in the end with all failures.
///
/// # Errors
///
/// If the work failed for any of them.
pub fn each<T>(
    all: impl IntoIterator<Item = T>,
    mut work: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let failures = all.into_iter().filter_map(|one| work(one).err());
    let failures: Vec<_> = failures.map(|error| format!("{error:#}")).collect();
    if !failures.is_empty() {
        bail!("{}", failures.join("\n"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::*;

    #[test]
    fn a_failure_does_not_stop_the_others() {
        let mut done = Vec::new();
        let result = each(1..=4, |number| {
            done.push(number);
            ensure!(number % 2 == 1, "{number} is even");
            Ok(())
        });
        assert_eq!(done, [1, 2, 3, 4]);
        assert_eq!(result.unwrap_err().to_string(), "2 is even\n4 is even");
    }
}
