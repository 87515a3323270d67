//! Where image files are stored: a folder, a zip archive or a tar archive.

use super::photo::MAX_FILE;
use super::progress::Heeding;
use super::tally::Tally;
use super::{FileError, ReadProgress, foreign, open_file, zip_parts};
use crate::text;
use image::ImageFormat;
use std::fs;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// More pictures than a set may have (as exact scores of them would take hours).
pub(super) const MAX_PICTURES: usize = 65_536;
/// Folders inside folders.
const MAX_DEPTH: usize = 16;
/// Bytes of one name in a tar archive.
const MAX_NAME: u64 = 64 << 10;
const WHAT: &str = "a folder or archive of images";
/// Endings of pictures in formats that are not read.
const FOREIGN: [&str; 32] = [
    "tif", "tiff", "heic", "heif", "avif", "jxl", "jp2", "j2k", "jpx", "psd", "xcf", "dng", "cr2", "cr3", "nef", "arw",
    "orf", "raf", "rw2", "svg", "exr", "hdr", "ico", "tga", "ppm", "pgm", "pbm", "pnm", "qoi", "dds", "pcx", "eps",
];

const IN_OTHER_FORMATS: [&str; 2] = [
    "is in a format that is not read and was skipped; convert it to PNG or JPEG",
    "are in formats that are not read and were skipped; convert them to PNG or JPEG",
];
const WITHOUT_ENDING: [&str; 2] = [
    "has no file extension and was skipped; rename it if it is an image",
    "have no file extension and were skipped; rename them if they are images",
];
const HIDDEN: [&str; 2] = ["is hidden and was skipped", "are hidden and were skipped"];
pub(super) const UNREADABLE: [&str; 2] = ["cannot be opened and was skipped", "cannot be opened and were skipped"];

/// Anything an archive can be read from.
pub(super) trait Bytes: Read + Seek {}
impl<T: Read + Seek> Bytes for T {}

type Reader<'a> = Box<dyn Bytes + 'a>;

enum Place {
    File(PathBuf),
    Zip(usize),
    Tar { start: u64, size: u64 },
}

enum Store<'a> {
    Folder,
    Zip(ZipArchive<Reader<'a>>),
    Tar(Reader<'a>),
}

/// Image files in the order of their names. Names are for display only: nothing is ever
/// written or opened by a name from an archive.
pub(super) struct Source<'a> {
    store: Store<'a>,
    items: Vec<(String, Place)>,
    /// Pictures beyond [`MAX_PICTURES`], which are not among the items.
    pub beyond: usize,
    /// What else looks like a picture and is not among the items.
    pub left_out: Tally,
}

impl<'a> Source<'a> {
    /// Lists a folder or an archive, unless `progress` ends it.
    pub fn open(path: &Path, progress: &'a ReadProgress) -> Result<Self, FileError> {
        if path.is_dir() {
            let mut listing = Listing::default();
            listing.walk(path, "", 0, progress).map_err(|source| FileError::read(path, source))?;
            return Ok(Self::sorted(Store::Folder, listing));
        }
        let (file, _) = open_file(path)?;
        Self::archive(Box::new(BufReader::new(Heeding { reader: file, progress })), path, progress)
    }

    /// Lists an archive. `path` is only for the message.
    pub fn archive(mut reader: Reader<'a>, path: &Path, progress: &ReadProgress) -> Result<Self, FileError> {
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

    fn zip(reader: Reader<'a>, progress: &ReadProgress) -> zip::result::ZipResult<Self> {
        let mut archive = zip_parts::archive(reader)?;
        let mut listing = Listing::default();
        for index in 0..archive.len() {
            progress.tell(0.0)?;
            let file = archive.by_index_raw(index)?;
            if let Some(name) = file.is_file().then(|| file.name().ok()).flatten() {
                listing.add(&name, Place::Zip(index));
            }
        }
        Ok(Self::sorted(Store::Zip(archive), listing))
    }

    /// Reads names itself, as the library takes those that are longer than a header into memory whatever they claim.
    fn tar(reader: Reader<'a>, progress: &ReadProgress) -> std::io::Result<Self> {
        let mut archive = tar::Archive::new(reader);
        let (mut listing, mut long) = (Listing::default(), None);
        for entry in archive.entries_with_seek()?.raw(true) {
            progress.tell(0.0)?;
            let mut entry = entry?;
            let kind = entry.header().entry_type();
            if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
                long = long_name(&mut entry)?.or(long);
                continue;
            }
            let name = long.take().unwrap_or_else(|| String::from_utf8_lossy(&entry.path_bytes()).into_owned());
            if kind.is_file() {
                listing.add(&name, Place::Tar { start: entry.raw_file_position(), size: entry.size() });
            }
        }
        Ok(Self::sorted(Store::Tar(archive.into_inner()), listing))
    }

    fn sorted(store: Store<'a>, Listing { mut items, left_out }: Listing) -> Self {
        items.sort_by(|a, b| a.0.cmp(&b.0));
        let beyond = items.len().saturating_sub(MAX_PICTURES);
        items.truncate(MAX_PICTURES);
        Source { store, items, beyond, left_out }
    }

    /// Number of picture files.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Name and bytes of one picture file, or why it cannot be read.
    pub fn load(&mut self, index: usize) -> Option<(String, Result<Vec<u8>, String>)> {
        let (name, place) = self.items.get(index)?;
        let bytes = match (place, &mut self.store) {
            (Place::File(path), _) => open_file(path).map_err(|error| error.cause()).and_then(|(file, _)| all(file)),
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
fn long_name(entry: &mut tar::Entry<'_, Reader<'_>>) -> std::io::Result<Option<String>> {
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

/// What is found while a folder or an archive is listed.
#[derive(Default)]
struct Listing {
    items: Vec<(String, Place)>,
    left_out: Tally,
}

impl Listing {
    /// A file by its name in the folder or archive. What does not look like a picture is passed over silently.
    fn add(&mut self, name: &str, place: Place) {
        let name = name.trim_start_matches("./");
        let (parts, last) = (|| name.split('/'), name.rsplit('/').next().unwrap_or_default());
        // What macOS keeps beside each file.
        if parts().any(|part| part == "__MACOSX") || last.starts_with("._") {
            return;
        }
        let is_hidden = parts().any(|part| part.starts_with('.'));
        let extension = Path::new(last).extension().map(|extension| extension.to_string_lossy().to_lowercase());
        let is_foreign = extension.as_ref().is_some_and(|extension| FOREIGN.contains(&extension.as_str()));
        let shown = shown(name);
        if is_hidden {
            if is_foreign || is_picture(name) {
                self.left_out.add(HIDDEN, &shown, "");
            }
        } else if is_picture(name) {
            self.items.push((shown, place));
        } else if is_foreign {
            self.left_out.add(IN_OTHER_FORMATS, &shown, "");
        } else if extension.is_none() {
            self.left_out.add(WITHOUT_ENDING, &shown, "");
        }
    }

    /// Lists a folder. Links to files are followed, links to folders are not, so that no walk goes in circles.
    fn walk(&mut self, folder: &Path, prefix: &str, depth: usize, progress: &ReadProgress) -> std::io::Result<()> {
        let mut files: Vec<_> = fs::read_dir(folder)?.filter_map(Result::ok).collect();
        files.sort_by_key(fs::DirEntry::file_name);
        for file in files {
            progress.tell(0.0)?;
            let (path, name) = (file.path(), format!("{prefix}{}", file.file_name().to_string_lossy()));
            let Ok(kind) = file.file_type() else { continue };
            if !kind.is_dir() {
                match fs::metadata(&path) {
                    Ok(about) if about.is_dir() => {}
                    Err(error) if is_picture(&name) => self.left_out.add(UNREADABLE, &shown(&name), &error.to_string()),
                    _ => self.add(&name, Place::File(path)),
                }
            } else if file.file_name().to_string_lossy().starts_with('.') {
                self.left_out.add(HIDDEN, &shown(&format!("{name}/")), "");
            } else if depth >= MAX_DEPTH {
                self.left_out.add(UNREADABLE, &shown(&format!("{name}/")), "it is too deep inside other folders");
            } else if let Err(error) = self.walk(&path, &format!("{name}/"), depth + 1, progress) {
                if progress.is_cancelled() {
                    return Err(error);
                }
                self.left_out.add(UNREADABLE, &shown(&format!("{name}/")), &error.to_string());
            }
        }
        Ok(())
    }
}

/// A path inside a folder or an archive as it is shown, each part a name.
fn shown(path: &str) -> String {
    path.split('/').map(text::name).collect::<Vec<_>>().join("/")
}

fn is_picture(name: &str) -> bool {
    let format = Path::new(name).extension().and_then(ImageFormat::from_extension);
    use ImageFormat::{Bmp, Gif, Jpeg, Png, WebP};
    matches!(format, Some(Png | Jpeg | Gif | Bmp | WebP))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::time::Duration;

    #[test]
    fn a_listing_that_is_ended_within_a_folder_ends() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("inner/a.png"), b"").unwrap();
        let asked = Cell::new(0);
        // So slow that it is asked of the next file, too, which is the one within.
        let listener = |_| {
            std::thread::sleep(Duration::from_millis(60));
            asked.set(asked.get() + 1);
            asked.get() < 2
        };
        assert!(Source::open(folder.path(), &ReadProgress::new(&listener)).is_err());
        assert_eq!(asked.get(), 2);
    }
}
