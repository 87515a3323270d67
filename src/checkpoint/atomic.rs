use super::FileError;
use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// How the names of files end that are being written; they begin with a dot.
const TEMPORARY: &str = ".tmp";

/// Writes a file under a temporary name in the same folder, then renames it: others see
/// the old file or the whole new one, never half of it.
///
/// A file that is replaced keeps its permissions; a link is followed; devices and pipes are
/// written to as they are.
///
/// # Errors
/// Whatever the system or `write` returns, as [`FileError::Write`]. The old file then stays.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), FileError> {
    replace(path, write).map_err(|source| FileError::Write { path: path.into(), source })
}

/// Keeps other programs out as long as the file is held, and removes what those that were killed left half-written in these
/// folders; `None` where another program holds it.
pub fn claim(file: File, folders: &[&Path]) -> Option<File> {
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return None;
    }
    for folder in folders {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let is_left = |name: &str| name.starts_with('.') && name.ends_with(TEMPORARY);
        for entry in entries.filter(|entry| entry.file_name().to_str().is_some_and(is_left)) {
            // What cannot be removed does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
    Some(file)
}

/// Looks whether [`write_atomically`] could write there now. Leaves nothing behind.
///
/// # Errors
/// Why not.
pub fn check_writable(path: &Path) -> Result<(), FileError> {
    let place = || {
        let (target, old) = resolve(path)?;
        if old.as_ref().map_or(Ok(true), replaceable)? { temporary(&target).map(drop) } else { Ok(()) }
    };
    place().map_err(|source| FileError::Write { path: path.into(), source })
}

/// Whether what is there is replaced, or a device or pipe to be written to as it is.
fn replaceable(old: &Metadata) -> io::Result<bool> {
    if old.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    if old.permissions().readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the existing file is read-only"));
    }
    Ok(old.is_file())
}

fn temporary(target: &Path) -> io::Result<NamedTempFile> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{}.", name.chars().take(40).collect::<String>());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(TEMPORARY);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask
    builder.tempfile_in(folder).map_err(bare)
}

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let (target, old) = resolve(path)?;
    if let Some(old) = &old
        && !replaceable(old)?
    {
        return fill(&File::options().write(true).open(&target)?, write);
    }
    let temporary = temporary(&target)?;
    if let Some(old) = old {
        temporary.as_file().set_permissions(old.permissions())?;
    }
    fill(temporary.as_file(), write)?;
    temporary.as_file().sync_all()?;
    temporary.persist(&target).map_err(|error| error.error)?;
    Ok(())
}

/// Where the file really is, and what is there now.
fn resolve(path: &Path) -> io::Result<(PathBuf, Option<Metadata>)> {
    match fs::canonicalize(path) {
        Ok(target) => fs::metadata(&target).map(|old| (target, Some(old))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((path.into(), None)),
        Err(error) => Err(error),
    }
}

/// The system's own words: the sentence names the path that was given, not the temporary one.
fn bare(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(io::ErrorKind::NotFound, "its folder does not exist"),
        kind => kind.into(),
    }
}

fn fill(file: &File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, file);
    write(&mut out)?;
    out.flush()
}
