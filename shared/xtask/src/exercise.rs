//! `cargo x exercise`: exercises for learners, made from the steps and from `shared/stage/exercises`.

mod check;
mod criteria;
mod hints;
mod list;
mod place;
mod small;
mod small_tests;
mod step;

use anyhow::{Context, Result, bail, ensure};

use crate::steps::{self, Step};
use place::Place;
use small::Small;

/// The arguments of `cargo x exercise`.
#[derive(clap::Args)]
#[command(override_usage = "cargo x exercise [EXERCISE] [--check | --hint | --again]
       for instance: cargo x exercise 5
                     cargo x exercise buffer --check")]
pub struct Args {
    /// A step to write yourself, from 2 to 9, or the name of a smaller exercise
    exercise: Option<String>,
    /// Runs your code, and shows the first difference
    #[arg(long, group = "what", requires = "exercise")]
    check: bool,
    /// Shows the next hint: each says more than the one before it, and the last one is the solution
    #[arg(long, group = "what", requires = "exercise")]
    hint: bool,
    /// Starts again; puts aside your code
    #[arg(long, group = "what", requires = "exercise")]
    again: bool,
}

/// One of the exercises.
pub enum Exercise {
    /// To make a step of the one before it.
    Step { before: Step, step: Step },
    /// A smaller one, on the stages alone.
    Small(Small),
}

impl Exercise {
    /// The name of its folder and its package.
    pub fn name(&self) -> String {
        match self {
            Self::Step { step, .. } => format!("step{:02}", step.number),
            Self::Small(small) => small.name.clone(),
        }
    }

    /// The argument after `cargo x exercise`.
    pub fn argument(&self) -> String {
        match self {
            Self::Step { step, .. } => step.number.to_string(),
            Self::Small(small) => small.name.clone(),
        }
    }
}

/// All exercises: the steps, and then the small ones.
///
/// # Errors
///
/// If they cannot be read.
pub fn all() -> Result<Vec<Exercise>> {
    let steps = steps::all()?;
    let pairs = steps.windows(2);
    let mut all: Vec<_> = pairs
        .map(|pair| Exercise::Step { before: pair[0].clone(), step: pair[1].clone() })
        .collect();
    all.extend(small::all().into_iter().map(Exercise::Small));
    Ok(all)
}

/// Carries out the arguments, in the folder `exercises` at the top of the repository.
///
/// # Errors
///
/// If there is no such exercise, if it cannot be begun or checked, or if the learner's work does not pass the check.
pub fn run(args: &Args) -> Result<()> {
    run_in(&Place::of_the_repository(), args)
}

fn run_in(place: &Place, args: &Args) -> Result<()> {
    let all = all()?;
    let Some(wanted) = &args.exercise else { return list::print(place, &all) };
    let exercise = find(&all, wanted)?;
    if args.check {
        check::print(place, exercise)
    } else if args.hint {
        hints::print(place, exercise)
    } else {
        begin(place, exercise, args.again)
    }
}

fn find<'a>(all: &'a [Exercise], wanted: &str) -> Result<&'a Exercise> {
    let found = all.iter().find(|it| [it.argument(), it.name()].iter().any(|name| name == wanted));
    if wanted == "1" {
        bail!("step 1 is where you start from: the exercises begin with 2");
    }
    found.with_context(|| {
        let names: Vec<_> = all.iter().map(Exercise::argument).collect();
        format!("there is no exercise {wanted}: there are {}", names.join(", "))
    })
}

fn begin(place: &Place, exercise: &Exercise, again: bool) -> Result<()> {
    let (name, argument) = (exercise.name(), exercise.argument());
    if place.has(&name) {
        ensure!(
            again,
            "{} is there already, and this changes nothing in it. `cargo x exercise {argument} --check` checks it, and \
             `cargo x exercise {argument} --again` puts it aside and starts again",
            place.shown(&name)
        );
        println!("Your earlier files are now in {}.", place.put_aside(&name)?);
    }
    let files = match exercise {
        Exercise::Step { before, step } => step::files(before, step)?,
        Exercise::Small(small) => small.files()?,
    };
    place.write(&name, &files)?;
    println!(
        "{folder} is yours to change. Begin with {folder}/README.md.\n\n  \
         cargo x exercise {argument} --check   runs your code, and shows the first difference\n  \
         cargo x exercise {argument} --hint    shows a hint, and a plainer one each time\n  \
         cargo x exercise {argument} --again   puts your work aside, and starts again",
        folder = place.shown(&name)
    );
    Ok(())
}

#[cfg(test)]
mod tests;
