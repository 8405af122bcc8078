//! A folder on disk, in the small steps that a durable write is made of.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, process};

/// A folder on disk. Names are those of files in it, or in a folder in it, which is there as long as it has files.
///
/// A change survives a power failure only after it was forced: a file's content by [`force`](Self::force), the names in
/// the folder by [`force_names`](Self::force_names).
///
/// This is a trait so that a simulation can lose changes that were not forced, and fail at each step.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Whether there is a file of this name.
    ///
    /// # Errors
    ///
    /// The operating system's.
    fn exists(&self, name: &str) -> io::Result<bool>;

    /// The content of a file.
    ///
    /// # Errors
    ///
    /// The operating system's.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// Writes a file that does not exist yet.
    ///
    /// # Errors
    ///
    /// The operating system's. Part of the file may be there.
    fn create(&self, name: &str, content: &[u8]) -> io::Result<()>;

    /// Forces the content of a file to disk.
    ///
    /// # Errors
    ///
    /// The operating system's.
    fn force(&self, name: &str) -> io::Result<()>;

    /// Renames a file, and replaces the one that has that name.
    ///
    /// # Errors
    ///
    /// The operating system's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// The operating system's.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Forces the names in the folder to disk.
    ///
    /// # Errors
    ///
    /// The operating system's.
    fn force_names(&self) -> io::Result<()>;
}

/// A real folder.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Whether the file system can force names to disk.
    can_force_names: bool,
}

/// The prefix of files that are not whole yet.
pub(crate) const UNFINISHED: &str = ".unfinished-";
/// A file is written in a moment. One that is still unfinished after this time was left by a killed process.
/// Younger ones may belong to other processes that use the same folder.
const LEFT_BEHIND: Duration = Duration::from_hours(1);

impl Folder {
    /// Opens a folder, and creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// If a file cannot be written to it.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
        let mut folder = Self { path, can_force_names: true };
        folder.remove_left_behind();
        let probe = format!("{UNFINISHED}probe-{}", process::id());
        let _ = folder.remove(&probe); // Another process with this number left it behind.
        let written = folder.create(&probe, b"\n").and_then(|()| folder.force(&probe));
        let removed = folder.remove(&probe);
        written.and(removed)?;
        match folder.force_names() {
            Err(error) if is_impossible(&error) => {
                let path = folder.path.display();
                tracing::warn!(
                    "The file system of {path} cannot force a folder's names to disk ({error}): after a power failure, results of the last seconds may be missing"
                );
                folder.can_force_names = false;
            }
            forced => forced?,
        }
        Ok(folder)
    }

    fn remove_left_behind(&self) {
        for file in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let age = || file.metadata()?.modified()?.elapsed().map_err(io::Error::other);
            if file.file_name().to_string_lossy().starts_with(UNFINISHED)
                && age().is_ok_and(|age| age > LEFT_BEHIND)
            {
                let _ = fs::remove_file(file.path()); // If that fails, another process removed it first.
            }
        }
    }
}

/// Whether the file system does not offer this at all. Network file systems and some of FUSE are like that.
fn is_impossible(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, Unsupported};
    matches!(error.kind(), InvalidInput | Unsupported)
}

impl Disk for Folder {
    fn exists(&self, name: &str) -> io::Result<bool> {
        self.path.join(name).try_exists()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path.join(name))
    }

    fn create(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create_new(true).open(self.path.join(name))?;
        file.write_all(content)
    }

    fn force(&self, name: &str) -> io::Result<()> {
        // Windows forces only files that are open for writing.
        OpenOptions::new().write(true).open(self.path.join(name))?.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path.join(from), self.path.join(to));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(folder) = to.parent().filter(|it| **it != self.path) {
                    fs::create_dir_all(folder)?;
                }
                fs::rename(from, to)
            }
            renamed => renamed,
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let file = self.path.join(name);
        fs::remove_file(&file)?;
        if let Some(folder) = file.parent().filter(|it| **it != self.path) {
            let _ = fs::remove_dir(folder); // It may have other files.
        }
        Ok(())
    }

    fn force_names(&self) -> io::Result<()> {
        // Windows cannot open a folder as a file, and writes names through.
        if cfg!(unix) && self.can_force_names { File::open(&self.path)?.sync_all() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn files_that_a_killed_process_left_long_ago_are_removed_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, age: u64| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_mins(age)).unwrap();
        };
        file(".unfinished-old", 61);
        file(".unfinished-new", 59);
        file("result.json", 1000);
        Folder::open(folder.path().to_owned()).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort_unstable();
        assert_eq!(names, [".unfinished-new", "result.json"]);
    }

    #[test]
    fn a_folder_does_what_a_disk_promises() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Folder::open(folder.path().join("a/b")).unwrap();
        assert!(!disk.exists("x").unwrap());
        disk.create("x", b"1").unwrap();
        assert!(disk.create("x", b"2").is_err(), "it exists");
        disk.force("x").unwrap();
        disk.create("y", b"3").unwrap();
        disk.rename("y", "x").unwrap();
        disk.force_names().unwrap();
        assert!(disk.exists("x").unwrap() && !disk.exists("y").unwrap());
        assert_eq!(disk.read("x").unwrap(), b"3");
        for name in ["c/1", "c/2"] {
            disk.create("y", name.as_bytes()).unwrap();
            disk.rename("y", name).unwrap();
        }
        disk.remove("c/1").unwrap();
        assert!(!disk.exists("c/1").unwrap() && disk.read("c/1").is_err());
        assert_eq!(disk.read("c/2").unwrap(), b"c/2");
        disk.remove("c/2").unwrap();
        disk.remove("x").unwrap();
        assert!(disk.remove("x").is_err() && disk.force("x").is_err());
        assert_eq!(fs::read_dir(folder.path().join("a/b")).unwrap().count(), 0);
    }
}
