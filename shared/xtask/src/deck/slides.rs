//! The slides, as HTML.

use std::fmt::Write;

use anyhow::{Context, Result, bail};

use super::code::{self, Row};
use super::notes::{Item, Kind, Part};
use super::{html, picture, read};
use crate::book::join;
use crate::casts;

/// The room for a picture, in pixels: below a heading, and below a sentence.
const STAGES: (f64, f64) = (1200.0, 464.0);
const TIME: (f64, f64) = (1264.0, 560.0);
/// The room for code.
const CODE: (f64, f64) = (1226.0, 640.0);
/// The height of a line of code and the width of a letter, per pixel of font size.
const LINE: f64 = 1.27;
const LETTER: f64 = 0.605;
const FONTS: (f64, f64) = (20.0, 28.0);

/// All slides, in their order.
///
/// # Errors
///
/// If something that the notes name is not there.
pub fn all(parts: &[Part]) -> Result<String> {
    let readme = read("README.md")?;
    let mut slides = Slides { html: String::new() };
    slides.title(&readme)?;
    for (number, part) in parts.iter().enumerate() {
        slides.part(number, part, &readme).with_context(|| part.title.clone())?;
    }
    let last = parts.len().saturating_sub(1);
    slides.add("questions", last, None, "<h1>Questions</h1>");
    Ok(slides.html)
}

struct Slides {
    html: String,
}

impl Slides {
    fn add(&mut self, class: &str, part: usize, item: Option<usize>, content: &str) {
        let item = item.map(|item| format!(" data-item=\"{item}\"")).unwrap_or_default();
        let _ = writeln!(
            self.html,
            "<section class=\"slide {class}\" data-part=\"{part}\"{item}>{content}</section>"
        );
    }

    fn title(&mut self, readme: &str) -> Result<()> {
        let title = readme.lines().next().and_then(|line| line.strip_prefix("# "));
        let title = html::escaped(title.context("README.md has no title")?);
        let about = "A data pipeline in nine steps,<br>from “ho ho ho” to concurrent pipelines";
        self.add("title", 0, None, &format!("<h1>{title}</h1><p>{about}</p>"));
        Ok(())
    }

    fn part(&mut self, number: usize, part: &Part, readme: &str) -> Result<()> {
        if let Some(step) = part.step() {
            let picture = picture::stages(&picture_of(step), STAGES.0, STAGES.1)?;
            let (title, idea) = (html::escaped(&part.title), idea(readme, step)?);
            let opening = format!("<h2>{title}</h2><p class=\"idea\">{idea}</p>{picture}");
            self.add("opening", number, None, &opening);
        }
        let mut picture_in_time = part.step().filter(|step| *step > 0);
        for (index, item) in part.items.iter().enumerate() {
            let left_out = if part.leaves_out(&item.kind) { " if-there-is-time" } else { "" };
            let mut add = |class: &str, content: &str| {
                self.add(&format!("{class}{left_out}"), number, Some(index), content);
            };
            match &item.kind {
                Kind::Ask(question) => add("ask", &format!("<p>{question}</p>")),
                Kind::Say(sentence) => match picture_in_time.take() {
                    Some(step) => {
                        let picture = picture::time(&picture_of(step), TIME.0, TIME.1)?;
                        add("say with-picture", &format!("<p>{sentence}</p>{picture}"));
                    }
                    None => add("say", &format!("<p>{sentence}</p>")),
                },
                Kind::Type(lines) => add("type", &typed(lines, part.items.get(index + 1))?),
                Kind::Show(places) => {
                    for slide in shown(places, part)? {
                        add("show", &slide);
                    }
                }
                Kind::PointAt | Kind::Other => {}
            }
        }
        Ok(())
    }
}

/// The beginning of the names of a step's pictures.
fn picture_of(step: u8) -> String {
    format!("step{step:02}")
}

/// A step's one idea, from the table in the README.
fn idea(readme: &str, step: u8) -> Result<String> {
    let row = readme.lines().find(|line| line.starts_with(&format!("| [{step:02} ")));
    let cell = row.and_then(|row| row.split('|').nth(2));
    let cell = cell.with_context(|| format!("README.md has no row of step {step}"))?;
    Ok(html::of_markdown(cell.trim()).replace("<p>", "").replace("</p>", ""))
}

/// Commands, and the recording of the last of them that runs a step.
fn typed(lines: &[String], next: Option<&Item>) -> Result<String> {
    let points = next.filter(|next| next.kind == Kind::PointAt).map(|next| &next.code[..]);
    let (mut commands, mut recording) = (String::new(), String::new());
    for line in lines {
        let _ = writeln!(commands, "<b>$</b> {}", html::escaped(line));
        if let Some(cast) = casts::of_command(line, points.unwrap_or_default())? {
            recording = casts::figure(&cast.to_text());
        }
    }
    Ok(format!("<pre class=\"commands\">{commands}</pre>{recording}"))
}

/// Slides with code: one for all that the notes name, or, if that is too much, one for each function.
fn shown(places: &[(String, Vec<String>)], part: &Part) -> Result<Vec<String>> {
    let mut blocks: Vec<(String, Vec<Row>)> = Vec::new();
    for (file, names) in places {
        let path = join(super::NOTES, file)?;
        let (_, file) = path.rsplit_once('/').unwrap_or_default();
        let (file, items) = match part.step() {
            _ if file == "README.md" => ("", code::of_markdown(&read(&path)?, names)?),
            Some(step) => (file, code::of_step(step, file, names)?),
            None => bail!("{path} is code, and this part is about no step"),
        };
        blocks.extend(items.into_iter().map(|rows| (file.to_owned(), rows)));
    }
    if font(&blocks) >= FONTS.0 {
        return Ok(vec![with_code(&blocks)]);
    }
    Ok(blocks.chunks(1).map(|block| with_code(&fitted(block))).collect())
}

/// Leaves out unchanged lines, and in the end the lines that are gone, until the rest fits.
fn fitted(block: &[(String, Vec<Row>)]) -> Vec<(String, Vec<Row>)> {
    let shortened = |(most, is_gone_shown): (usize, bool)| {
        let is_shown = |row: &Row| is_gone_shown || row.sign != '-';
        let rows = |rows: &[Row]| -> Vec<_> {
            code::shortened(rows, most).into_iter().filter(is_shown).collect()
        };
        block.iter().map(|(file, all)| (file.clone(), rows(all))).collect::<Vec<_>>()
    };
    let tries = [(usize::MAX, true), (6, true), (3, true)].map(shortened);
    let fits = |blocks: &Vec<_>| font(blocks) >= FONTS.0;
    tries.into_iter().find(fits).unwrap_or_else(|| shortened((3, false)))
}

/// The size of the letters with which this code fills a slide.
fn font(blocks: &[(String, Vec<Row>)]) -> f64 {
    let rows = || blocks.iter().flat_map(|(_, rows)| rows);
    // The name of a file takes as much as one and a half lines.
    let number = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
    let lines = number(rows().count()) + 1.6 * number(blocks.len());
    let columns = rows().map(|row| row.text.chars().count() + 2).max().unwrap_or_default();
    let (width, height) = CODE;
    (height / lines / LINE).min(width / number(columns) / LETTER).min(FONTS.1).floor()
}

fn with_code(blocks: &[(String, Vec<Row>)]) -> String {
    let font = font(blocks).max(FONTS.0);
    let mut slide = String::new();
    for (index, (file, rows)) in blocks.iter().enumerate() {
        let is_same = index > 0 && blocks[index - 1].0 == *file;
        let name = if is_same { String::new() } else { html::escaped(file) };
        let _ = write!(slide, "<h3>{name}</h3><pre class=\"code\" style=\"font-size:{font}px\">");
        for Row { sign, text } in rows {
            let class = match sign {
                '+' => "new",
                '-' => "gone",
                _ => "same",
            };
            let sign = if *sign == '…' { ' ' } else { *sign };
            let _ = write!(slide, "<span class=\"{class}\">{sign} {}</span>", html::escaped(text));
        }
        slide += "</pre>";
    }
    slide
}
