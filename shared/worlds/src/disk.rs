//! A disk that can lose changes that were not forced to it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use shared::disk::Disk;

use crate::plan::Fault;
use crate::world::{Program, World};

/// The disk of one machine or, if machines share a network file system, of all.
#[derive(Debug, Default)]
pub struct Platter(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    files: Vec<File>,
    /// Which file each name means, for programs.
    names: BTreeMap<String, usize>,
    /// Which file each name would mean after a power failure.
    forced_names: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct File {
    content: Vec<u8>,
    forced: bool,
}

impl Platter {
    /// Whole files, by name, as a power failure would leave them.
    pub fn durable(&self) -> Vec<(String, Vec<u8>)> {
        let state = self.0.lock();
        let files = state.forced_names.iter().map(|(name, file)| (name, &state.files[*file]));
        let forced = files.filter(|(_, file)| file.forced);
        forced.map(|(name, file)| (name.clone(), file.content.clone())).collect()
    }

    /// Loses some changes that were not forced.
    pub fn lose_power(&self, world: &World) {
        let mut state = self.0.lock();
        for file in &mut state.files {
            if !file.forced {
                let length = world.luck.pick(0..file.content.len() as u64 + 1);
                file.content.truncate(usize::try_from(length).unwrap_or(0));
                file.forced = true;
            }
        }
        // The names reach the disk in any order. Those that were forced are there.
        if world.luck.happens(0.5) {
            state.names = state.forced_names.clone();
        } else {
            state.forced_names = state.names.clone();
        }
    }
}

/// The disk as a program sees it.
#[derive(Debug)]
pub struct ProgramDisk {
    pub world: Arc<World>,
    pub program: Arc<Program>,
}

impl ProgramDisk {
    /// Ends here if the program is dead, or if at this step the disk fails or the program is killed.
    fn step(&self, what: &str) -> io::Result<()> {
        if self.program.is_dead() {
            return Err(io::Error::other("this program is dead"));
        }
        match self.world.disk_fault(&self.program, what) {
            None => Ok(()),
            Some(Fault::DiskFull) => Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::ReadOnly) => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            Some(Fault::Kill) => {
                self.world.kill(&self.program);
                Err(io::Error::other("this program is dead"))
            }
            Some(_) => Err(io::Error::from_raw_os_error(5)), // EIO
        }
    }

    fn state(&self) -> parking_lot::MutexGuard<'_, State> {
        self.program.platter.0.lock()
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for ProgramDisk {
    fn exists(&self, name: &str) -> io::Result<bool> {
        if self.program.is_dead() {
            return Ok(false);
        }
        Ok(self.state().names.contains_key(name))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.step("read")?;
        let state = self.state();
        let file = *state.names.get(name).ok_or_else(missing)?;
        Ok(state.files[file].content.clone())
    }

    fn create(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let failed = self.step("create");
        let mut state = self.state();
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        // A write that fails may have come half way.
        let length = if failed.is_ok() { content.len() } else { content.len() / 2 };
        let file = File { content: content[..length].to_vec(), forced: false };
        state.files.push(file);
        let number = state.files.len() - 1;
        state.names.insert(name.to_owned(), number);
        failed
    }

    fn force(&self, name: &str) -> io::Result<()> {
        self.step("force")?;
        let mut state = self.state();
        let file = *state.names.get(name).ok_or_else(missing)?;
        state.files[file].forced = true;
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step("rename")?;
        let mut state = self.state();
        let file = state.names.remove(from).ok_or_else(missing)?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.step("remove")?;
        self.state().names.remove(name).map(drop).ok_or_else(missing)
    }

    fn force_names(&self) -> io::Result<()> {
        self.step("force_names")?;
        let mut state = self.state();
        state.forced_names = state.names.clone();
        Ok(())
    }
}
