//! Draws a picture of time: each stage and each loop of the server has a column, and time goes down.

use std::fmt::Write;
use std::ops::RangeInclusive;

use anyhow::{Result, ensure};

use super::legend::Legend;
use super::story::{Arrow, Bar, Loop, Place, Row, Stage, Story};
use super::svg::{Anchor, FONT, LEAST_WIDTH, MARGIN, Svg, bold_width_of, lines_of, width_of};

/// The stretch of a run that a picture shows, and its texts.
pub struct Scene {
    /// How the picture's file name begins.
    pub picture: &'static str,
    /// The program that is run. Step 9 has a program of its own here, because it needs a runtime of one thread.
    pub program: &'static str,
    pub title: &'static str,
    /// A sentence on what the picture shows.
    pub lesson: &'static str,
    /// The program's arguments.
    pub arguments: &'static [&'static str],
    /// The title of the column from which the first stage's events come.
    pub source: &'static str,
    /// Whether the first stage pulls its events from there.
    pub pulls: bool,
    pub stages: &'static [Stage],
    /// How the label of a loop's events begins.
    pub verb: &'static str,
    /// Where the picture ends, in tenths of a second.
    pub until: u32,
    /// A stretch that repeats what came before.
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

const ROW: i32 = 34;
const LANE: usize = 50;
const AXIS: i32 = 60;
const DELETES: &str = "deleted";
/// How the embedded SQS and S3 simulate a network on a paused clock.
const NETWORK: &str = "The network is a made-up one: 0.2 s a request, 1 MiB a second.";
/// Half of the width of a bar.
pub const HALF: i32 = 7;

struct Layout {
    lanes: Vec<i32>,
    server: Option<i32>,
    stages: Vec<i32>,
    width: i32,
    /// The height of each row; `None` if the row is left out.
    rows: Vec<Option<i32>>,
    /// Where rows are left out, and how many runs they had.
    left_out: Option<(i32, usize)>,
    header: i32,
    end: i32,
    /// The width of the notes beside each stage's bars.
    notes: Vec<i32>,
}

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
    let legend = Legend::of(story, layout.width - 2 * MARGIN);
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
    fn of(scene: &Scene, story: &Story) -> Self {
        let arrows = || story.rows.iter().flat_map(|row| &row.arrows);
        let has_server = arrows().any(|arrow| arrow.touches(Place::Server));
        let run_labels =
            story.rows.iter().filter_map(|row| Some(width_of(&row.run.as_ref()?.label)));
        let first = AXIS + if has_server { 70 } else { widest(run_labels) + 40 };
        let lane_count = story.loops.iter().map(|it| it.lane + 1).max().unwrap_or(1);
        let lanes: Vec<_> = (first..).step_by(LANE).take(lane_count).collect();
        let last_lane = lanes.last().copied().unwrap_or(first);
        let notes: Vec<_> =
            (0..scene.stages.len()).map(|stage| width_of_notes(stage, story)).collect();
        let gaps = gaps(scene, story, &notes, (last_lane - first) / 2);
        let right = right_of_the_last(scene, story, &notes);

        let title = width_of(scene.title) * 18 / FONT + 3 * MARGIN;
        let least = last_lane + gaps.iter().sum::<i32>() + right;
        // Room to spare is shared out.
        let width = least.max(title).max(LEAST_WIDTH);
        let spare = (width - least) / i32::try_from(gaps.len()).unwrap_or(1);
        let mut x = last_lane;
        let stages = gaps.iter().map(|gap| {
            x += gap + spare;
            x
        });
        let stages = stages.collect();
        let mut layout = Self {
            lanes: if has_server { Vec::new() } else { lanes },
            server: has_server.then_some(first),
            stages,
            width,
            rows: Vec::new(),
            left_out: None,
            header: header(scene, width),
            end: 0,
            notes,
        };
        layout.place_rows(scene, story);
        layout
    }

    fn place_rows(&mut self, scene: &Scene, story: &Story) {
        let mut y = self.header + 62;
        let mut before: Option<u32> = None;
        for row in &story.rows {
            if scene.leave_out.as_ref().is_some_and(|left_out| left_out.contains(&row.at)) {
                let runs = usize::from(row.run.is_some());
                let (_, count) = self.left_out.get_or_insert_with(|| (y + ROW + 4, 0));
                *count += runs;
                before = None;
                self.rows.push(None);
                continue;
            }
            y += match before {
                None if self.rows.is_empty() => 0,
                None => 2 * ROW + 8,
                Some(before) if before == row.at => ROW,
                Some(before) => {
                    let seconds = i32::try_from(row.at - before).unwrap_or(i32::MAX).min(10);
                    ROW + scene.second * seconds / 10 + if row.at - before > 10 { 8 } else { 0 }
                }
            };
            before = Some(row.at);
            self.rows.push(Some(y));
        }
        self.end = y + 30;
    }

    fn heights(&self) -> Vec<i32> {
        let mut heights = Vec::new();
        let mut above = self.header;
        let mut left_out = 0;
        for y in self.rows.iter().copied().chain([Some(self.end)]) {
            let Some(y) = y else {
                left_out += 1;
                continue;
            };
            heights.extend((1..=left_out).map(|it| above + (y - above) * it / (left_out + 1)));
            heights.push(y);
            (above, left_out) = (y, 0);
        }
        heights.pop();
        heights
    }

    fn x(&self, place: Place, story: &Story) -> i32 {
        match place {
            Place::Server => self.server.unwrap_or(self.stages[0]),
            Place::Loop(it) => self.lanes[story.loops[it].lane],
            Place::Stage(stage) => self.stages[stage],
        }
    }

    fn axis(&self, svg: &mut Svg, story: &Story) {
        let is_exact = story.rows.iter().all(|row| row.at % 10 == 0);
        let mut before: Option<(u32, i32)> = None;
        for (index, (row, y)) in story.rows.iter().zip(&self.rows).enumerate() {
            let Some(y) = *y else {
                continue;
            };
            if before.is_none_or(|(at, _)| at != row.at) {
                let (seconds, tenth) = (row.at / 10, row.at % 10);
                let label =
                    if is_exact { format!("{seconds} s") } else { format!("{seconds}.{tenth} s") };
                svg.row(index, |svg| {
                    svg.text("muted", (AXIS - 8, y + 5), Anchor::End, &label);
                    svg.line("axis", (AXIS - 4, y), (AXIS + 4, y));
                });
            }
            if let Some((at, from)) = before {
                let shortened = if row.at - at > 10 { "axis shortened" } else { "axis" };
                svg.line(shortened, (AXIS, from), (AXIS, y));
            }
            before = Some((row.at, y));
        }
        if let Some((_, y)) = before {
            svg.line("axis shortened", (AXIS, y), (AXIS, self.end));
        }
        if let Some((y, runs)) = self.left_out {
            let x = story.loops.iter().rfind(|it| self.rows[it.from].is_some_and(|from| from < y));
            let x = x.map_or(self.stages[0], |it| self.lanes[it.lane]);
            let text = format!("… {runs} more runs …");
            svg.text("muted halo", (x - HALF - 8, y + 5), Anchor::End, &text);
        }
    }

    fn columns(&self, svg: &mut Svg, scene: &Scene) {
        let top = self.header + 36;
        let (from, to) = match (self.server, self.lanes.first(), self.lanes.last()) {
            (Some(server), ..) => (server, server),
            (_, Some(first), Some(last)) => (*first, *last),
            _ => return,
        };
        let title = scene.source;
        let middle = i32::midpoint(from, to);
        let half = (bold_width_of(title) / 2 + 10).max((to - from) / 2 + 16);
        self.column(svg, title, middle, half);
        if let Some(server) = self.server {
            svg.line("life", (server, top), (server, self.end));
            svg.line("gone", (server, self.end), (server, self.end + 16));
        }
        self.groups(svg, scene);
        for (x, (_, title)) in self.stages.iter().zip(scene.stages) {
            self.column(svg, title, *x, bold_width_of(title) / 2 + 10);
            svg.line("life", (*x, top), (*x, self.end));
            svg.line("gone", (*x, self.end), (*x, self.end + 16));
        }
    }

    /// Frames the stages of each pipeline. Their names begin with the pipeline's name.
    fn groups(&self, svg: &mut Svg, scene: &Scene) {
        let groups = scene.stages.windows(2).zip(self.stages.windows(2)).zip(self.notes.windows(2));
        for ((group, x), notes) in groups {
            let (Some(name), Some(same)) = (group_of(group[0]), group_of(group[1])) else {
                continue;
            };
            if name != same {
                continue;
            }
            let left = x[0] - frame_before(group[0]);
            let right = x[1] + (bold_width_of(group[1].1) / 2 + 20).max(notes[1] + 8);
            let top = self.header - 22;
            svg.rect("group", (left, top), (right - left, self.end - top + 18), 8);
            svg.text("muted", (i32::midpoint(left, right), top + 18), Anchor::Middle, name);
        }
    }

    fn column(&self, svg: &mut Svg, title: &str, x: i32, half: i32) {
        svg.rect("box", (x - half, self.header + 4), (2 * half, 32), 6);
        svg.text("head-text", (x, self.header + 25), Anchor::Middle, title);
    }

    /// The heights of two rows, if they are shown.
    fn span(&self, from: usize, to: Option<usize>) -> Result<Option<(i32, i32)>> {
        let to = match to {
            Some(to) => self.rows[to],
            None => Some(self.end),
        };
        ensure!(
            self.rows[from].is_some() <= to.is_some(),
            "what begins in row {from} ends where it is left out"
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

fn widest(widths: impl Iterator<Item = i32>) -> i32 {
    widths.max().unwrap_or_default()
}

/// The height of everything above the columns' titles.
fn header(scene: &Scene, width: i32) -> i32 {
    let caption = lines_of(scene.lesson, width - 2 * MARGIN).len();
    let has_groups = scene.stages.iter().any(|stage| group_of(*stage).is_some());
    54 + 20 * i32::try_from(caption).unwrap_or_default() + if has_groups { 26 } else { 0 }
}

/// The width of the notes beside a stage's bars.
fn width_of_notes(stage: usize, story: &Story) -> i32 {
    let bars = story.bars.iter().filter(|bar| bar.stage == stage && !bar.note.is_empty());
    widest(bars.map(|bar| HALF + 7 + width_of(&bar.note)))
}

/// The distances between columns. The first one begins at the last of the server's lanes; half of the lanes are left of the
/// middle of their title.
fn gaps(scene: &Scene, story: &Story, notes: &[i32], half_of_the_lanes: i32) -> Vec<i32> {
    let labels = |gap| {
        let arrows = story.rows.iter().flat_map(|row| &row.arrows);
        widest(arrows.filter(|arrow| arrow.gap() == gap).map(|arrow| width_of(&arrow.label)))
    };
    let titles = i32::midpoint(bold_width_of(scene.source), bold_width_of(scene.stages[0].1));
    let note = widest(story.rows.iter().map(|row| width_of(&row.note)));
    let mut gaps = vec![(labels(None).max(note).max(70) + 50).max(titles + 34 - half_of_the_lanes)];
    for (index, pair) in scene.stages.windows(2).enumerate() {
        let titles = i32::midpoint(bold_width_of(pair[0].1), bold_width_of(pair[1].1));
        let is_group = group_of(pair[0]).is_some() && group_of(pair[0]) == group_of(pair[1]);
        let (boxes, next) = if is_group {
            (titles + 32, 0)
        } else {
            (titles + 60, bold_width_of(pair[1].1) / 2 + 30)
        };
        let note = notes[index] + next + 16;
        gaps.push(boxes.max(labels(Some(index)) + 50).max(note));
    }
    gaps
}

/// The distance from the middle of the last stage's column to the edge.
fn right_of_the_last(scene: &Scene, story: &Story, notes: &[i32]) -> i32 {
    let title = scene.stages.last().map_or(0, |stage| bold_width_of(stage.1)) / 2 + 20;
    let has_deletes = story.rows.iter().any(|row| row.deletes);
    let deletes = if has_deletes { width_of(DELETES) + 20 } else { 0 };
    let note = notes.last().map_or(0, |note| note + 16);
    title.max(deletes).max(note).max(40) + MARGIN
}

/// The distance from a stage to the left side of its pipeline's frame.
fn frame_before(stage: Stage) -> i32 {
    bold_width_of(stage.1) / 2 + 20
}

pub fn group_of(stage: Stage) -> Option<&'static str> {
    stage.0.split_once(' ').map(|(group, _)| group)
}

impl Arrow {
    fn touches(&self, place: Place) -> bool {
        self.from == place || self.to == place
    }

    /// The gap between stages that holds its label. `None` is the gap between the server and the first stage.
    fn gap(&self) -> Option<usize> {
        match (self.from, self.to) {
            (Place::Stage(a), Place::Stage(b)) => Some(a.min(b)),
            _ => None,
        }
    }
}

/// Describes the picture for screen readers.
fn in_words(scene: &Scene, story: &Story) -> String {
    let mut words = String::new();
    let mut at = None;
    for row in &story.rows {
        let said = row_in_words(scene, story, row);
        if said.is_empty() {
            continue;
        }
        if at != Some(row.at) {
            at = Some(row.at);
            let _ = write!(words, "At {}.{} s: ", row.at / 10, row.at % 10);
        }
        words += &said;
        words += ". ";
    }
    words.trim_end().to_owned()
}

/// Describes one row.
pub fn row_in_words(scene: &Scene, story: &Story, row: &Row) -> String {
    let name = |place: Place| match place {
        Place::Server => "the server".to_owned(),
        Place::Loop(it) => format!("#{}", story.loops[it].id),
        Place::Stage(stage) if group_of(scene.stages[stage]).is_some() => {
            scene.stages[stage].0.to_owned()
        }
        Place::Stage(stage) => scene.stages[stage].1.to_owned(),
    };
    let mut said: Vec<String> = Vec::new();
    for arrow in &row.arrows {
        let verb = if arrow.is_ask { "asks" } else { "sends" };
        let label = arrow.label.trim_start_matches("asks ");
        said.push(format!("{} {verb} {}: {label}", name(arrow.from), name(arrow.to)));
    }
    if let Some(run) = &row.run {
        let found = if run.finds { "" } else { ", finds nothing" };
        said.insert(0, format!("{} {}{found}", name(Place::Loop(run.of)), run.label));
    }
    if !row.note.is_empty() {
        said.push(format!("{}: {}", name(Place::Stage(0)), row.note));
    }
    if row.deletes {
        said.push("the message is deleted".to_owned());
    }
    said.join("; ")
}
