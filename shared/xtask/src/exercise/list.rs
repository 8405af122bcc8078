//! The list of the exercises, and how far the learner is.

use std::fmt::Write;

use anyhow::Result;

use super::place::Place;
use super::{Exercise, step};

/// Prints all exercises.
///
/// # Errors
///
/// If a step cannot be read.
pub fn print(place: &Place, all: &[Exercise]) -> Result<()> {
    print!("{}", list(place, all)?);
    println!("\n`cargo x exercise 2` begins the first one.");
    Ok(())
}

fn list(place: &Place, all: &[Exercise]) -> Result<String> {
    let mut list = String::from("To write a step yourself, from the one before it:\n");
    let mut small = false;
    for exercise in all {
        if matches!(exercise, Exercise::Small(_)) && !small {
            list += "\nSmaller ones, on the stages alone:\n";
            small = true;
        }
        let title = match exercise {
            Exercise::Step { step, .. } => {
                let readme = step::readme(step)?;
                let title = readme.lines().next().unwrap_or_default();
                title.split_once(": ").map_or(title, |(_, title)| title).to_owned()
            }
            Exercise::Small(small) => small.title()?,
        };
        let _ = writeln!(
            list,
            "  {:<12} {:<11}  {title}",
            exercise.argument(),
            state(place, &exercise.name())
        );
    }
    Ok(list)
}

fn state(place: &Place, name: &str) -> &'static str {
    match place.has(name) {
        false => "",
        true if place.state(name).passed => "passes",
        true => "begun",
    }
}
