//! How fast step 9 is at several distances from S3, drawn from the table that the benchmark has printed.

use std::fs;

use anyhow::{Context, Result};

use super::chart::{Chart, float};
use super::svg::{Anchor, LEAST_WIDTH, MARGIN, Svg};
use crate::steps::root;

pub const NAME: &str = "step09-distance";
const PAGE: &str = "deploy/OPERATING.md";
const TITLE: &str = "Files a second, near and far";
const LESSON: &str = "The heavy line is step 9 as it is started. The others have fixed numbers: of pipelines, and \
                      of events that a stage asks for.";
/// How the table begins, and how many of its columns after the first are rates.
const HEAD: &str = "| Round trip | as it is started |";
const CURVES: usize = 4;
const HEIGHT: i32 = 400;

/// # Errors
///
/// If the page has no such table.
pub fn draw() -> Result<String> {
    let page =
        fs::read_to_string(root().join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    picture(&page).with_context(|| format!("{PAGE} has no table that begins with {HEAD}"))
}

fn picture(page: &str) -> Option<String> {
    let rows: Vec<Vec<&str>> = page
        .lines()
        .skip_while(|line| !line.starts_with(HEAD))
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let [titles, _, rows @ ..] = &rows[..] else { return None };
    let mut svg = Svg::new(NAME, LEAST_WIDTH, HEIGHT);
    svg.caption(TITLE, LESSON);
    let last = float(rows.len().checked_sub(1)?);
    // Twice the rate is as far up everywhere.
    let up = (60_f64.log2(), 2500_f64.log2());
    let chart =
        Chart { x: (MARGIN + 50, LEAST_WIDTH - 150), y: (350, 130), across: (0., last), up };
    let distances = (0..).map(f64::from).zip(rows).map(|(at, row)| (at, row[0].to_owned()));
    let rates =
        [100_u32, 200, 500, 1000, 2000].map(|rate| (f64::from(rate).log2(), rate.to_string()));
    chart.draw(&mut svg, "files/s", &distances.collect::<Vec<_>>(), &rates);
    svg.text("muted", (chart.x.1, 394), Anchor::End, "round trip");
    let mut ends = Vec::new();
    for column in (1..=CURVES).rev() {
        let rates = rows.iter().map(|row| number(row.get(column)?)).collect::<Option<Vec<_>>>()?;
        let class = ["new", "event", "does", "ask"][column - 1];
        chart.curve(
            &mut svg,
            class,
            (0..).map(f64::from).zip(rates.iter().map(|rate| rate.log2())),
        );
        ends.push((chart.y(rates.last()?.log2()), class, *titles.get(column)?));
    }
    // The names of the curves stand at their ends, and not on each other.
    ends.sort_unstable();
    let mut lowest = 0;
    for (y, class, title) in ends {
        lowest = (y + 5).max(lowest + 20);
        svg.text(class, (chart.x.1 + 10, lowest), Anchor::Start, title);
    }
    Some(svg.finish(TITLE, LESSON))
}

/// `1,503` or `388 (1 run)`.
fn number(cell: &str) -> Option<f64> {
    cell.split(' ').next()?.replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_has_changed_is_noticed() {
        let row = "| 0 ms | 1,503 | 1,530 | 1,616 | 1,545 (1 run) | 0.93 |\n";
        let head = "| Round trip | as it is started | 10/10 | 30/5 | 64/5 | best |\n|---|---|---|---|---|---|\n";
        let page = format!("{head}{row}{row}");
        assert!(picture(&page).is_some());
        assert!(picture(&page.replace("1,530", "fast")).is_none());
        assert!(picture(&page.replace("as it is started", "as it was")).is_none());
    }
}
