//! Draws the model: a title, the server and the stages, the log, and the keys.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::model::Model;
use super::pieces::{ASKED, BOLD, EVENTS, Now, QUIET};
use super::{cards, rows};
use crate::plain::plain;

/// How many lines the stages leave for the pace and the log if the terminal is small.
const LOG_LINES: u16 = 4;

/// Draws the view.
pub(super) fn draw(frame: &mut Frame, model: &Model, title: &str, at: Duration) {
    let now = Now { model, at };
    let area = frame.area();
    let pace = u16::from(area.height >= 12);
    let room = area.height.saturating_sub(3 + LOG_LINES.min(area.height / 4));
    let cards = cards::Cards::fit(now, area.width, room);
    let height = cards.as_ref().map_or_else(|| rows::height(now).min(room), cards::Cards::height);
    let [head, stages, pace, log, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(height),
        Constraint::Length(pace),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(area);

    draw_title(frame, head, now, title);
    match cards {
        Some(cards) => cards.draw(frame, stages),
        None => rows::draw(frame, stages, now),
    }
    let sentence = model.pace(at).unwrap_or_default();
    frame.render_widget(Line::styled(sentence, BOLD), pace);
    draw_log(frame, log, model);
    frame.render_widget(footer(model), foot);
}

fn draw_title(frame: &mut Frame, area: Rect, now: Now, title: &str) {
    let seconds = now.at.as_secs();
    let clock = format!("{}:{:02}:{:02} ", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let stopping = if now.model.is_stopping { " - stopping" } else { "" };
    let paused = if now.model.is_paused { " - paused" } else { "" };
    let title = format!(" {}{stopping}{paused}", title.replace('_', " "));
    let style = BOLD.reversed();
    frame.buffer_mut().set_style(area, style);
    frame.render_widget(Line::styled(title, style), area);
    frame.render_widget(Line::styled(clock, style).right_aligned(), area);
}

fn draw_log(frame: &mut Frame, area: Rect, model: &Model) {
    let [rule, lines] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    let width = usize::from(rule.width);
    frame.render_widget(Line::styled(format!("{:─<width$}", "── Log "), QUIET), rule);
    let hidden = model.log.len().saturating_sub(lines.height.into());
    for (line, row) in model.log.iter().skip(hidden).zip(lines.rows()) {
        frame.render_widget(Line::raw(plain(&line.replace('\t', " ")).into_owned()), row);
    }
}

fn footer(model: &Model) -> Line<'static> {
    let keys = if model.is_stopping { "q again leaves at once" } else { "q quits" };
    Line::from_iter([
        Span::styled(format!(" {keys}"), BOLD),
        Span::raw("   "),
        Span::styled(if model.is_paused { "Space goes on" } else { "Space pauses" }, BOLD),
        Span::raw("   "),
        Span::styled("▲ asked for", ASKED),
        Span::raw("   "),
        Span::styled("▼ events", EVENTS),
    ])
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::buffer::Cell;

    use super::*;
    use crate::watch::model::Did;
    use crate::watch::model::tests::{ask, begin, dispatch, end, tell};
    use crate::watch::pieces::{short, sparkline, squares};
    use crate::watch::server::Loop;

    const P: (u64, &str) = (1, "SQS.Producer");

    /// The lines that the terminal shows.
    fn lines(model: &Model, seconds: u64, (width, height): (u16, u16)) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let at = Duration::from_secs(seconds);
        terminal.draw(|frame| draw(frame, model, "step05_multiple_consumers", at)).unwrap();
        let cells = terminal.backend().buffer().content();
        let line = |cells: &[Cell]| cells.iter().map(Cell::symbol).collect();
        cells.chunks(width.into()).map(line).collect()
    }

    fn line_with<'a>(lines: &'a [String], what: &str) -> &'a str {
        lines
            .iter()
            .find(|line| line.contains(what))
            .unwrap_or_else(|| panic!("{what}: {lines:#?}"))
    }

    /// Three consumers have asked for ten each. The first has handled two, and the second is handling two.
    fn step05() -> Model {
        let mut model = Model::default();
        for task in 2..=4 {
            tell(&mut model, 0, [((task, "SQS.Consumer"), ask(task, P, 10))]);
        }
        let (first, second) = ((2, "SQS.Consumer"), (3, "SQS.Consumer"));
        tell(&mut model, 5, [(P, dispatch(2, 2)), (first, begin(2)), (first, end(2))]);
        tell(&mut model, 10, [(P, dispatch(3, 2)), (second, begin(2))]);
        model.server.looping = Some(Loop { task: 7, run: Some((6, 28)) });
        model.line("Casting events to producer");
        model
    }

    fn step09(pipelines: u64) -> Model {
        let mut model = Model::default();
        for n in 1..=pipelines {
            let names = ["ProducerConsumer", "Consumer"].map(|it| format!("Pipeline{n} {it}"));
            tell(
                &mut model,
                0,
                [
                    ((2 * n, &*names[0]), ask(2 * n, P, 1)),
                    ((2 * n + 1, &*names[1]), ask(2 * n + 1, (2 * n, &names[0]), 1)),
                ],
            );
        }
        tell(&mut model, 0, [(P, Did::Buffer { count: 0 })]);
        model
    }

    #[test]
    fn the_cards_show_demand_held_events_and_the_flow() {
        let lines = lines(&step05(), 11, (80, 24));
        assert!(lines[0].starts_with(" step05 multiple consumers"));
        assert!(lines[0].ends_with("0:00:11 "));
        assert!(line_with(&lines, "Server").contains("#Task<7>  run 6: looking for 28 events"));
        let demand = line_with(&lines, "demand");
        assert!(demand.contains(" 26 ") && demand.matches('■').count() == 26, "{demand}");
        assert!(line_with(&lines, "sent").contains(" 4 "));
        let names = line_with(&lines, "Consumer");
        assert!(["#2", "#3", "#4"].iter().all(|task| names.contains(task)), "{names}");
        let asked = line_with(&lines, "asked  ");
        assert_eq!(asked.matches('■').count(), 8 + 8 + 10, "{asked}");
        let held = line_with(&lines, "held");
        assert_eq!(held.matches('■').count(), 2, "{held}");
        assert_eq!(line_with(&lines, "▲ asks 10").matches("▲ asks 10").count(), 3);
        // The third consumer was sent none.
        assert_eq!(line_with(&lines, "▼ 2 events").matches("▼ 2 events").count(), 2);
        line_with(&lines, "Casting events to producer");
        assert!(lines[23].contains("q quits"));
    }

    #[test]
    fn a_small_terminal_has_a_row_for_each_stage() {
        let lines = lines(&step05(), 11, (60, 15));
        let rows: Vec<_> = lines.iter().filter(|line| line.contains("SQS.Consumer")).collect();
        assert_eq!(rows.len(), 3);
        assert!(rows[1].starts_with("▲10 ▼2 "), "{}", rows[1]);
        let numbers: Vec<_> = rows[1].split_whitespace().skip(2).collect();
        assert_eq!(numbers, ["SQS.Consumer", "#3", "8", "2", "0", "0.0/s"]);
        line_with(&lines, "Casting events to producer");
        assert!(lines[14].contains("q quits"));
    }

    #[test]
    fn a_pipeline_is_a_column() {
        let lines = lines(&step09(3), 1, (80, 24));
        let above = line_with(&lines, "Pipeline2 ProducerConsumer");
        let below = line_with(&lines, "Pipeline2 Consumer");
        assert_eq!(above.find("Pipeline2"), below.find("Pipeline2"));
        assert!(
            ["1", "3"].iter().all(|n| above.contains(&format!("Pipeline{n} ProducerConsumer")))
        );
        assert!(line_with(&lines, "Log").starts_with('─'));
    }

    #[test]
    fn stages_that_there_is_no_room_for_are_counted() {
        let lines = lines(&step09(20), 1, (80, 24));
        let shown = lines.iter().filter(|line| line.contains("Pipeline")).count();
        line_with(&lines, &format!("… and {} more stages", 40 - shown));
        assert!(shown > 10);
        assert!(lines[23].contains("q quits"));
    }

    #[test]
    fn no_size_is_too_small() {
        for model in [Model::default(), step05(), step09(3), step09(40)] {
            for width in [1, 2, 10, 39, 60, 62, 80, 200] {
                for height in [1, 2, 3, 5, 8, 15, 24, 60] {
                    lines(&model, 3, (width, height));
                }
            }
        }
    }

    #[test]
    fn the_log_shows_its_last_lines_and_no_control_characters() {
        let mut model = step05();
        (0..100).for_each(|line| model.line(format!("line {line}\tand \u{1b}[2J more")));
        let lines = lines(&model, 1, (80, 24));
        line_with(&lines, "line 99 and");
        assert!(!lines.concat().contains('\u{1b}'));
    }

    #[test]
    fn while_it_stops_the_view_says_how_to_leave_at_once() {
        let mut model = step05();
        model.is_stopping = true;
        let lines = lines(&model, 1, (80, 24));
        assert!(lines[0].contains("stopping") && lines[23].contains("q again"));
    }

    #[test]
    fn a_paused_view_says_so_and_how_to_go_on() {
        let mut model = step05();
        model.is_paused = true;
        let lines = lines(&model, 1, (80, 24));
        assert!(lines[0].contains("paused") && lines[23].contains("Space goes on"));
    }

    #[test]
    fn a_sentence_above_the_log_says_who_sets_the_pace() {
        for size in [(80, 24), (60, 15)] {
            let lines = lines(&step05(), 20, size);
            let log = lines.iter().position(|line| line.starts_with("── Log")).unwrap();
            assert!(
                lines[log - 1].starts_with("SQS.Consumer #3 is busy 100 %: it sets the pace"),
                "{lines:#?}"
            );
        }
    }

    #[test]
    fn more_than_there_is_room_for_is_shown_in_proportion() {
        let of = |count, most| {
            let [filled, rest] = squares(count, most, 10, ASKED);
            (filled.width(), rest.width())
        };
        assert_eq!(of(3, 4), (3, 1));
        assert_eq!(of(500, 1000), (5, 5));
        assert_eq!(of(1, 1000), (1, 9)); // At least one square.
        assert_eq!(of(0, 0), (0, 0));
        assert_eq!(sparkline(&[0, 1, 100, 50]), "▁▂█▅");
        assert_eq!([0, 9999, 12345, 1_234_567].map(short), ["0", "9999", "12.3k", "1.2M"]);
    }
}
