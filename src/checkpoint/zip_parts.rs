//! The zip archives that torch.save writes since PyTorch 1.6.

use super::pickle::Storage;
use super::progress::ReportedFile;
use std::io::{BufReader, Read, Seek};
use zip::result::{ZipError, ZipResult};
use zip::{CompressionMethod, ZipArchive};

/// The list of tensors of the largest published checkpoint takes half a MiB.
pub(super) const MAX_PICKLE: u64 = 16 << 20;

/// An archive of entries that do not overlap: where they do, a small file can claim to hold any number of large ones.
pub(super) fn archive<R: Read + Seek>(reader: R) -> ZipResult<ZipArchive<R>> {
    let mut archive = ZipArchive::new(reader)?;
    match archive.has_overlapping_files()? {
        true => Err(ZipError::InvalidArchive("its entries overlap".into())),
        false => Ok(archive),
    }
}

/// A checkpoint's zip archive.
pub(super) struct ZipParts<'a> {
    zip: ZipArchive<BufReader<ReportedFile<'a>>>,
    /// The folder in the archive, with its slash.
    root: String,
    length: u64,
}

impl<'a> ZipParts<'a> {
    pub fn open(file: ReportedFile<'a>, length: u64) -> Result<Self, String> {
        let zip = archive(BufReader::new(file)).map_err(damaged)?;
        let root = zip.file_names().filter_map(Result::ok).find_map(|name| {
            name.strip_suffix("data.pkl").filter(|root| root.is_empty() || root.ends_with('/')).map(String::from)
        });
        let root = root.ok_or("it is a zip archive without data.pkl; choose a .pth file saved by torch.save")?;
        Ok(ZipParts { zip, root, length })
    }

    /// The pickled part.
    pub fn pickle(&mut self) -> Result<Vec<u8>, String> {
        if self.zip.index_for_name(&format!("{}byteorder", self.root)).is_some()
            && self.entry("byteorder", 16)? != b"little"
        {
            return Err("it was written on a big-endian machine; save it again on another".into());
        }
        self.entry("data.pkl", MAX_PICKLE)
    }

    /// All numbers of a storage that claims so many bytes, at most `most`.
    pub fn numbers(&mut self, storage: &Storage, claimed: u64, most: u64) -> Result<Vec<f32>, String> {
        let name = format!("data/{}", storage.key);
        let (mut file, size) = self.open_entry(&name, most)?;
        if size != claimed {
            return Err(format!("claims {claimed} bytes but has {size}; the file is damaged"));
        }
        let damaged = |error| format!("is damaged ({error})");
        let values = storage.number.read(&mut file, storage.elements).map_err(damaged)?;
        // The checksum is compared where the entry ends.
        file.read(&mut [0]).map_err(damaged)?;
        Ok(values)
    }

    /// An entry of at most `most` bytes, and its size.
    fn open_entry(&mut self, name: &str, most: u64) -> Result<(impl Read, u64), String> {
        let name = format!("{}{name}", self.root);
        let index =
            self.zip.index_for_name(&name).ok_or_else(|| format!("it is damaged: its part {name:?} is missing"))?;
        let file = self.zip.by_index(index).map_err(damaged)?;
        let size = file.size();
        if file.compression() != CompressionMethod::Stored || size > self.length || size != file.compressed_size() {
            return Err(format!(
                "its part {name:?} is compressed or claims more than the file holds; torch.save writes neither"
            ));
        }
        if size > most {
            return Err(format!("its part {name:?} claims {size} bytes, more than the limit of {most}"));
        }
        Ok((file, size))
    }

    /// All bytes of an entry of at most `most`.
    fn entry(&mut self, name: &str, most: u64) -> Result<Vec<u8>, String> {
        let (file, size) = self.open_entry(name, most)?;
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.take(size + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("its part {name:?} is damaged ({error})"))?;
        if bytes.len() as u64 == size { Ok(bytes) } else { Err(format!("its part {name:?} is truncated")) }
    }
}

fn damaged(error: ZipError) -> String {
    format!("it is damaged ({error}); download it again")
}
