//! The part of a picture that a slide shows: without its caption and its legend.

use anyhow::{Context, Result};

use super::read;
use crate::book::recording;

/// The rectangle of a picture that is shown.
struct View {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// The letters of a picture in its own units, and those of a slide in pixels. No letter of a slide is smaller.
const LETTERS: f64 = 15.0;
const LEAST_LETTERS: f64 = 20.05;

/// The picture of the stages, as large as fits into this many pixels. The deck plays the recording of the run in it, if there is one.
///
/// # Errors
///
/// If there is no such picture, or its recording cannot be read.
pub fn stages(name: &str, width: f64, height: f64) -> Result<String> {
    let svg = read(&format!("shared/pictures/{name}-stages.svg"))?;
    let picture = Picture::of(&svg).with_context(|| format!("{name}-stages.svg"))?;
    let top = picture.caption + 8.0;
    // The legend is in the last 54 units.
    let view = View { x: 0.0, y: top, width: picture.width, height: picture.height - 46.0 - top };
    let scale = (width / view.width).min(height / view.height);
    Ok(format!(
        "<figure class=\"stages\" id=\"{}\">{}{}</figure>",
        picture.id,
        picture.shown(&view, scale),
        recording(&format!("shared/pictures/{name}"))?
    ))
}

/// The picture of time: the heads of its columns, and below them the rest, each in a frame that shows as much as fits. The deck
/// moves the picture in there, and plays the recording of the run.
///
/// # Errors
///
/// If there is no such picture, or its recording cannot be read.
pub fn time(name: &str, width: f64, height: f64) -> Result<String> {
    let svg = read(&format!("shared/pictures/{name}-time.svg"))?;
    let recording = recording(&format!("shared/pictures/{name}"))?;
    let picture = Picture::of(&svg).with_context(|| format!("{name}-time.svg"))?;
    let top = picture.caption + 10.0;
    let end = picture.end.context("its columns do not end")? + 4.0;
    let whole = (width / picture.width).min(height / (end - top));
    let scale = whole.max(LEAST_LETTERS / LETTERS);
    let heads = picture.heads.context("its columns have no heads")? + 4.0 - top;
    let all = picture.width;
    let room = height - heads * scale;
    let rest = View { x: 0.0, y: top + heads, width: all, height: end - top - heads };
    let heads = View { x: 0.0, y: top, width: all, height: heads };
    Ok(format!(
        "<div class=\"time\" id=\"{}\" style=\"--room:{room:.0}px\"><div class=\"heads window\">{}</div>\
         <figure class=\"window\">{}{recording}</figure></div>",
        picture.id,
        picture.shown(&heads, scale),
        picture.shown(&rest, scale)
    ))
}

struct Picture<'a> {
    /// The elements between the tags of `<svg>`.
    body: &'a str,
    id: &'a str,
    width: f64,
    height: f64,
    /// The last line of the caption.
    caption: f64,
    /// The lower edge of the columns' heads, and the end of the columns, if it is a picture of time.
    heads: Option<f64>,
    end: Option<f64>,
}

impl<'a> Picture<'a> {
    fn of(svg: &'a str) -> Result<Self> {
        let (element, body) = svg.split_once('>').context("it is no SVG")?;
        let number = |name| attribute(element, name)?.parse().ok();
        let caption = body.lines().skip_while(|line| !line.starts_with("<text class=\"title\""));
        let caption = caption.take_while(|line| {
            line.starts_with("<text class=\"title\"") || line.contains(" x=\"16\"")
        });
        let heads = body.lines().filter(|line| line.contains("class=\"box\""));
        let ends = body.lines().filter(|line| line.contains("class=\"gone\""));
        let last = |lines: &mut dyn Iterator<Item = &str>, name| {
            lines.filter_map(|line| attribute(line, name)?.parse::<f64>().ok()).reduce(f64::max)
        };
        Ok(Self {
            body: body.trim_end().trim_end_matches("</svg>"),
            id: attribute(element, "id").context("it has no id")?,
            width: number("width").context("it has no width")?,
            height: number("height").context("it has no height")?,
            caption: last(&mut caption.into_iter(), "y").unwrap_or_default(),
            heads: last(&mut heads.into_iter(), "y").map(|top| top + 32.0),
            end: last(&mut ends.into_iter(), "y2"),
        })
    }

    fn shown(&self, view: &View, scale: f64) -> String {
        let &View { x, y, width, height } = view;
        let (wide, high) = (width * scale, height * scale);
        // The figure has the id that the picture's rules name, because some pictures are shown in two parts.
        let body = self.body.replace(" id=\"", " data-id=\"");
        format!(
            "<svg viewBox=\"{x:.0} {y:.0} {width:.0} {height:.0}\" width=\"{wide:.0}\" height=\"{high:.0}\" role=\"img\">{body}</svg>"
        )
    }
}

/// The value of an attribute, in a line with one element.
fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    element.split_once(&format!(" {name}=\""))?.1.split('"').next()
}
