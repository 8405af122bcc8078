//! Makes the pages that show the code: one for each file, and one for each folder.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use ignore::WalkBuilder;
use mdbook_preprocessor::book::{BookItem, Chapter, SectionNumber};

use super::pages::{Pages, from};
use crate::steps::{self, root};

/// The folders and files that the book shows besides the steps. This tool is not among them, because no lesson is about it.
const FOLDERS: [&str; 8] = [
    "shared/examples",
    "shared/local_aws",
    "shared/src",
    "shared/stage",
    "shared/testing",
    "shared/tests",
    "shared/Cargo.toml",
    "deploy",
];

/// The files that have a page.
pub struct Code {
    files: BTreeSet<String>,
    steps: Vec<String>,
}

impl Code {
    /// Finds all files that the lessons are about.
    ///
    /// # Errors
    ///
    /// If the repository cannot be read.
    pub fn of_the_repository() -> Result<Self> {
        let steps = steps::all()?.into_iter().map(|step| step.name).collect();
        let mut code = Self { files: BTreeSet::new(), steps };
        for folder in code.steps.clone().iter().map(String::as_str).chain(FOLDERS) {
            code.add(folder)?;
        }
        Ok(code)
    }

    /// Adds a file, or the files in a folder. It leaves out hidden files, files that git ignores (they can be private),
    /// and Markdown, which has pages of its own.
    fn add(&mut self, path: &str) -> Result<()> {
        for entry in WalkBuilder::new(root().join(path)).require_git(false).build() {
            let entry = entry?;
            let is_file = entry.file_type().is_some_and(|it| it.is_file());
            let path = entry.path().strip_prefix(root())?.to_str();
            self.files.extend(path.filter(|it| is_file && !is_prose(it)).map(str::to_owned));
        }
        Ok(())
    }

    /// The page of a file or a folder. Everything that a lesson links to gets a page.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is Markdown that SUMMARY.md lacks.
    pub fn page(&mut self, path: &str) -> Result<String> {
        ensure!(!is_prose(path), "{path} is linked to, and SUMMARY.md does not have it");
        self.add(path)?;
        Ok(self.page_of(path))
    }

    fn page_of(&self, path: &str) -> String {
        if self.files.contains(path) {
            format!("code/{path}.html")
        } else {
            format!("code/{path}/index.html")
        }
    }

    /// Makes all pages, folder by folder. `others` is the number of chapters before them.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub fn chapters(&self, pages: &Pages, others: u32) -> Result<Vec<BookItem>> {
        self.chapters_in("", &[], pages, (&[], others))
    }

    /// mdBook takes a chapter's depth from its number, which is the folder's number and a count within it.
    fn chapters_in(
        &self,
        folder: &str,
        above: &[String],
        pages: &Pages,
        (number, others): (&[u32], u32),
    ) -> Result<Vec<BookItem>> {
        let mut chapters = Vec::new();
        for (path, last) in self.entries(folder).into_iter().zip(others + 1..) {
            let number = [number, &[last]].concat();
            let (_, name) = path.rsplit_once('/').unwrap_or(("", &path));
            let is_file = self.files.contains(&path);
            let page = self.page_of(&path);
            let content = if is_file {
                self.file(&path, &page, pages)?
            } else {
                self.folder(&path, &page, pages)?
            };
            let mut chapter = Chapter::new(
                name,
                content,
                format!("{}.md", page.strip_suffix(".html").unwrap_or(&page)),
                above.to_vec(),
            );
            chapter.source_path = None;
            chapter.number = Some(SectionNumber::new(number.clone()));
            if !is_file {
                let above: Vec<String> = above.iter().cloned().chain([name.to_owned()]).collect();
                chapter.sub_items = self.chapters_in(&path, &above, pages, (&number, 0))?;
            }
            chapters.push(BookItem::Chapter(chapter));
        }
        Ok(chapters)
    }

    /// The entries of a folder: first those that a reader begins with, then by name.
    fn entries(&self, folder: &str) -> Vec<String> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let inside = self.files.iter().filter_map(|file| file.strip_prefix(&prefix));
        let names: BTreeSet<&str> = inside.filter_map(|rest| rest.split('/').next()).collect();
        let mut names: Vec<&str> = names.into_iter().collect();
        if folder.is_empty() {
            names.sort_by_key(|name| (self.files.contains(*name), !name.starts_with("step")));
        } else {
            names.sort_by_key(|name| !["main.rs", "lib.rs", "mod.rs"].contains(name));
        }
        names.into_iter().map(|name| format!("{prefix}{name}")).collect()
    }

    fn folder(&self, path: &str, page: &str, pages: &Pages) -> Result<String> {
        let mut text = self.head(path, page, pages);
        for entry in self.entries(path) {
            let name = entry.rsplit('/').next().unwrap_or_default();
            let about =
                if self.files.contains(&entry) { about(&read(&entry)?) } else { String::new() };
            let _ = writeln!(text, "- [{name}]({}){about}", from(page, &self.page_of(&entry)));
        }
        Ok(text)
    }

    fn file(&self, path: &str, page: &str, pages: &Pages) -> Result<String> {
        let code = read(path)?;
        let language = language(path);
        // mdBook hides a line of Rust that begins with `# `, and shows `## ` as `# `.
        let code: String = code
            .lines()
            .map(|line| if language == "rust" { doubled(line) } else { line.to_owned() } + "\n")
            .collect();
        let fence = "`".repeat(longest_run_of_backticks(&code).max(2) + 1);
        let head = self.head(path, page, pages);
        Ok(format!("{head}{fence}{language}\n{code}{fence}\n"))
    }

    /// The title, and links to the lesson and to the neighbours.
    fn head(&self, path: &str, page: &str, pages: &Pages) -> String {
        // For the `links` preprocessor, which would find it here, too, if this were one string.
        let title = ["{{", "#title ", path, "}}"].concat();
        let mut text = format!("{title}\n\n# {path}\n\n");
        let above: Vec<&str> = path.match_indices('/').map(|(end, _)| &path[..end]).collect();
        let lesson = above.iter().rev().chain([&path, &""]).find_map(|folder| pages.lesson(folder));
        let mut links = Vec::new();
        links.extend(lesson.map(|lesson| link(&lesson.name, page, &lesson.path)));
        links.extend(above.last().map(|folder| link(folder, page, &self.page_of(folder))));
        links.extend(self.in_other_steps(path, page));
        let _ = writeln!(text, "{}\n", links.join(" · "));
        text
    }

    /// Links to the same file in the steps before and after.
    fn in_other_steps(&self, path: &str, page: &str) -> Vec<String> {
        let Some((step, file)) = path.split_once('/') else { return Vec::new() };
        let Some(here) = self.steps.iter().position(|name| name == step) else { return Vec::new() };
        let others = [here.checked_sub(1), Some(here + 1)].into_iter().flatten();
        let others = others.filter_map(|step| Some((step + 1, self.steps.get(step)?)));
        let others = others.map(|(number, step)| (number, format!("{step}/{file}")));
        others
            .filter(|(_, other)| self.files.contains(other))
            .map(|(number, other)| link(&format!("in step {number}"), page, &self.page_of(&other)))
            .collect()
    }
}

fn is_prose(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "md")
}

fn link(name: &str, page: &str, target: &str) -> String {
    format!("[{name}]({})", from(page, target))
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| format!("cannot read {path}"))
}

/// The first sentences of a module's documentation.
fn about(code: &str) -> String {
    let lines = code.lines().map_while(|line| line.strip_prefix("//! "));
    let mut text = lines.collect::<Vec<_>>().join(" ");
    if !text.contains("](") {
        text.retain(|character| !"[]".contains(character)); // rustdoc knows where that leads.
    }
    if text.is_empty() || text.starts_with("```") { String::new() } else { format!(": {text}") }
}

/// The name that mdBook's highlighter has for the language of a file.
fn language(path: &str) -> &'static str {
    match Path::new(path).extension().and_then(|extension| extension.to_str()) {
        Some("rs") => "rust",
        Some("toml") => "toml",
        Some("yaml" | "yml") => "yaml",
        Some("json") => "json",
        Some("py") => "python",
        Some("sh") => "bash",
        _ => "text",
    }
}

fn doubled(line: &str) -> String {
    let code = line.trim_start();
    let hidden = code == "#" || code.starts_with("# ") || code.starts_with("##");
    if hidden { line.replacen('#', "##", 1) } else { line.to_owned() }
}

fn longest_run_of_backticks(code: &str) -> usize {
    code.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_of_a_step_has_a_page_and_a_private_one_has_none() {
        let code = Code::of_the_repository().unwrap();
        assert!(code.files.contains("step05_multiple_consumers/src/server.rs"));
        assert!(code.files.contains("deploy/palleto.yaml"));
        assert!(!code.files.iter().any(|file| file.contains("/.") || is_prose(file)));
    }

    #[test]
    fn what_one_begins_with_is_first() {
        let code = Code::of_the_repository().unwrap();
        let first = &code.entries("step05_multiple_consumers/src")[..2];
        assert_eq!(
            first,
            ["step05_multiple_consumers/src/main.rs", "step05_multiple_consumers/src/consumer.rs"]
        );
    }

    #[test]
    fn a_module_says_what_it_is_about() {
        assert_eq!(about("//! Events in:\n//! [`a`].\n//!\n//! More.\n"), ": Events in: `a`.");
        assert_eq!(about("//! ```text\n//! cargo run\n"), "");
        assert_eq!(about("use std;\n"), "");
    }

    #[test]
    fn code_that_has_fences_is_in_a_longer_one() {
        assert_eq!(longest_run_of_backticks("a `b` ```c```` d"), 4);
        assert_eq!(longest_run_of_backticks("a"), 0);
    }

    #[test]
    fn no_line_of_rust_is_hidden() {
        assert_eq!(doubled("  # a"), "  ## a");
        assert_eq!(doubled("## a"), "### a");
        assert_eq!(doubled("#[test]"), "#[test]");
    }
}
