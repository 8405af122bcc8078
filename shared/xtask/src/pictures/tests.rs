//! Properties of every picture, and how a run becomes one.

use std::fs;
use std::ops::Range;

use roxmltree::{Document, Node};

use super::recording::{Who, parse};
use super::scenes::SCENE;
use super::story::{Arrow, Place, Stage, Story, tell};
use super::svg::width_of;
use super::{PLANS, SCENES, Scene, path, stages, steps};

const SVG: &str = "http://www.w3.org/2000/svg";

/// The pictures in the repository, by name, with those of the same run with other numbers.
fn pictures() -> Vec<(String, String)> {
    let scenes = SCENES.iter().map(|scene| (scene.picture, "time"));
    let plans = PLANS.iter().map(|plan| (plan.picture, "stages"));
    let pictures = scenes.chain(plans).map(|(picture, kind)| {
        let kept = fs::read_to_string(path(picture, kind)).unwrap();
        (format!("{picture}-{kind}"), kept)
    });
    let curves = [super::growth::NAME, super::distance::NAME]
        .map(|name| (name.to_owned(), fs::read_to_string(super::file(name)).unwrap()));
    let all: Vec<_> = pictures.chain(curves).chain(what_ifs()).collect();
    assert!(all.iter().filter(|(name, _)| name.contains("what-if")).count() > 20);
    all
}

/// The pictures of the grids. They share the rules of their grid.
fn what_ifs() -> impl Iterator<Item = (String, String)> {
    ["step05-what-if", "step09-what-if"].into_iter().flat_map(|name| {
        let kept = fs::read_to_string(super::file(name).with_extension("json")).unwrap();
        let mut grid: serde_json::Value = serde_json::from_str(&kept).unwrap();
        let style = format!("<style>{}</style>", grid["style"].take().as_str().unwrap());
        let variants = grid["variants"].as_object().unwrap().values();
        let svgs = variants.map(|it| it["svg"].as_str().unwrap());
        let svgs: Vec<_> = svgs.map(|it| it.replace("<style></style>", &style)).collect();
        svgs.into_iter().map(move |svg| (format!("{name}-time"), svg))
    })
}

fn number(of: &Node, attribute: &str) -> i32 {
    let value = of.attribute(attribute).unwrap_or_default();
    value.parse().unwrap_or_else(|_| panic!("{attribute}={value:?} of {of:?}"))
}

/// A text, and about where it is.
fn place_of(node: &Node) -> (String, Range<i32>, Range<i32>) {
    let text = node.text().unwrap_or_default();
    let (x, y, wide) = (number(node, "x"), number(node, "y"), width_of(text));
    let left = match node.attribute("text-anchor") {
        Some("start") => x,
        Some("end") => x - wide,
        _ => x - wide / 2,
    };
    (text.to_owned(), left..left + wide, y - 11..y + 3)
}

/// The title, which tells it from pictures of the same grid.
fn title(document: &Document) -> Option<String> {
    document.descendants().find(|it| it.has_tag_name((SVG, "title")))?.text().map(str::to_owned)
}

fn size(document: &Document) -> (i32, i32) {
    let view = document.root_element().attribute("viewBox").unwrap();
    let numbers: Vec<i32> = view.split(' ').map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers[..2], [0, 0]);
    (numbers[2], numbers[3])
}

#[test]
fn each_step_has_both() {
    for step in steps::all().unwrap() {
        let picture = format!("step{:02}", step.number);
        assert!(SCENES.iter().any(|scene| scene.picture == picture), "{picture}");
        assert!(PLANS.iter().any(|plan| plan.picture == picture), "{picture}");
    }
}

#[test]
fn the_stages_are_those_of_the_plans() {
    for plan in PLANS {
        let kept = fs::read_to_string(path(plan.picture, "stages")).unwrap();
        assert_eq!(kept, stages::draw(plan).unwrap(), "`cargo x pictures` draws it again");
    }
}

#[test]
fn screen_readers_get_a_title_and_a_description() {
    for (name, picture) in pictures() {
        let document = Document::parse(&picture).unwrap();
        let root = document.root_element();
        assert_eq!(root.attribute("role"), Some("img"));
        let told = ["title", "desc"].map(|tag| {
            let element = root.children().find(|child| child.has_tag_name((SVG, tag)));
            let element = element.unwrap_or_else(|| panic!("{name} has no {tag}"));
            assert!(element.text().unwrap().len() > 20, "{name}: {tag}");
            element.attribute("id").unwrap()
        });
        assert_eq!(root.attribute("aria-labelledby"), Some(&*told.join(" ")));
    }
}

/// So that one page can hold several pictures, and a picture can stand alone.
#[test]
fn nothing_reaches_out_of_it() {
    for (name, picture) in pictures() {
        let document = Document::parse(&picture).unwrap();
        for node in document.descendants().filter(Node::is_element) {
            let tag = node.tag_name().name();
            assert!(
                !["script", "image", "foreignObject", "use", "a"].contains(&tag),
                "{name}: {tag}"
            );
            let id = node.attribute("id").unwrap_or(&name);
            assert!(id.starts_with(&name), "{name}: {id}");
            if tag == "style" {
                let style = node.text().unwrap();
                assert!(!style.contains("url(") && !style.contains("@import"), "{name}");
                for rule in style.trim().lines() {
                    assert!(rule.contains(&format!("#{name}")), "{name}: {rule}");
                    let selectors = rule.rsplit_once('{').unwrap().0;
                    let is_theme = rule.starts_with(":is(") || rule.starts_with('@');
                    let all = selectors.split(',').filter(|_| !is_theme);
                    for selector in all {
                        assert!(selector.starts_with(&format!("#{name}")), "{name}: {rule}");
                    }
                }
            }
        }
    }
}

#[test]
fn all_of_it_is_within_it() {
    for (name, picture) in pictures() {
        let document = Document::parse(&picture).unwrap();
        let (width, height) = size(&document);
        for node in document.descendants() {
            match node.tag_name().name() {
                "text" => {
                    let (text, wide, high) = place_of(&node);
                    assert!(wide.start >= 0 && wide.end <= width, "{name}: {text}");
                    assert!(high.start >= 1 && high.end < height, "{name}: {text}");
                }
                "rect" if node.attribute("x").is_some() => {
                    let (x, y) = (number(&node, "x"), number(&node, "y"));
                    let (wide, high) = (number(&node, "width"), number(&node, "height"));
                    assert!(wide > 0 && high > 0, "{name}: {node:?}");
                    assert!(x >= 0 && x + wide <= width, "{name}: {node:?}");
                    assert!(y >= 0 && y + high <= height, "{name}: {node:?}");
                }
                "line" => {
                    for (attribute, most) in
                        [("x1", width), ("x2", width), ("y1", height), ("y2", height)]
                    {
                        assert!((0..=most).contains(&number(&node, attribute)), "{name}: {node:?}");
                    }
                }
                _ => {}
            }
        }
    }
}

/// Overlapping words cannot be read.
#[test]
fn no_text_lies_on_another() {
    for (name, picture) in pictures() {
        let document = Document::parse(&picture).unwrap();
        let texts = document.descendants().filter(|node| node.has_tag_name((SVG, "text")));
        let boxes: Vec<_> = texts.map(|node| place_of(&node)).collect();
        for (index, (a, a_wide, a_high)) in boxes.iter().enumerate() {
            for (b, b_wide, b_high) in &boxes[index + 1..] {
                let apart = a_wide.end <= b_wide.start
                    || b_wide.end <= a_wide.start
                    || a_high.end <= b_high.start
                    || b_high.end <= a_high.start;
                assert!(apart, "{}: {a:?} and {b:?}", title(&document).unwrap_or(name.clone()));
            }
        }
    }
}

/// The player finds the rows of a recording in the picture by their numbers.
#[test]
fn each_recording_fits_its_picture() {
    for scene in SCENES {
        let path = path(scene.picture, "time");
        let picture = fs::read_to_string(&path).unwrap();
        let document = Document::parse(&picture).unwrap();
        let kept = fs::read_to_string(path.with_extension("json")).unwrap();
        let recording: serde_json::Value = serde_json::from_str(&kept).unwrap();
        let [rows, said] = ["rows", "said"].map(|part| recording[part].as_array().unwrap());
        let numbers = |of: &str| -> Vec<i64> {
            rows.iter().map(|row| row[of].as_i64().unwrap_or_else(|| panic!("{row}"))).collect()
        };
        let name = scene.picture;
        assert!(numbers("at").is_sorted() && numbers("said").is_sorted(), "{name}");
        assert!(numbers("y").is_sorted_by(|above, below| above < below), "{name}");
        let all = i64::try_from(said.len()).unwrap();
        assert!(numbers("said").last().is_some_and(|last| *last <= all), "{name}");
        assert!(rows.iter().all(|row| !row["words"].as_str().unwrap().is_empty()), "{name}");
        for node in document.descendants().filter(|node| node.has_attribute("data-row")) {
            let row = &rows[usize::try_from(number(&node, "data-row")).unwrap()];
            let arrows = node.children().filter(|it| {
                let class = it.attribute("class").unwrap_or_default();
                it.has_tag_name("path") && !class.contains("head")
            });
            let heights = node.children().filter_map(|it| it.attribute("y1")?.parse::<i64>().ok());
            let (y, drawn) = (row["y"].as_i64(), arrows.count());
            assert!(heights.map(Some).all(|height| height == y), "{name}: {row}");
            assert!(drawn == 0 || drawn == row["arrows"].as_array().unwrap().len(), "{name}");
        }
    }
}

#[test]
fn files_are_named_by_a_field_of_a_line_within_a_stage() {
    let span = r#""spans":[{"stage":"C","subscription":3,"name":"handle_events"}]"#;
    let handled =
        |fields: &str| parse(&format!(r#"{{"timestamp":"0.0000",{fields}}}"#)).unwrap().handled();
    let by = |names: &str| Some((Who { name: "C".to_owned(), subscription: 3 }, names.to_owned()));
    assert_eq!(handled(&format!(r#""key":"a/one",{span}"#)), by("one"));
    assert_eq!(handled(&format!(r#""files":"[\"a/b/one\", \"a/two\"]",{span}"#)), by("one, two"));
    assert_eq!(handled(r#""key":"a/one""#), None);
    assert_eq!(handled(span), None);
}

#[test]
fn the_time_is_that_of_the_paused_clock() {
    let at = |time: &str| parse(&format!(r#"{{"timestamp":"{time}"}}"#)).map(|line| line.at);
    assert_eq!(at("86.000000").unwrap(), 86_000);
    assert_eq!(at("2.100999").unwrap(), 2_100);
    assert!(at("2026-11-22T16:00:00.000000Z").is_err(), "that clock is not paused");
}

/// A second ask terminates the loop of the first, and the next loop looks for both.
#[test]
fn new_demand_takes_over() {
    const STAGES: &[Stage] = &[("P", "Producer"), ("C", "Consumer 1"), ("C", "Consumer 2")];
    let ask = r#""message":"ask","stage":"C","producer":"P","count":10"#;
    let demand = r#""message":"new","span":{"name":"handle_demand","count":10}"#;
    let handle = r#""span":{"name":"handle_events","stage":"C","subscription":2,"count":5}"#;
    let log = [
        (0, format!(r#"{ask},"subscription":1"#)),
        (0, format!(r#"{ask},"subscription":2"#)),
        (0, demand.to_owned()),
        (0, r#""started":"4""#.to_owned()),
        (0, demand.to_owned()),
        (0, r#""terminating":"4""#.to_owned()),
        (0, r#""started":"5""#.to_owned()),
        (50, r#""run":0,"missing":20"#.to_owned()),
        (50, r#""message":"emit","stage":"P","count":5"#.to_owned()),
        (
            50,
            r#""message":"dispatch","stage":"P","consumer":"C","subscription":2,"count":5"#
                .to_owned(),
        ),
        (50, format!(r#""message":"new",{handle}"#)),
        (50, r#""level":"INFO","message":"Consumed""#.to_owned()),
        (60, format!(r#""message":"close",{handle}"#)),
        (70, r#""run":1,"missing":15"#.to_owned()),
    ];
    let lines = log.map(|(at, fields)| {
        let mut line = parse(&format!(r#"{{"timestamp":"0.0000",{fields}}}"#)).unwrap();
        line.at = at;
        line
    });
    let scene = Scene { stages: STAGES, ..SCENE };
    let Story { rows, loops, bars, said } = tell(&lines, &scene).unwrap();
    assert_eq!(rows.iter().map(|row| row.at).collect::<Vec<_>>(), [0, 0, 50, 60, 70]);
    let arrow = |from, to, is_ask, label: &str| Arrow { from, to, is_ask, label: label.to_owned() };
    assert_eq!(
        rows[1].arrows,
        [
            arrow(Place::Stage(2), Place::Stage(0), true, "asks 10"),
            arrow(Place::Stage(0), Place::Loop(1), true, "10 + 10 = 20"),
        ]
    );
    assert_eq!(
        rows[2].arrows,
        [
            arrow(Place::Loop(1), Place::Stage(0), false, "5"),
            arrow(Place::Stage(0), Place::Stage(2), false, "5"),
        ]
    );
    assert!(rows[2].run.as_ref().unwrap().finds && !rows[4].run.as_ref().unwrap().finds);
    assert_eq!((loops[0].to, loops[0].is_terminated), (Some(1), true));
    assert_eq!((loops[1].to, loops[1].lane), (None, 1));
    assert_eq!((bars[0].stage, bars[0].from, bars[0].to), (2, 2, Some(3)));
    // The numbers of events that the stages are asked for, have asked for, and have, after each
    // row.
    let demand: Vec<_> = rows.iter().map(|row| (row.sought, row.counts[0].demand)).collect();
    assert_eq!(demand, [(10, 10), (20, 20), (15, 15), (15, 15), (15, 15)]);
    let second: Vec<_> =
        rows.iter().map(|row| (row.counts[2].asked, row.counts[2].holds)).collect();
    assert_eq!(second, [(0, 0), (10, 0), (5, 5), (5, 0), (5, 0)]);
    assert_eq!(said, [(50, "Consumed".to_owned())]);
    assert_eq!(rows.iter().map(|row| row.said).collect::<Vec<_>>(), [0, 0, 1, 1, 1]);
}
