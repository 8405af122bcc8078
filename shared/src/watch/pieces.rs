//! The pieces that the view is made of: numbers, bars, styles.
//!
//! They use few of the terminal's own colours: asks are magenta, events are green.

use std::time::Duration;

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::meter::{FRESH, Pulse};
use super::model::{Model, Stage};
use super::server::Loop;

/// Asks, which flow up.
pub(super) const ASKED: Style = Style::new().fg(Color::Magenta);
/// Events, which flow down.
pub(super) const EVENTS: Style = Style::new().fg(Color::Green);
pub(super) const QUIET: Style = Style::new().add_modifier(Modifier::DIM);
pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// How long a recent change is lit up.
const FLASH: Duration = Duration::from_millis(400);
/// The model, and the current time.
#[derive(Clone, Copy)]
pub(super) struct Now<'a> {
    pub(super) model: &'a Model,
    pub(super) at: Duration,
}

/// The server and its loops.
pub(super) fn server_line(now: Now) -> Line<'static> {
    let mut line = Line::from(Span::styled("Server  ", BOLD));
    let Some(Loop { task, run }) = now.model.server.looping.clone() else {
        line.push_span(Span::styled("no loop yet", QUIET));
        return line;
    };
    line.push_span(format!("loop #Task<{task}>  "));
    let missing = now.model.producers().iter().map(|it| now.model.demand(it)).sum::<u64>();
    match (run, now.model.server.ending) {
        (_, Some(ending)) => line.push_span(format!("waits for #Task<{ending}> to end")),
        // A loop that has found everything ends without a log line.
        _ if missing == 0 => line.push_span(Span::styled("has found all that is asked for", QUIET)),
        (None, None) => line.push_span("starts"),
        (Some((run, events)), None) => {
            line.push_span(format!("run {run}: looking for "));
            line.push_span(Span::styled(counted("N events", events), ASKED.bold()));
        }
    }
    line
}

/// The asks or events that pass a place, lit up while they are recent.
pub(super) fn flow(now: Now, pulse: &Pulse, text: &str, style: Style) -> Span<'static> {
    match pulse.age(now.at) {
        None => Span::raw(""),
        Some(age) => {
            let text = counted(text, pulse.count());
            Span::styled(text, fading(style, age))
        }
    }
}

/// The text with the number in place of N.
fn counted(text: &str, count: u64) -> String {
    let text = if count == 1 { text.replace("events", "event") } else { text.to_owned() };
    text.replace('N', &short(count))
}

fn fading(style: Style, age: Duration) -> Style {
    if age < FLASH {
        style.bold().reversed()
    } else if age < FRESH {
        style.bold()
    } else {
        style.dim()
    }
}

/// A square for each, or a proportional number of squares if there is not enough room.
pub(super) fn squares(count: u64, most: u64, width: usize, style: Style) -> [Span<'static>; 2] {
    let of = usize::try_from(most).unwrap_or(usize::MAX).min(width);
    let filled = if most == 0 { 0 } else { (count * of as u64).div_ceil(most).min(of as u64) };
    let filled = usize::try_from(filled).unwrap_or(of);
    [Span::styled("■".repeat(filled), style), Span::styled("·".repeat(of - filled), QUIET)]
}

/// A bar for each of the last seconds.
pub(super) fn sparkline(seconds: &[u64]) -> String {
    let most = seconds.iter().copied().max().unwrap_or_default().max(1);
    let bar = |count: &u64| match count {
        0 => '▁',
        _ => ['▂', '▃', '▄', '▅', '▆', '▇', '█'][(count * 6 / most).min(6) as usize],
    };
    seconds.iter().map(bar).collect()
}

pub(super) fn per_second(in_ten_seconds: u64) -> String {
    let (whole, tenths) = (in_ten_seconds / 10, in_ten_seconds % 10);
    if whole < 100 { format!("{whole}.{tenths}/s") } else { format!("{}/s", short(whole)) }
}

/// The number in at most five characters: 12345 is 12.3k.
pub(super) fn short(count: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", count / unit, count % unit * 10 / unit);
    match count {
        0..10_000 => count.to_string(),
        10_000..1_000_000 => format!("{}k", tenths(1000)),
        _ => format!("{}M", tenths(1_000_000)),
    }
}

/// The name, cut to this width.
pub(super) fn shortened(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_owned();
    }
    let kept: String = name.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// The style of a stage's name: the stage works, waits, or has stopped.
pub(super) fn name_style(stage: &Stage) -> Style {
    if stage.has_stopped() {
        QUIET.crossed_out()
    } else if stage.is_working() {
        EVENTS.bold()
    } else {
        BOLD
    }
}
