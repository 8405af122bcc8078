//! Draws each stage as a card below the stage that it asks. Asks flow up, events flow down.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::meter::{FRESH, Meter, Pulse};
use super::model::Stage;
use super::pieces::{
    ASKED, EVENTS, Now, QUIET, flow, name_style, per_second, server_line, short, shortened,
    sparkline, squares,
};

/// The narrowest card that can be read.
const NARROWEST: u16 = 20;
/// The width of a label and its number.
const NUMBERS: usize = 14;
/// The lines between a card and the one below it: as many as fit.
const LINKS: [u16; 3] = [3, 2, 1];

/// The cards, in a size that fits.
pub(super) struct Cards<'a> {
    now: Now<'a>,
    link: u16,
}

impl<'a> Cards<'a> {
    /// `None` if there is not enough room.
    pub(super) fn fit(now: Now<'a>, width: u16, height: u16) -> Option<Self> {
        let producers = now.model.producers();
        let columns: u16 = producers.iter().map(|it| columns(now, it)).sum();
        if columns == 0 || width / columns < NARROWEST {
            return None;
        }
        LINKS.map(|link| Self { now, link }).into_iter().find(|cards| cards.height() <= height)
    }

    pub(super) fn height(&self) -> u16 {
        let producers = self.now.model.producers();
        let highest = producers.iter().map(|it| self.height_of(it)).max();
        1 + self.link + highest.unwrap_or_default()
    }

    fn height_of(&self, stage: &Stage) -> u16 {
        let consumers = self.now.model.consumers(stage);
        let below = consumers.iter().map(|it| self.link + self.height_of(it)).max();
        height(&self.lines(stage, 0)) + below.unwrap_or_default()
    }

    pub(super) fn draw(&self, frame: &mut Frame, area: Rect) {
        frame.render_widget(server_line(self.now), area);
        let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
        self.draw_side_by_side(frame, below, &self.now.model.producers());
    }

    /// Draws stages side by side, with the asks and events between them and the stage above.
    fn draw_side_by_side(&self, frame: &mut Frame, area: Rect, stages: &[&Stage]) {
        let all: u16 = stages.iter().map(|it| columns(self.now, it)).sum();
        let mut from = 0;
        for stage in stages {
            let to = from + columns(self.now, stage);
            // A gap follows each card. The last gap is beyond the edge.
            let [left, right] = [from, to].map(|column| (area.width + 1) * column / all);
            let width = right - left - 1;
            self.draw_stage(frame, Rect { x: area.x + left, width, ..area }, stage);
            from = to;
        }
    }

    fn draw_stage(&self, frame: &mut Frame, area: Rect, stage: &Stage) {
        let (link, card) = split(area, self.link);
        match self.now.model.link_of(stage) {
            Some(it) => self.draw_link(frame, link, &it.asks, &it.events),
            None => self.draw_link(frame, link, &stage.demanded, &stage.emitted),
        }
        let lines = self.lines(stage, area.width.into());
        let (card, below) = split(card, height(&lines));
        for (line, row) in lines.into_iter().zip(card.rows()) {
            frame.render_widget(line, row);
        }
        let consumers = self.now.model.consumers(stage);
        if !consumers.is_empty() {
            self.draw_side_by_side(frame, below, &consumers);
        }
    }

    /// Asks move up and events move down, line by line.
    fn draw_link(&self, frame: &mut Frame, area: Rect, asks: &Pulse, events: &Pulse) {
        let steps = area.height;
        let last = usize::from(steps.saturating_sub(1));
        let step = |pulse: &Pulse| {
            let age = pulse.age(self.now.at).unwrap_or(FRESH);
            (1..steps).take_while(|step| FRESH * (*step).into() / u32::from(steps) <= age).count()
        };
        let half = (area.width / 2).min(12);
        for (x, pulse, at, text, style) in [
            (0, asks, last - step(asks), "▲ asks N", ASKED),
            (half, events, step(events), "▼ N events", EVENTS),
        ] {
            let lane = Rect { x: area.x + x, width: area.width - x, ..area };
            for (index, row) in (0..).zip(lane.rows()) {
                let here = flow(self.now, pulse, text, style);
                let span = if index == at && !here.content.is_empty() {
                    here
                } else {
                    Span::styled("│", QUIET)
                };
                frame.render_widget(span, row);
            }
        }
    }

    fn lines(&self, stage: &Stage, width: usize) -> Vec<Line<'static>> {
        let model = self.now.model;
        let name = shortened(&model.label(stage), width);
        let mut lines = vec![Line::styled(name, name_style(stage))];
        let is_asked = !model.consumers(stage).is_empty();
        let asks = model.link_of(stage).is_some();
        let mut number = |label, count, style| {
            lines.push(numbered(label, count, stage.most, width, style));
        };
        if is_asked || !asks {
            number("demand", model.demand(stage), ASKED);
        }
        if asks {
            number("asked", model.unmet(stage), ASKED);
            number("held", stage.held + stage.buffered, EVENTS);
        } else {
            number("buffer", stage.buffered, EVENTS);
        }
        lines.push(if asks {
            self.metered("handled", &stage.handled, width)
        } else {
            self.metered("sent", &stage.sent, width)
        });
        lines
    }

    fn metered(&self, label: &str, meter: &Meter, width: usize) -> Line<'static> {
        let rate = per_second(meter.in_ten_seconds(self.now.at));
        let start = format!("{label:<7} {:>5} {rate:>6} ", short(meter.total()));
        let rest = width.saturating_sub(start.chars().count()).min(60);
        let seconds = meter.last_seconds(self.now.at, rest);
        Line::from_iter([Span::raw(start), Span::styled(sparkline(&seconds), EVENTS)])
    }
}

/// How many columns the cards below this one take.
fn columns(now: Now, stage: &Stage) -> u16 {
    let consumers = now.model.consumers(stage);
    consumers.iter().map(|it| columns(now, it)).sum::<u16>().max(1)
}

fn numbered(label: &str, count: u64, most: u64, width: usize, style: Style) -> Line<'static> {
    let [filled, rest] = squares(count, most, width.saturating_sub(NUMBERS), style);
    let number = format!("{:>5} ", short(count));
    Line::from_iter([Span::raw(format!("{label:<7} ")), Span::styled(number, style), filled, rest])
}

fn height(lines: &[Line]) -> u16 {
    u16::try_from(lines.len()).unwrap_or(u16::MAX)
}

fn split(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    let above = Rect { height, ..area };
    (above, Rect { y: area.y + height, height: area.height - height, ..area })
}
