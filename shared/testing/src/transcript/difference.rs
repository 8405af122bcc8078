//! The first line in which a README and the real output differ.

use std::fmt;

/// The first difference between a README's transcript and the program's output.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// The line that the README shows, or nothing if it shows no more.
    pub shown: Option<String>,
    /// The line that is printed instead, or the reason why there is none.
    pub happens: Result<String, &'static str>,
}

impl Difference {
    /// Another line is printed.
    pub fn another(shown: &str, happens: &str) -> Self {
        Self { shown: Some(shown.to_owned()), happens: Ok(happens.to_owned()) }
    }

    /// The line is not printed.
    pub fn missing(shown: &str, why: &'static str) -> Self {
        Self { shown: Some(shown.to_owned()), happens: Err(why) }
    }

    /// A line is printed that is not shown.
    pub fn one_more(happens: &str) -> Self {
        Self { shown: None, happens: Ok(happens.to_owned()) }
    }

    /// All is shown, but the command does not end.
    pub fn without_end(why: &'static str) -> Self {
        Self { shown: None, happens: Err(why) }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.shown, &self.happens) {
            (Some(shown), Ok(happens)) => write!(f, "shown:\n{shown}\nhappens:\n{happens}"),
            (Some(shown), Err(why)) => write!(f, "shown, but it does not happen ({why}):\n{shown}"),
            (None, Ok(happens)) => write!(f, "happens too, and is not shown:\n{happens}"),
            (None, Err(why)) => write!(f, "all is shown, but {why}"),
        }
    }
}
