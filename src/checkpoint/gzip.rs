//! Gzip around another file.

use super::{FileError, ReadProgress, foreign, open_file};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

const WHAT: &str = "a valid gzip archive";
/// Bytes that an archive may become on disk.
const MAX_UNPACKED: u64 = 64 << 30;
/// How much larger than the file: pictures hardly shrink at all.
const MAX_GROWTH: u64 = 50;

/// Whether a file that begins so is packed.
pub(super) fn begins(start: &[u8]) -> bool {
    start.starts_with(b"\x1f\x8b")
}

/// What is inside bytes that may be packed, of at most `most` bytes.
pub(super) fn unpacked(bytes: Vec<u8>, most: u64) -> Result<Vec<u8>, String> {
    if !begins(&bytes) {
        return Ok(bytes);
    }
    let mut inside = Vec::new();
    let read = MultiGzDecoder::new(bytes.as_slice()).take(most + 1).read_to_end(&mut inside);
    read.map_err(|error| format!("the gzip archive is damaged ({error}); download it again"))?;
    if inside.len() as u64 > most { Err(format!("it unpacks to more than {most} bytes")) } else { Ok(inside) }
}

/// A file, unpacked while it is read if it is packed.
pub(super) fn reader(mut file: File, path: &Path) -> Result<Box<dyn Read>, FileError> {
    let mut start = Vec::new();
    let read = |source| FileError::read(path, source);
    (&mut file).take(2).read_to_end(&mut start).map_err(read)?;
    file.rewind().map_err(read)?;
    let file = BufReader::new(file);
    Ok(if begins(&start) { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// How what is inside begins; nothing where it is damaged.
pub(super) fn start_inside(path: &Path) -> Vec<u8> {
    let mut start = Vec::new();
    if let Ok((file, _)) = open_file(path) {
        let _ = MultiGzDecoder::new(BufReader::new(file)).take(foreign::START).read_to_end(&mut start);
    }
    start
}

/// What is inside, in a file without a name that goes with the program: an archive is read from many places.
pub(super) fn to_disk(path: &Path, progress: &ReadProgress) -> Result<File, FileError> {
    let (file, length) = open_file(path)?;
    let most = MAX_UNPACKED.min(length.saturating_mul(MAX_GROWTH).saturating_add(1 << 20));
    let mut reader = MultiGzDecoder::new(BufReader::new(file));
    let writes = |source| FileError::Write { path: std::env::temp_dir(), source };
    let mut out = BufWriter::new(tempfile::tempfile().map_err(writes)?);
    let (mut bytes, mut total) = (vec![0; 1 << 18], 0);
    loop {
        progress.tell(0.0).map_err(|source| FileError::read(path, source))?;
        let read = reader
            .read(&mut bytes)
            .map_err(|error| FileError::format(path, WHAT, format!("it is damaged ({error}); download it again")))?;
        if read == 0 {
            break;
        }
        total += read as u64;
        if total > most {
            let reason = format!("it unpacks to more than {most} bytes; unpack it yourself, and choose the folder");
            return Err(FileError::format(path, WHAT, reason));
        }
        out.write_all(&bytes[..read]).map_err(writes)?;
    }
    let mut file = out.into_inner().map_err(|error| writes(error.into_error()))?;
    file.rewind().map_err(writes)?;
    Ok(file)
}
