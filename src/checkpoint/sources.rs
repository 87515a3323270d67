//! Where image files are stored: a folder, a zip archive or a tar archive.

use super::photo::MAX_FILE;
use super::progress::Heeding;
use super::tally::Tally;
use super::{FileError, ReadProgress, cifar, classes, foreign, gzip, idx, numpy, open_file, zip_parts};
use crate::text;
use image::ImageFormat;
use std::fs;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

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
/// Folders that divide a set in two.
const TRAINING: [&str; 2] = ["train", "training"];
const TEST: [&str; 5] = ["test", "testing", "val", "valid", "validation"];
pub(super) const UNREADABLE: [&str; 2] = ["cannot be opened and was skipped", "cannot be opened and were skipped"];

/// Anything an archive can be read from.
pub(super) trait Bytes: Read + Seek {}
impl<T: Read + Seek> Bytes for T {}

type Reader<'a> = Box<dyn Bytes + 'a>;

/// Which part of a set that is divided into two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    #[default]
    Training,
    Test,
}

impl Part {
    pub(super) fn name(self) -> &'static str {
        match self {
            Part::Training => "train",
            Part::Test => "test",
        }
    }

    /// That a set has no such part.
    pub(super) fn missing(self) -> String {
        match self {
            Part::Training => "it has no images for training; ask for its test images".into(),
            Part::Test => "it has no test images of its own; leave out \":test\"".into(),
        }
    }
}

#[derive(Clone)]
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
    /// Files that are no pictures, and belong to a set: its labels, or all of it.
    beside: Vec<(String, Place)>,
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
        if gzip::begins(&super::start(path)?.0) && foreign::is_tar(&gzip::start_inside(path)) {
            let file = gzip::to_disk(path, progress)?;
            return Self::archive(Box::new(BufReader::new(Heeding { reader: file, progress })), path, progress);
        }
        Self::archive(Box::new(BufReader::new(Heeding { reader: file, progress })), path, progress)
    }

    /// Lists an archive. `path` is only for the message.
    pub fn archive(mut reader: Reader<'a>, path: &Path, progress: &ReadProgress) -> Result<Self, FileError> {
        let mut start = Vec::new();
        let read = |source| FileError::read(path, source);
        (&mut reader).take(foreign::START).read_to_end(&mut start).map_err(read)?;
        reader.rewind().map_err(read)?;
        if start.starts_with(b"PK") {
            Self::zip(reader, progress)
                .map_err(|error| FileError::format(path, WHAT, format!("the zip archive is damaged ({error})")))
        } else if foreign::is_tar(&start) {
            Self::tar(reader, progress)
                .map_err(|error| FileError::format(path, WHAT, format!("the tar archive is damaged ({error})")))
        } else {
            let reason =
                foreign::sentence(&start, "another kind of file", "choose a folder, a .zip, a .tar or a .tar.gz");
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

    fn sorted(store: Store<'a>, Listing { mut items, mut beside, left_out }: Listing) -> Self {
        items.sort_by(|a, b| a.0.cmp(&b.0));
        // Of two of the same name, that which is less deep inside folders.
        beside.sort_by_key(|(name, _)| (name.matches('/').count(), name.clone()));
        Source { store, items, beside, left_out }
    }

    /// Leaves one part of the pictures, where their folders divide them; how many are left out. Fails where another
    /// part than all of them is asked for, and there is none.
    pub fn divide(&mut self, wanted: Part) -> Result<usize, String> {
        let common = classes::common_folder(self.items.iter().map(|(name, _)| name.as_str()));
        let part = |name: &str| -> Option<Part> {
            let folder = name.get(common..)?.split_once('/')?.0.to_lowercase();
            let is_of = |known: &[&str]| known.contains(&folder.as_str());
            if is_of(&TRAINING) { Some(Part::Training) } else { Some(Part::Test).filter(|_| is_of(&TEST)) }
        };
        let parts: Vec<Option<Part>> = self.items.iter().map(|(name, _)| part(name)).collect();
        let all = [Part::Training, Part::Test].iter().all(|part| parts.contains(&Some(*part)));
        if !all || parts.contains(&None) {
            return if wanted == Part::Training { Ok(0) } else { Err(wanted.missing()) };
        }
        let mut left = parts.iter().map(|part| *part == Some(wanted));
        self.items.retain(|_| left.next().unwrap_or(false));
        Ok(parts.len() - self.items.len())
    }

    /// The last parts of the names of what lies beside the pictures.
    pub fn names_beside(&self) -> Vec<String> {
        self.beside.iter().map(|(name, _)| last(name).to_owned()).collect()
    }

    /// Name and bytes, at most `most`, of the first file beside the pictures whose name ends so.
    pub fn beside(&mut self, is: impl Fn(&str) -> bool, most: u64) -> Option<(String, Result<Vec<u8>, String>)> {
        let (name, place) = self.beside.iter().find(|(name, _)| is(last(name)))?.clone();
        let bytes = self.bytes(&place, most);
        Some((name, bytes))
    }

    /// Number of picture files.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn name(&self, index: usize) -> Option<&str> {
        self.items.get(index).map(|(name, _)| name.as_str())
    }

    /// Name and bytes of one picture file, or why it cannot be read.
    pub fn load(&mut self, index: usize) -> Option<(String, Result<Vec<u8>, String>)> {
        let (name, place) = self.items.get(index)?.clone();
        let bytes = self.bytes(&place, MAX_FILE);
        Some((name, bytes))
    }

    /// All bytes of a file, at most `most`.
    fn bytes(&mut self, place: &Place, most: u64) -> Result<Vec<u8>, String> {
        match (place, &mut self.store) {
            (Place::File(path), _) => {
                open_file(path).map_err(|error| error.cause()).and_then(|(file, length)| all(file, length, most))
            }
            (Place::Zip(entry), Store::Zip(archive)) => {
                let file = archive.by_index(*entry).map_err(|error| error.to_string())?;
                let length = file.size();
                all(file, length, most)
            }
            (Place::Tar { start, size }, Store::Tar(reader)) => {
                let found = reader.seek(SeekFrom::Start(*start)).map_err(|error| error.to_string());
                found.and_then(|_| all(reader.take(*size), *size, most)).and_then(|bytes| {
                    if bytes.len() as u64 == *size { Ok(bytes) } else { Err("the archive is truncated".into()) }
                })
            }
            _ => Err("it is missing".into()),
        }
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

/// All bytes of one file that says how many they are, at most `most`, however much a compressed one grows.
fn all(reader: impl Read, length: u64, most: u64) -> Result<Vec<u8>, String> {
    let too_large = || format!("it is larger than {} MiB", most >> 20);
    if length > most {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    reader.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most { Err(too_large()) } else { Ok(bytes) }
}

/// The last part of a name.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

/// What is found while a folder or an archive is listed.
#[derive(Default)]
struct Listing {
    items: Vec<(String, Place)>,
    beside: Vec<(String, Place)>,
    left_out: Tally,
}

impl Listing {
    /// A file by its name in the folder or archive. What does not look like a picture is passed over silently.
    fn add(&mut self, name: &str, place: Place) {
        let name = name.trim_start_matches("./");
        let (parts, last) = (|| name.split('/'), last(name));
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
        } else if last == classes::LIST || cifar::is_part(last) || idx::is_part(last) || numpy::is_part(last) {
            self.beside.push((shown, place));
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
pub(super) fn shown(path: &str) -> String {
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
