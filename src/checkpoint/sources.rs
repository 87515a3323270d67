//! Where image files are stored: a folder, a zip archive or a tar archive.

use super::photo::MAX_FILE;
use super::tally::Tally;
use super::{FileError, open_file};
use image::ImageFormat;
use std::fs;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use zip::ZipArchive;
use zip::result::ZipError;

/// More pictures than a set may have (as exact scores of them would take hours).
pub(super) const MAX_PICTURES: usize = 65_536;
/// Folders inside folders.
const MAX_DEPTH: usize = 16;
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
    pub beyond: usize,
    /// What else looks like a picture and is not among the items.
    pub left_out: Tally,
}

impl Source {
    /// Lists a folder or an archive.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        if path.is_dir() {
            let mut listing = Listing::default();
            listing.walk(path, "", 0).map_err(|source| FileError::read(path, source))?;
            return Ok(Self::sorted(Store::Folder, listing));
        }
        let (file, _) = open_file(path)?;
        Self::archive(Box::new(BufReader::new(file)), path)
    }

    /// Lists an archive. `path` is only for the message.
    pub fn archive(mut reader: Reader, path: &Path) -> Result<Self, FileError> {
        let mut start = Vec::new();
        let read = |source| FileError::read(path, source);
        (&mut reader).take(512).read_to_end(&mut start).map_err(read)?;
        reader.rewind().map_err(read)?;
        if start.starts_with(b"PK") {
            Self::zip(reader)
                .map_err(|error| FileError::format(path, WHAT, format!("the zip archive is damaged ({error})")))
        } else if start.get(257..262) == Some(b"ustar") {
            Self::tar(reader)
                .map_err(|error| FileError::format(path, WHAT, format!("the tar archive is damaged ({error})")))
        } else {
            Err(FileError::format(path, WHAT, "it is another kind of file; choose a folder, a .zip or a .tar"))
        }
    }

    fn zip(reader: Reader) -> zip::result::ZipResult<Self> {
        let mut archive = ZipArchive::new(reader)?;
        // A small file could be thousands of large pictures.
        if archive.has_overlapping_entries()? {
            return Err(ZipError::InvalidArchive("its entries overlap".into()));
        }
        let mut listing = Listing::default();
        for index in 0..archive.len() {
            let file = archive.by_index_raw(index)?;
            if let Some(name) = file.is_file().then(|| file.name().ok()).flatten() {
                listing.add(&name, Place::Zip(index));
            }
        }
        Ok(Self::sorted(Store::Zip(archive), listing))
    }

    fn tar(reader: Reader) -> std::io::Result<Self> {
        let mut archive = tar::Archive::new(reader);
        let mut listing = Listing::default();
        for entry in archive.entries_with_seek()? {
            let entry = entry?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if entry.header().entry_type().is_file() {
                listing.add(&name, Place::Tar { start: entry.raw_file_position(), size: entry.size() });
            }
        }
        Ok(Self::sorted(Store::Tar(archive.into_inner()), listing))
    }

    fn sorted(store: Store, Listing { mut items, left_out }: Listing) -> Self {
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
        let shown: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
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
    fn walk(&mut self, folder: &Path, prefix: &str, depth: usize) -> std::io::Result<()> {
        let mut files: Vec<_> = fs::read_dir(folder)?.filter_map(Result::ok).collect();
        files.sort_by_key(fs::DirEntry::file_name);
        for file in files {
            let (path, name) = (file.path(), format!("{prefix}{}", file.file_name().to_string_lossy()));
            let Ok(kind) = file.file_type() else { continue };
            if !kind.is_dir() {
                match fs::metadata(&path) {
                    Ok(about) if about.is_dir() => {}
                    Err(error) if is_picture(&name) => self.left_out.add(UNREADABLE, &name, &error.to_string()),
                    _ => self.add(&name, Place::File(path)),
                }
            } else if file.file_name().to_string_lossy().starts_with('.') {
                self.left_out.add(HIDDEN, &format!("{name}/"), "");
            } else if depth >= MAX_DEPTH {
                self.left_out.add(UNREADABLE, &format!("{name}/"), "it is too deep inside other folders");
            } else if let Err(error) = self.walk(&path, &format!("{name}/"), depth + 1) {
                self.left_out.add(UNREADABLE, &format!("{name}/"), &error.to_string());
            }
        }
        Ok(())
    }
}

fn is_picture(name: &str) -> bool {
    let format = Path::new(name).extension().and_then(ImageFormat::from_extension);
    use ImageFormat::{Bmp, Gif, Jpeg, Png, WebP};
    matches!(format, Some(Png | Jpeg | Gif | Bmp | WebP))
}
