//! The lines that a command prints, as they arrive.

/// More lines than any gap of a README stands for. The limit is necessary because on the paused clock, steps
/// 1 to 5 print without end and without waits.
const MOST: usize = 10_000;

/// Lines that are read on demand, and kept.
pub struct Lines {
    source: Box<dyn Iterator<Item = Result<String, &'static str>>>,
    seen: Vec<String>,
    /// The reason why reading has ended.
    end: Option<&'static str>,
}

impl Lines {
    /// `source` ends when the command ends, or with the reason for not waiting any longer.
    pub fn new(source: impl Iterator<Item = Result<String, &'static str>> + 'static) -> Self {
        Self { source: Box::new(source), seen: Vec::new(), end: None }
    }

    /// The lines read so far.
    pub fn seen(&self) -> &[String] {
        &self.seen
    }

    /// Returns the line with this number, counted from 0, or the reason why there is none.
    pub fn get(&mut self, number: usize) -> Result<&str, &'static str> {
        while self.seen.len() <= number && self.end.is_none() {
            match self.source.next() {
                _ if self.seen.len() == MOST => self.end = Some("it prints without end"),
                Some(Ok(line)) => self.seen.push(line),
                Some(Err(why)) => self.end = Some(why),
                None => self.end = Some(ENDED),
            }
        }
        self.seen.get(number).map(String::as_str).ok_or(self.end.unwrap_or(ENDED))
    }

    /// Returns the number of the first wanted line at or after `from`.
    pub fn find(
        &mut self,
        from: usize,
        is_it: impl Fn(&str) -> bool,
    ) -> Result<usize, &'static str> {
        let mut number = from;
        while !is_it(self.get(number)?) {
            number += 1;
        }
        Ok(number)
    }

    /// Returns all lines, if the command ends.
    pub fn all(&mut self) -> Result<&[String], &'static str> {
        match self.get(MOST) {
            Err(why) if why != ENDED => Err(why),
            _ => Ok(&self.seen),
        }
    }
}

const ENDED: &str = "it ends";

#[cfg(test)]
impl From<&str> for Lines {
    fn from(lines: &str) -> Self {
        let lines: Vec<_> = lines.lines().map(|line| Ok(line.to_owned())).collect();
        Self::new(lines.into_iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_when_they_are_looked_at() {
        let mut lines = Lines::new(["a", "b", "c"].into_iter().map(|line| Ok(line.to_owned())));
        assert_eq!(lines.get(1), Ok("b"));
        assert_eq!(lines.seen().len(), 2);
        assert_eq!(lines.get(0), Ok("a"));
        assert_eq!(lines.find(0, |line| line == "c"), Ok(2));
        assert_eq!(lines.get(3), Err(ENDED));
        assert_eq!(lines.all().map(<[_]>::len), Ok(3));
    }

    #[test]
    fn what_does_not_end_is_not_read_for_ever() {
        let mut lines = Lines::new(std::iter::repeat_with(|| Ok("ho".to_owned())));
        assert!(lines.find(0, |line| line == "ha").is_err());
        assert!(lines.all().is_err());
        let mut lines = Lines::new([Ok("a".to_owned()), Err("too long")].into_iter());
        assert_eq!(lines.all(), Err("too long"));
    }
}
