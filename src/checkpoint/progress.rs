//! Reports how far a file has been read, and cancels the reading on request.

use super::{FileError, open_file};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes between two reports.
const STEP: u64 = 4 << 20;
/// Between two reports of what is not counted in bytes.
const PAUSE: Duration = Duration::from_millis(50);

/// Reports the fraction of a file that has been read, 0 to 1, to a listener, if any, that answers whether to go on.
#[derive(Default)]
pub struct ReadProgress<'a> {
    listener: Option<&'a dyn Fn(f32) -> bool>,
    /// Bytes that will be read, have been read, and had been at the last report.
    expected: Cell<u64>,
    read: Cell<u64>,
    reported: Cell<u64>,
    told: Cell<Option<Instant>>,
    cancelled: Cell<bool>,
}

impl<'a> ReadProgress<'a> {
    pub fn new(listener: &'a dyn Fn(f32) -> bool) -> Self {
        ReadProgress { listener: Some(listener), ..ReadProgress::default() }
    }

    /// Whether the listener cancelled the reading.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }

    /// Opens a regular file whose reading is reported, and returns its length.
    pub(super) fn open(&self, path: &Path) -> Result<(ReportedFile<'_>, u64), FileError> {
        let (file, length) = open_file(path)?;
        // Where it is one of several, all of them were expected.
        self.expected.set(self.expected.get().max(self.read.get().saturating_add(length)));
        Ok((ReportedFile { file, progress: self }, length))
    }

    /// From here on so many bytes will be read.
    pub(super) fn expect(&self, bytes: u64) {
        self.expected.set(self.read.get().saturating_add(bytes));
    }

    /// Reports a fraction that is not one of bytes; fails if the reading is to end.
    pub(super) fn tell(&self, fraction: f32) -> io::Result<()> {
        let due = self.told.get().is_none_or(|told| told.elapsed() >= PAUSE);
        let Some(listener) = self.listener.filter(|_| due) else { return Ok(()) };
        self.told.set(Some(Instant::now()));
        self.go_on(listener(fraction))
    }

    fn go_on(&self, whether: bool) -> io::Result<()> {
        self.cancelled.set(self.cancelled.get() || !whether);
        if self.cancelled.get() { Err(io::Error::other("the reading was cancelled")) } else { Ok(()) }
    }

    fn add(&self, bytes: usize) -> io::Result<()> {
        self.read.set(self.read.get() + bytes as u64);
        let due = self.read.get() - self.reported.get() >= STEP;
        let Some(listener) = self.listener.filter(|_| due) else { return Ok(()) };
        self.reported.set(self.read.get());
        let fraction = self.read.get() as f64 / self.expected.get().max(1) as f64;
        self.go_on(listener(fraction.min(1.0) as f32))
    }
}

/// A file whose reading is reported.
pub(super) struct ReportedFile<'a> {
    file: File,
    progress: &'a ReadProgress<'a>,
}

impl Read for ReportedFile<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(bytes)?;
        self.progress.add(read)?;
        Ok(read)
    }
}

impl Seek for ReportedFile<'_> {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.file.seek(place)
    }
}
