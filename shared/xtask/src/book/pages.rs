//! Maps the files of the repository to the pages of the book, and makes all pages.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use mdbook_preprocessor::book::{Book, BookItem, Chapter};

use super::code::Code;
use super::links;
use crate::casts;
use crate::steps::root;

/// The folder of SUMMARY.md, from which mdBook's paths of the pages start.
const SUMMARY: &str = "shared/book/src/SUMMARY.md";

/// The pages of SUMMARY.md, and those that only show code.
///
/// All paths start at the top of the repository, and have slashes. The book has the repository's folders:
/// `shared/README.md` is at `shared/index.html`, and `shared/Cargo.toml` at `code/shared/Cargo.toml.html`.
pub struct Pages {
    /// The pages by the paths of their files.
    prose: BTreeMap<String, Page>,
    code: Code,
}

/// A page of SUMMARY.md.
pub struct Page {
    /// The name that SUMMARY.md gives it.
    pub name: String,
    /// The path in the book.
    pub path: String,
}

/// Changes links and pictures in the pages of SUMMARY.md, and adds the pages with the code after them.
///
/// # Errors
///
/// If a link leads nowhere.
pub fn put_right(mut book: Book) -> Result<Book> {
    let mut pages = Pages { prose: BTreeMap::new(), code: Code::of_the_repository()? };
    let mut result = Ok(());
    book.for_each_chapter_mut(|chapter| {
        if result.is_ok() {
            result = pages.find_a_place_for(chapter);
        }
    });
    book.for_each_chapter_mut(|chapter| {
        if result.is_ok() {
            result = pages.put_right_in(chapter);
        }
    });
    result?;
    let numbered = book.chapters().filter(|chapter| chapter.number.is_some()).count();
    book.push_item(BookItem::PartTitle("The code".to_owned()));
    book.items.extend(pages.code.chapters(&pages, u32::try_from(numbered)?)?);
    Ok(book)
}

impl Pages {
    /// mdBook would take the path as seen from SUMMARY.md, which is outside the book.
    fn find_a_place_for(&mut self, chapter: &mut Chapter) -> Result<()> {
        let file = file_of(chapter)?;
        let place = match file.strip_suffix("README.md") {
            Some(folder) => format!("{folder}index.md"),
            None => file.clone(),
        };
        let page = Page { name: chapter.name.clone(), path: place.replace(".md", ".html") };
        self.prose.insert(file, page);
        chapter.path = Some(place.into());
        Ok(())
    }

    fn put_right_in(&mut self, chapter: &mut Chapter) -> Result<()> {
        let file = file_of(chapter)?;
        let page = self.prose.get(&file).context("a page has no place")?.path.clone();
        let mut link = |to: &str| self.link(&file, &page, to);
        let content = links::put_right(&chapter.content, &file, &mut link)
            .with_context(|| format!("in {file}"))?;
        chapter.content = with_recording(content, &file)?;
        Ok(())
    }

    /// The target that the link `to` in `file` has in the page of that file.
    fn link(&mut self, file: &str, page: &str, to: &str) -> Result<String> {
        let (path, fragment) = match to.split_once('#') {
            Some((path, fragment)) => (path, format!("#{fragment}")),
            None => (to, String::new()),
        };
        let path = links::join(file, path)?;
        let target = match self.lesson(&path) {
            Some(page) => page.path.clone(),
            None if root().join(&path).exists() => self.code.page(&path)?,
            None => bail!("there is no {path}, to which {to} leads"),
        };
        Ok(format!("{}{fragment}", from(page, &target)))
    }

    /// The page of a file, or of a folder's README.
    pub fn lesson(&self, path: &str) -> Option<&Page> {
        let readme =
            if path.is_empty() { "README.md".to_owned() } else { format!("{path}/README.md") };
        self.prose.get(path).or_else(|| self.prose.get(&readme))
    }
}

/// The page of a step with the recording of the step, after the first transcript, and that of `--watch`, if there is one, after the
/// paragraph that begins with its command.
fn with_recording(content: String, file: &str) -> Result<String> {
    let Some((name, _)) = file.split_once('_').filter(|(name, _)| name.starts_with("step")) else {
        return Ok(content);
    };
    let transcript = content.find("\n```console").map(|at| at + 4);
    let end = transcript.and_then(|at| Some(at + content[at..].find("\n```\n")? + 5));
    let (before, after) =
        content.split_at(end.with_context(|| format!("{file} has no transcript"))?);
    let mut rest = after.to_owned();
    if let Ok(watched) = casts::kept(&format!("{name}-watch")) {
        let package = file.split('/').next().unwrap_or_default();
        let paragraph = rest.find(&format!("\n`cargo run -p {package} -- --watch"));
        let end = paragraph.and_then(|at| Some(at + 1 + rest[at + 1..].find("\n\n")? + 1));
        let end = end.with_context(|| format!("{file} does not tell of --watch"))?;
        rest.insert_str(end, &format!("\n{}\n", casts::figure(&watched.to_text())));
    }
    let cast = casts::kept(name)?;
    Ok(format!("{before}\n{}\n{rest}", casts::figure(&cast.to_text())))
}

/// The link from `page` to `target`. Both are paths in the book.
pub fn from(page: &str, target: &str) -> String {
    format!("{}{target}", "../".repeat(page.matches('/').count()))
}

fn file_of(chapter: &Chapter) -> Result<String> {
    let path = chapter.source_path.as_deref().and_then(|path| path.to_str());
    links::join(SUMMARY, path.context("a page of SUMMARY.md has no file")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> Pages {
        let prose = [("README.md", "index.html"), ("shared/README.md", "shared/index.html")];
        let page = |path: &str| Page { name: "Step".to_owned(), path: path.to_owned() };
        Pages {
            prose: prose.map(|(file, path)| (file.to_owned(), page(path))).into(),
            code: Code::of_the_repository().unwrap(),
        }
    }

    #[test]
    fn a_readme_and_its_folder_are_the_same_page() {
        let link = |to| pages().link("README.md", "index.html", to).unwrap();
        assert_eq!(link("shared"), "shared/index.html");
        assert_eq!(link("shared/"), "shared/index.html");
        assert_eq!(link("shared/README.md#in-code"), "shared/index.html#in-code");
    }

    #[test]
    fn other_files_and_folders_are_shown_as_code() {
        let link = |to| pages().link("shared/README.md", "shared/index.html", to).unwrap();
        assert_eq!(link("src/lib.rs"), "../code/shared/src/lib.rs.html");
        assert_eq!(link("stage/src"), "../code/shared/stage/src/index.html");
        assert_eq!(link("../Dockerfile"), "../code/Dockerfile.html");
        assert_eq!(link(".."), "../index.html");
    }

    #[test]
    fn a_step_has_its_recording_after_its_transcript() {
        let text = "# Step 4\n\n```console\n$ a\n```\n\nMore\n".to_owned();
        let page = with_recording(text.clone(), "step04_simulate_waiting/README.md").unwrap();
        let (before, after) = page.split_once("<figure class=\"cast\">").unwrap();
        assert!(
            before.ends_with("$ a\n```\n\n") && after.ends_with("</figure>\n\nMore\n"),
            "{page}"
        );
        assert!(
            !after.trim_end_matches("\n\nMore\n").contains("\n\n"),
            "Markdown would go on there"
        );
        assert_eq!(with_recording(text.clone(), "shared/README.md").unwrap(), text);

        for arguments in ["--watch", "--watch --latency 500ms"] {
            let run = format!("`cargo run -p step05_multiple_consumers -- {arguments}`");
            let both = text.replace("More\n", &format!("{run} shows\nit.\n\nMore\n"));
            let page = with_recording(both, "step05_multiple_consumers/README.md").unwrap();
            let parts: Vec<_> = page.split("<figure class=\"cast\">").collect();
            assert_eq!(parts.len(), 3);
            assert!(parts[1].ends_with("shows\nit.\n\n"), "{page}");
            assert!(parts[2].ends_with("\n\nMore\n"), "{page}");
        }
        with_recording(text, "step05_multiple_consumers/README.md").unwrap_err();
        with_recording("no transcript".to_owned(), "step05_multiple_consumers/README.md")
            .unwrap_err();
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let error = pages().link("README.md", "index.html", "shared/src/nothing.rs").unwrap_err();
        assert!(error.to_string().contains("there is no shared/src/nothing.rs"), "{error}");
        pages().link("README.md", "index.html", "../elsewhere").unwrap_err();
    }
}
