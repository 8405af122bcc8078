//! Draws the fixed parts of a picture of time: the axis, the columns with their titles, and the frames of the pipelines.

use super::super::story::Story;
use super::super::svg::{Anchor, Svg, bold_width_of};
use super::layout::{Layout, frame_before};
use super::{AXIS, HALF, Scene, group_of};

impl Layout {
    pub(super) fn axis(&self, svg: &mut Svg, story: &Story) {
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

    pub(super) fn columns(&self, svg: &mut Svg, scene: &Scene) {
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
}
