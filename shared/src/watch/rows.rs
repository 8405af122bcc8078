//! Draws each stage as a row below the stage that it asks, for a small terminal or many stages.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::model::Stage;
use super::pieces::{
    ASKED, BOLD, EVENTS, Now, QUIET, flow, name_style, per_second, server_line, short, shortened,
    sparkline, squares,
};

/// The width of the columns that are always shown.
const COLUMNS: u16 = 60;
const SQUARES: u16 = 10;
/// The length of `Pipeline1 ProducerConsumer`, indented by two spaces.
const NAME: u16 = 28;

pub(super) fn height(now: Now) -> u16 {
    u16::try_from(2 + stages(now).len()).unwrap_or(u16::MAX)
}

pub(super) fn draw(frame: &mut Frame, area: Rect, now: Now) {
    let mut rows = area.rows();
    // Once, and not for each row, because finding the widths takes longer than drawing.
    let cells = cells(area);
    let cells = |row: Rect| cells.map(|cell| Rect { y: row.y, height: row.height, ..cell });
    if let Some(row) = rows.next() {
        frame.render_widget(server_line(now), row);
    }
    if let Some(row) = rows.next() {
        let heads = ["", "", "", "", "", "asked", "held", "done", "", ""];
        for (cell, head) in cells(row).into_iter().zip(heads) {
            frame.render_widget(Line::styled(head, QUIET).right_aligned(), cell);
        }
    }
    let stages = stages(now);
    let rows: Vec<_> = rows.collect();
    let hidden = stages.len().saturating_sub(rows.len());
    for (index, ((depth, stage), row)) in stages.iter().zip(&rows).enumerate() {
        if hidden > 0 && index + 1 == rows.len() {
            let more = format!("… and {} more stages", hidden + 1);
            frame.render_widget(Line::styled(more, QUIET), *row);
        } else {
            draw_row(frame, cells(*row), now, *depth, stage);
        }
    }
}

fn draw_row(frame: &mut Frame, cells: [Rect; 10], now: Now, depth: usize, stage: &Stage) {
    let [up, down, name, _, bar, asked, held, handled, rate, spark] = cells;
    let model = now.model;
    let (asks, events) = match model.link_of(stage) {
        Some(link) => (&link.asks, &link.events),
        None => (&stage.demanded, &stage.emitted),
    };
    frame.render_widget(flow(now, asks, "▲N", ASKED), up);
    frame.render_widget(flow(now, events, "▼N", EVENTS), down);
    let indent = " ".repeat(depth);
    let label = shortened(&model.label(stage), usize::from(name.width).saturating_sub(depth));
    let label = Span::styled(label, name_style(stage));
    frame.render_widget(Line::from_iter([Span::raw(indent), label]), name);
    let (count, meter) = match model.link_of(stage) {
        Some(_) => (model.unmet(stage), &stage.handled),
        None => (model.demand(stage), &stage.sent),
    };
    let bar_width = bar.width.saturating_sub(1).into();
    frame.render_widget(Line::from_iter(squares(count, stage.most, bar_width, ASKED)), bar);
    let right = |text: String, style| Line::styled(text, style).right_aligned();
    frame.render_widget(right(short(count), ASKED), asked);
    frame.render_widget(right(short(stage.held + stage.buffered), EVENTS), held);
    frame.render_widget(right(short(meter.total()), BOLD), handled);
    frame.render_widget(right(per_second(meter.in_ten_seconds(now.at)), BOLD), rate);
    let seconds = meter.last_seconds(now.at, usize::from(spark.width).saturating_sub(1));
    frame.render_widget(right(sparkline(&seconds), EVENTS), spark);
}

/// All stages, each after the stage that it asks, with its depth below the first.
fn stages(now: Now<'_>) -> Vec<(usize, &Stage)> {
    let mut stages = Vec::new();
    let mut next: Vec<_> = now.model.producers().into_iter().rev().map(|it| (0, it)).collect();
    while let Some((depth, stage)) = next.pop() {
        stages.push((depth, stage));
        let consumers = now.model.consumers(stage);
        next.extend(consumers.into_iter().rev().map(|it| (depth + 1, it)));
    }
    stages
}

fn cells(area: Rect) -> [Rect; 10] {
    let mut left = area.width.saturating_sub(COLUMNS);
    let mut upto = |most| {
        let taken = left.min(most);
        left -= taken;
        taken
    };
    let flow = 4 + upto(4) / 2;
    let (bar, spark) = (upto(SQUARES + 1), upto(30));
    Layout::horizontal([
        Constraint::Length(flow),
        Constraint::Length(flow),
        Constraint::Max(NAME),
        Constraint::Fill(0),
        Constraint::Length(bar),
        Constraint::Length(6),
        Constraint::Length(5),
        Constraint::Length(6),
        Constraint::Length(7),
        Constraint::Length(spark),
    ])
    .areas(area)
}
