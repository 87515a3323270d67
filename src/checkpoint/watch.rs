//! Tells how far a file has been read, and ends the reading where that is asked for.

use super::{FileError, open_file};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes between two times that it is told.
const STEP: u64 = 4 << 20;

/// Who is told the share of a file that has been read, 0 to 1, and answers whether to go on.
pub struct Watch<'a> {
    tell: Option<&'a dyn Fn(f32) -> bool>,
    /// Bytes that will be read, have been read, and had been when it was last told.
    expected: Cell<u64>,
    read: Cell<u64>,
    told: Cell<u64>,
    ended: Cell<bool>,
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Watch({} of {} bytes)", self.read.get(), self.expected.get())
    }
}

impl<'a> Watch<'a> {
    pub fn new(tell: &'a dyn Fn(f32) -> bool) -> Self {
        Watch { tell: Some(tell), ..Watch::none() }
    }

    /// Nobody.
    pub fn none() -> Self {
        let [expected, read, told] = [0; 3].map(Cell::new);
        Watch { tell: None, expected, read, told, ended: Cell::new(false) }
    }

    /// Whether the reading was ended.
    pub fn ended(&self) -> bool {
        self.ended.get()
    }

    /// Opens a plain file to be read under this watch, and tells its length.
    pub(super) fn open(&self, path: &Path) -> Result<(Watched<'_>, u64), FileError> {
        let (file, length) = open_file(path)?;
        self.expect(length);
        Ok((Watched { file, watch: self }, length))
    }

    /// From here on so many bytes will be read.
    pub(super) fn expect(&self, bytes: u64) {
        self.expected.set(self.read.get().saturating_add(bytes));
    }

    fn took(&self, bytes: usize) -> io::Result<()> {
        self.read.set(self.read.get() + bytes as u64);
        let Some(tell) = self.tell.filter(|_| self.read.get() - self.told.get() >= STEP) else { return Ok(()) };
        self.told.set(self.read.get());
        let share = self.read.get() as f64 / self.expected.get().max(1) as f64;
        if tell(share.min(1.0) as f32) {
            return Ok(());
        }
        self.ended.set(true);
        Err(io::Error::other("the reading was ended"))
    }
}

/// A file under a watch.
pub(super) struct Watched<'a> {
    file: File,
    watch: &'a Watch<'a>,
}

impl Read for Watched<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(bytes)?;
        self.watch.took(read)?;
        Ok(read)
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.file.seek(place)
    }
}
