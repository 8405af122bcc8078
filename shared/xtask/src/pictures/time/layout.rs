//! Where everything is in a picture of time.

use super::super::story::{Arrow, Place, Stage, Story};
use super::super::svg::{FONT, LEAST_WIDTH, MARGIN, bold_width_of, line_width, lines_of, width_of};
use super::{AXIS, DELETES, HALF, ROW, Scene, group_of};

/// The distance of two lanes, but for the number of a loop between them.
const LANE: i32 = 32;

pub(super) struct Layout {
    pub(super) lanes: Vec<i32>,
    pub(super) server: Option<i32>,
    pub(super) stages: Vec<i32>,
    pub(super) width: i32,
    /// The height of each row; `None` if the row is left out.
    pub(super) rows: Vec<Option<i32>>,
    /// Where rows are left out, and how many runs they had.
    pub(super) left_out: Option<(i32, usize)>,
    pub(super) header: i32,
    pub(super) end: i32,
    /// The width of the notes beside each stage's bars.
    pub(super) notes: Vec<i32>,
}

impl Layout {
    pub(super) fn of(scene: &Scene, story: &Story) -> Self {
        let arrows = || story.rows.iter().flat_map(|row| &row.arrows);
        let has_server = arrows().any(|arrow| arrow.touches(Place::Server));
        let run_labels =
            story.rows.iter().filter_map(|row| Some(width_of(&row.run.as_ref()?.label)));
        let first = AXIS + if has_server { 70 } else { widest(run_labels) + 40 };
        let lane_count = story.loops.iter().map(|it| it.lane + 1).max().unwrap_or(1);
        let numbers = story.loops.iter().map(|it| width_of(&format!("#{}", it.id)));
        let lane = usize::try_from(LANE + widest(numbers)).unwrap_or(1);
        let lanes: Vec<_> = (first..).step_by(lane).take(lane_count).collect();
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

    pub(super) fn heights(&self) -> Vec<i32> {
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

    pub(super) fn x(&self, place: Place, story: &Story) -> i32 {
        match place {
            Place::Server => self.server.unwrap_or(self.stages[0]),
            Place::Loop(it) => self.lanes[story.loops[it].lane],
            Place::Stage(stage) => self.stages[stage],
        }
    }
}

fn widest(widths: impl Iterator<Item = i32>) -> i32 {
    widths.max().unwrap_or_default()
}

/// The height of everything above the columns' titles.
fn header(scene: &Scene, width: i32) -> i32 {
    let caption = lines_of(scene.lesson, line_width(width)).len();
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
pub(super) fn frame_before(stage: Stage) -> i32 {
    bold_width_of(stage.1) / 2 + 20
}

impl Arrow {
    fn touches(&self, place: Place) -> bool {
        self.from == place || self.to == place
    }

    /// The gap between stages that holds its label. `None` is the gap between the server and the first stage.
    pub(super) fn gap(&self) -> Option<usize> {
        match (self.from, self.to) {
            (Place::Stage(a), Place::Stage(b)) => Some(a.min(b)),
            _ => None,
        }
    }
}
