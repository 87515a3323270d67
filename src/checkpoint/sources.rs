//! Where image files are stored: a folder, a zip archive or a tar archive.

use super::{FileError, ReadProgress, foreign, open_file, zip_parts};
use image::ImageFormat;
use std::fs::{self, File};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// More pictures than a set may have (as exact scores of them would take hours).
pub(super) const MAX_PICTURES: usize = 65_536;
/// Folders inside folders.
const MAX_DEPTH: usize = 16;
/// Bytes of one name in a tar archive.
const MAX_NAME: u64 = 64 << 10;
/// Bytes of one picture file.
pub(super) const MAX_FILE: u64 = 256 << 20;
const WHAT: &str = "a folder or archive of images";

/// Anything an archive can be read from.
pub(super) trait Bytes: Read + Seek + Send {}
impl<T: Read + Seek + Send> Bytes for T {}

type Reader = Box<dyn Bytes>;

enum Place {
    File(PathBuf),
    Zip(usize),
    Tar { start: u64, size: u64 },
}

enum Store {
    Folder,
    Zip(ZipArchive<Reader>),
    Tar(Reader),
}

/// Image files in the order of their names. Names are for display only: nothing is ever
/// written or opened by a name from an archive.
pub(super) struct Source {
    store: Store,
    items: Vec<(String, Place)>,
    /// Pictures beyond [`MAX_PICTURES`], which are not among the items.
    pub left_out: usize,
}

impl Source {
    /// Lists a folder or an archive, unless `progress` ends it.
    pub fn open(path: &Path, progress: &ReadProgress) -> Result<Self, FileError> {
        if path.is_dir() {
            let mut items = Vec::new();
            walk(path, "", 0, &mut items, progress).map_err(|source| FileError::read(path, source))?;
            return Ok(Self::sorted(Store::Folder, items));
        }
        let (file, _) = open_file(path)?;
        Self::archive(Box::new(BufReader::new(file)), path, progress)
    }

    /// Lists an archive. `path` is only for the message.
    pub fn archive(mut reader: Reader, path: &Path, progress: &ReadProgress) -> Result<Self, FileError> {
        let mut start = Vec::new();
        let read = |source| FileError::read(path, source);
        (&mut reader).take(512).read_to_end(&mut start).map_err(read)?;
        reader.rewind().map_err(read)?;
        if start.starts_with(b"PK") {
            Self::zip(reader, progress)
                .map_err(|error| FileError::format(path, WHAT, format!("the zip archive is damaged ({error})")))
        } else if start.get(257..262) == Some(b"ustar") {
            Self::tar(reader, progress)
                .map_err(|error| FileError::format(path, WHAT, format!("the tar archive is damaged ({error})")))
        } else {
            let reason = foreign::sentence(&start, "another kind of file", "choose a folder, a .zip or a .tar");
            Err(FileError::format(path, WHAT, reason))
        }
    }

    fn zip(reader: Reader, progress: &ReadProgress) -> zip::result::ZipResult<Self> {
        let mut archive = zip_parts::archive(reader)?;
        let mut items = Vec::new();
        for index in 0..archive.len() {
            progress.tell(0.0)?;
            let file = archive.by_index_raw(index)?;
            if let Some(name) = file.is_file().then(|| file.name().ok()).flatten().and_then(|name| shown(&name)) {
                items.push((name, Place::Zip(index)));
            }
        }
        Ok(Self::sorted(Store::Zip(archive), items))
    }

    /// Reads names itself, as the library takes those that are longer than a header into memory whatever they claim.
    fn tar(reader: Reader, progress: &ReadProgress) -> std::io::Result<Self> {
        let mut archive = tar::Archive::new(reader);
        let (mut items, mut long) = (Vec::new(), None);
        for entry in archive.entries_with_seek()?.raw(true) {
            progress.tell(0.0)?;
            let mut entry = entry?;
            let kind = entry.header().entry_type();
            if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
                long = long_name(&mut entry)?.or(long);
                continue;
            }
            let name = long.take().unwrap_or_else(|| String::from_utf8_lossy(&entry.path_bytes()).into_owned());
            if let Some(name) = kind.is_file().then(|| shown(&name)).flatten() {
                items.push((name, Place::Tar { start: entry.raw_file_position(), size: entry.size() }));
            }
        }
        Ok(Self::sorted(Store::Tar(archive.into_inner()), items))
    }

    fn sorted(store: Store, mut items: Vec<(String, Place)>) -> Self {
        items.sort_by(|a, b| a.0.cmp(&b.0));
        let left_out = items.len().saturating_sub(MAX_PICTURES);
        items.truncate(MAX_PICTURES);
        Source { store, items, left_out }
    }

    /// Number of picture files.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Name and bytes of one picture file, or why it cannot be read.
    pub fn load(&mut self, index: usize) -> Option<(String, Result<Vec<u8>, String>)> {
        let (name, place) = self.items.get(index)?;
        let bytes = match (place, &mut self.store) {
            (Place::File(path), _) => File::open(path).map_err(|error| error.to_string()).and_then(all),
            (Place::Zip(entry), Store::Zip(archive)) => {
                archive.by_index(*entry).map_err(|error| error.to_string()).and_then(all)
            }
            (Place::Tar { start, size }, Store::Tar(reader)) => {
                let found = reader.seek(SeekFrom::Start(*start)).map_err(|error| error.to_string());
                found.and_then(|_| all(reader.take(*size))).and_then(|bytes| {
                    if bytes.len() as u64 == *size { Ok(bytes) } else { Err("the archive is truncated".into()) }
                })
            }
            _ => Err("it is missing".into()),
        };
        Some((name.clone(), bytes))
    }
}

/// The name in an entry that holds the one of the next entry, if that is what it holds.
fn long_name(entry: &mut tar::Entry<'_, Reader>) -> std::io::Result<Option<String>> {
    if entry.size() > MAX_NAME {
        return Err(std::io::Error::other("a name is longer than 64 KiB"));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    if entry.header().entry_type().is_gnu_longname() {
        let name = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
        return Ok(Some(String::from_utf8_lossy(name).into_owned()));
    }
    let mut fields = tar::PaxExtensions::new(&bytes).filter_map(Result::ok);
    let path = fields.find(|field| field.key() == Ok("path"));
    Ok(path.map(|path| String::from_utf8_lossy(path.value_bytes()).into_owned()))
}

/// All bytes of one picture file, however much a compressed one grows.
fn all(reader: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE { Err("it is larger than 256 MiB".into()) } else { Ok(bytes) }
}

/// The name as it is shown, if it is that of a picture that is meant to be seen.
fn shown(name: &str) -> Option<String> {
    let name = name.trim_start_matches("./");
    let hidden = name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX");
    (!hidden && is_picture(name)).then(|| name.chars().map(|c| if c.is_control() { '?' } else { c }).collect())
}

fn is_picture(name: &str) -> bool {
    let format = Path::new(name).extension().and_then(ImageFormat::from_extension);
    use ImageFormat::{Bmp, Gif, Jpeg, Png, WebP};
    matches!(format, Some(Png | Jpeg | Gif | Bmp | WebP))
}

/// Lists a folder's pictures. Links to files are followed, links to folders are not, so that no
/// walk goes in circles. Subfolders that cannot be read are passed over.
fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    items: &mut Vec<(String, Place)>,
    progress: &ReadProgress,
) -> std::io::Result<()> {
    for file in fs::read_dir(folder)?.filter_map(Result::ok) {
        progress.tell(0.0)?;
        let (path, name) = (file.path(), format!("{prefix}{}", file.file_name().to_string_lossy()));
        let Ok(kind) = file.file_type() else { continue };
        if kind.is_dir() {
            if depth < MAX_DEPTH && !file.file_name().to_string_lossy().starts_with('.') {
                walk(&path, &format!("{name}/"), depth + 1, items, progress).ok();
            }
        } else if let Some(name) = shown(&name)
            && fs::metadata(&path).is_ok_and(|about| about.is_file())
        {
            items.push((name, Place::File(path)));
        }
    }
    Ok(())
}
