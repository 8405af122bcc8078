//! Draws a picture of time: each stage and each loop of the server has a column, and time goes down.

mod columns;
mod layout;
mod words;

use std::ops::RangeInclusive;

use anyhow::{Result, ensure};

use super::legend::Legend;
use super::story::{Arrow, Bar, Loop, Place, Stage, Story};
use super::svg::{Anchor, MARGIN, Svg, line_width, width_of};
use layout::{Layout, frame_before};
use words::in_words;
pub use words::row_in_words;

/// The stretch of a run that a picture shows, and its texts.
#[derive(Clone)]
pub struct Scene {
    /// How the picture's file name begins.
    pub picture: &'static str,
    /// The program that is run. Step 9 has a program of its own here, because it needs a runtime of one thread.
    pub program: &'static str,
    pub title: &'static str,
    /// The sentence below the title.
    pub lesson: &'static str,
    /// The program's arguments.
    pub arguments: &'static [&'static str],
    /// The files in the folder in which it runs, and their sizes in KiB.
    pub files: &'static [(&'static str, usize)],
    /// The title of the column from which the first stage's events come.
    pub source: &'static str,
    /// Whether the first stage pulls its events from there.
    pub pulls: bool,
    pub stages: &'static [Stage],
    /// How the label of a loop's events begins.
    pub verb: &'static str,
    /// Where the picture ends, in tenths of a second.
    pub until: u32,
    /// A stretch that repeats an earlier one.
    pub leave_out: Option<RangeInclusive<u32>>,
    /// The extra length of a second.
    pub second: i32,
    /// The label to highlight.
    pub point: &'static str,
    /// Whether the picture shows when messages are deleted.
    pub deletes: bool,
    /// Whether the program uses the embedded SQS and S3.
    pub has_network: bool,
}

impl Scene {
    /// The name of a stage. Within a pipeline, its title alone would not tell it from those of others.
    pub fn name_of(&self, stage: usize) -> String {
        let (name, title) = self.stages[stage];
        if group_of(self.stages[stage]).is_some() { name.to_owned() } else { title.to_owned() }
    }
}

const ROW: i32 = 34;
const AXIS: i32 = 60;
const DELETES: &str = "deleted";
/// How the embedded SQS and S3 simulate a network on a paused clock.
const NETWORK: &str = "The network is a made-up one: 0.2 s a request, 1 MiB a second.";
/// Half of the width of a bar.
pub const HALF: i32 = 7;

/// Where the rows of a picture are.
pub struct Heights {
    /// Those that are left out share the gap that they leave.
    pub rows: Vec<i32>,
    pub end: i32,
}

/// Draws the picture.
///
/// # Errors
///
/// If something begins in a row that is shown and ends in one that is left out.
pub fn draw(scene: &Scene, story: &Story) -> Result<(String, Heights)> {
    let layout = Layout::of(scene, story);
    let legend = Legend::of(story, line_width(layout.width));
    let note = if scene.has_network { 24 } else { 0 };
    let height = layout.end + 40 + legend.height() + note + MARGIN;
    let id = format!("{}-time", scene.picture);
    let mut svg = Svg::new(&id, layout.width, height);
    svg.caption(scene.title, scene.lesson);
    layout.axis(&mut svg, story);
    layout.columns(&mut svg, scene);
    layout.loops(&mut svg, story)?;
    layout.bars(&mut svg, story)?;
    layout.happenings(&mut svg, story, scene);
    legend.draw(&mut svg, (MARGIN, layout.end + 52));
    if scene.has_network {
        let y = layout.end + 52 + legend.height();
        svg.text("muted", (MARGIN, y), Anchor::Start, NETWORK);
    }
    let description = format!("{} {}", scene.lesson, in_words(scene, story));
    let picture = svg.finish(&format!("{}, in time", scene.title), &description);
    Ok((picture, Heights { rows: layout.heights(), end: layout.end }))
}

impl Layout {
    /// The heights of two rows, if they are shown.
    fn span(&self, from: usize, to: Option<usize>) -> Result<Option<(i32, i32)>> {
        let to = match to {
            Some(to) => self.rows[to],
            None => Some(self.end),
        };
        ensure!(
            self.rows[from].is_some() <= to.is_some(),
            "a stretch that begins in row {from} ends in a part that is left out"
        );
        Ok(self.rows[from].zip(to))
    }

    fn loops(&self, svg: &mut Svg, story: &Story) -> Result<()> {
        for it in &story.loops {
            let Some((from, to)) = self.span(it.from, it.to)? else { continue };
            svg.stretch(it.from, it.to, |svg| self.draw_loop(svg, it, (from, to)));
        }
        Ok(())
    }

    fn draw_loop(&self, svg: &mut Svg, it: &Loop, (from, to): (i32, i32)) {
        let x = self.lanes[it.lane];
        let tail = if it.is_terminated || it.to.is_none() { 0 } else { 12 };
        svg.rect("loop", (x - HALF, from - 8), (2 * HALF, to - from + 8 + tail), 3);
        svg.text("halo", (x - HALF - 5, from + 5), Anchor::End, &format!("#{}", it.id));
        if it.to.is_none() {
            svg.line("gone", (x, to), (x, to + 16));
        }
        if it.is_terminated {
            let (left, right, top, bottom) = (x - 9, x + 9, to - 9, to + 9);
            let cross = format!("M{left} {top}L{right} {bottom}M{right} {top}L{left} {bottom}");
            svg.path("cross", &cross);
            svg.text("muted halo", (x - 16, to + 5), Anchor::End, "terminated");
        }
    }

    fn bars(&self, svg: &mut Svg, story: &Story) -> Result<()> {
        for bar in &story.bars {
            let Some((from, to)) = self.span(bar.from, bar.to)? else { continue };
            svg.stretch(bar.from, bar.to, |svg| self.draw_bar(svg, bar, (from, to)));
        }
        Ok(())
    }

    fn draw_bar(&self, svg: &mut Svg, bar: &Bar, (from, to): (i32, i32)) {
        let (x, bottom) = (self.stages[bar.stage], to.max(from + 12));
        let class = if bar.waits { "waits" } else { "bar" };
        svg.rect(class, (x - HALF, from), (2 * HALF, bottom - from), 3);
        if !bar.note.is_empty() {
            let y = if to > from { from + 20 } else { from + 5 };
            svg.text("muted halo", (x + HALF + 7, y), Anchor::Start, &bar.note);
        }
        if bar.to.is_none() {
            svg.line("gone", (x, to), (x, to + 16));
        }
    }

    fn happenings(&self, svg: &mut Svg, story: &Story, scene: &Scene) {
        for (index, y) in self.rows.iter().enumerate() {
            let Some(y) = *y else { continue };
            svg.row(index, |svg| self.happening(svg, story, scene, (index, y)));
        }
    }

    fn happening(&self, svg: &mut Svg, story: &Story, scene: &Scene, (index, y): (usize, i32)) {
        let row = &story.rows[index];
        for arrow in &row.arrows {
            self.arrow(svg, story, (index, y), arrow, scene);
        }
        if let (true, Some(x)) = (row.deletes, self.stages.last()) {
            svg.text("strong halo", (x + HALF + 7, y + 5), Anchor::Start, DELETES);
            svg.line("axis", (x - HALF, y), (x + HALF, y));
        }
        if !row.note.is_empty() {
            let x = self.stages[0];
            svg.text("muted halo", (x - 8, y + 5), Anchor::End, &row.note);
        }
        if let Some(run) = &row.run {
            let x = self.lanes[story.loops[run.of].lane];
            svg.circle(if run.finds { "some" } else { "none" }, (x, y), 5);
            svg.text("halo", (x - HALF - 8, y + 5), Anchor::End, &run.label);
        }
    }

    fn arrow(
        &self,
        svg: &mut Svg,
        story: &Story,
        (row, y): (usize, i32),
        arrow: &Arrow,
        scene: &Scene,
    ) {
        let class = if arrow.is_ask { "ask" } else { "event" };
        let (from, to) = (self.x(arrow.from, story), self.x(arrow.to, story));
        let to_the_left = to < from;
        let side = if to_the_left { -1 } else { 1 };
        let from = from + side * self.half(arrow.from, row, story);
        let tip = to - side * self.half(arrow.to, row, story);
        svg.arrow(class, &[(from, y), (tip, y)]);
        let (left, right) = match arrow.gap() {
            Some(gap) => {
                let [stage, next] = [scene.stages[gap], scene.stages[gap + 1]];
                let is_entered = group_of(next).is_some() && group_of(stage) != group_of(next);
                let frame = if is_entered { frame_before(next) } else { 0 };
                (self.stages[gap], self.stages[gap + 1] - frame)
            }
            None => {
                (self.lanes.last().copied().or(self.server).unwrap_or_default(), self.stages[0])
            }
        };
        let (x, label) = (i32::midpoint(left, right), &arrow.label);
        if *label == scene.point {
            let half = width_of(label) / 2 + 14;
            svg.rect("point", (x - half, y - 25), (2 * half, 23), 11);
            svg.text(&format!("{class} strong"), (x, y - 8), Anchor::Middle, label);
        } else {
            svg.text(&format!("{class} strong halo"), (x, y - 7), Anchor::Middle, label);
        }
    }

    /// Half the width of a place in that row.
    fn half(&self, place: Place, row: usize, story: &Story) -> i32 {
        match place {
            Place::Loop(_) => HALF,
            Place::Server => 0,
            Place::Stage(stage) => {
                let is_there = story.bars.iter().any(|bar| {
                    bar.stage == stage && bar.from <= row && bar.to.is_none_or(|to| row <= to)
                });
                if is_there { HALF } else { 0 }
            }
        }
    }
}

pub fn group_of(stage: Stage) -> Option<&'static str> {
    stage.0.split_once(' ').map(|(group, _)| group)
}
