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
    /// The last fraction that is not one of bytes, and when one was reported.
    share: Cell<f32>,
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
        self.share.set(fraction);
        self.heed()
    }

    /// Reports the last such fraction again, between the steps that are counted.
    pub(super) fn heed(&self) -> io::Result<()> {
        self.go_on()?;
        let due = self.told.get().is_none_or(|told| told.elapsed() >= PAUSE);
        let Some(listener) = self.listener.filter(|_| due) else { return Ok(()) };
        self.told.set(Some(Instant::now()));
        self.cancelled.set(!listener(self.share.get()));
        self.go_on()
    }

    /// Once it was cancelled, nothing more is read.
    fn go_on(&self) -> io::Result<()> {
        if self.cancelled.get() { Err(io::Error::other("the reading was cancelled")) } else { Ok(()) }
    }

    fn add(&self, bytes: usize) -> io::Result<()> {
        self.go_on()?;
        self.read.set(self.read.get() + bytes as u64);
        let due = self.read.get() - self.reported.get() >= STEP;
        let Some(listener) = self.listener.filter(|_| due) else { return Ok(()) };
        self.reported.set(self.read.get());
        let fraction = self.read.get() as f64 / self.expected.get().max(1) as f64;
        self.cancelled.set(!listener(fraction.min(1.0) as f32));
        self.go_on()
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

/// What is read without being counted, as only a small part of it is needed; whoever hears can end that, too.
pub(super) struct Heeding<'a, R> {
    pub reader: R,
    pub progress: &'a ReadProgress<'a>,
}

impl<R: Read> Read for Heeding<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.progress.heed()?;
        self.reader.read(bytes)
    }
}

impl<R: Seek> Seek for Heeding<'_, R> {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.reader.seek(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_said_no_is_not_asked_again_and_nothing_more_is_read() {
        let asked = Cell::new(0);
        let listener = |_| {
            asked.set(asked.get() + 1);
            false
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [0; 8]).unwrap();
        let progress = ReadProgress::new(&listener);
        let mut file = progress.open(&path).unwrap().0;
        let mut heeding = Heeding { reader: File::open(&path).unwrap(), progress: &progress };
        let mut byte = [0];
        assert!(file.read(&mut byte).is_ok() && !progress.is_cancelled());
        for _ in 0..3 {
            assert!(progress.tell(0.5).is_err());
            assert!(file.read(&mut byte).is_err() && heeding.read(&mut byte).is_err());
        }
        assert_eq!(asked.get(), 1);
    }
}
