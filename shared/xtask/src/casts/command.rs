//! The commands of the talk notes.

use anyhow::{Context, Result, ensure};

use super::{PLANS, Plan};

/// A command of the notes, and how it shortens the program's output.
pub(super) struct Shown {
    pub(super) plan: &'static Plan,
    pub(super) filters: Vec<Filter>,
}

pub(super) enum Filter {
    /// Lines with one of these texts.
    Grep {
        texts: Vec<String>,
        ignores_case: bool,
    },
    Head(usize),
}

impl Shown {
    /// `None` if it is no `cargo run`.
    ///
    /// # Errors
    ///
    /// If the command is not recorded, or has a pipe that is not understood.
    pub(super) fn of(line: &str) -> Result<Option<Self>> {
        let line = line.strip_prefix("PALLETO_CLOCK=paused ").unwrap_or(line);
        let Some(run) = line.strip_prefix("cargo run -p ") else { return Ok(None) };
        let mut parts = run.split(" | ");
        let run = parts.next().unwrap_or_default();
        let (program, arguments) = run.split_once(" -- ").unwrap_or((run, ""));
        let arguments: Vec<_> = arguments.split_whitespace().collect();
        let is_it = |plan: &&Plan| plan.program == program && plan.arguments == arguments;
        let plan = PLANS.iter().find(is_it);
        let plan =
            plan.with_context(|| format!("there is no recording of {line}: add it to casts.rs"))?;
        let filters: Result<_> = parts.map(Filter::of).collect();
        Ok(Some(Self { plan, filters: filters? }))
    }
}

impl Filter {
    fn of(pipe: &str) -> Result<Self> {
        if let Some(count) = pipe.strip_prefix("head -") {
            return Ok(Self::Head(count.parse()?));
        }
        let (command, texts) =
            pipe.split_once(" \"").with_context(|| format!("{pipe} is not known"))?;
        ensure!(["grep", "grep -E", "grep -iE"].contains(&command), "{command} is not known");
        let texts = texts.trim_end_matches('"').split('|').map(str::to_owned).collect();
        Ok(Self::Grep { texts, ignores_case: command.contains('i') })
    }

    pub(super) fn apply(&self, lines: &mut Vec<(u32, String)>) {
        match self {
            Self::Head(count) => lines.truncate(*count),
            Self::Grep { texts, ignores_case } => lines.retain(|(_, line)| {
                let line = if *ignores_case { line.to_lowercase() } else { line.clone() };
                texts.iter().any(|text| line.contains(text))
            }),
        }
    }
}
