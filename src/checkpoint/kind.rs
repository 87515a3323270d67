//! What lies at a path, by its structure: a name may say anything.

use super::latents::holds_latents;
use super::score_sde::flax;
use super::{FileError, cifar, diffusers, foreign, gzip, idx, numpy, open_file, start, tensors};
use std::io::BufReader;
use std::path::Path;
use zip::ZipArchive;

/// What a path holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A checkpoint, or a folder or a part of one.
    Network,
    Latents,
    /// Settings of a run, or other JSON.
    Run,
    /// A folder or an archive, such as one of images.
    Images,
    Image,
    Other,
}

/// What lies at a path. Reads no more than how it begins and what it lists.
///
/// # Errors
/// If it cannot be read, or is a link to what is missing.
pub fn kind_of(path: &Path) -> Result<Kind, FileError> {
    if diffusers::find(path, false).is_some() {
        return Ok(Kind::Network);
    }
    if path.is_dir() {
        return Ok(Kind::Images);
    }
    let (start, length) = start(path)?;
    Ok(match start.as_slice() {
        // A header's length may look like the beginning of any other kind.
        start if tensors::begins(start, length) => match holds_latents(path) {
            true => Kind::Latents,
            false => Kind::Network,
        },
        start if flax::begins(start) => Kind::Network,
        [0x80, ..] => Kind::Network,
        start if start.starts_with(b"PK\x03\x04") => listed(path)?,
        start if foreign::is_tar(start) || idx::begins(start) || numpy::begins(start) => Kind::Images,
        _ if cifar::is_batch(path) => Kind::Images,
        start if gzip::begins(start) => gzipped(path),
        start if image::guess_format(start).is_ok_and(|format| format.reading_enabled()) => Kind::Image,
        start if start.trim_ascii_start().starts_with(b"{") => Kind::Run,
        // Where the header's length is wrong.
        start if start.get(8) == Some(&b'{') => Kind::Network,
        _ => Kind::Other,
    })
}

/// What is packed, by how it begins.
fn gzipped(path: &Path) -> Kind {
    let start = gzip::start_inside(path);
    if foreign::is_tar(&start) || idx::begins(&start) { Kind::Images } else { Kind::Other }
}

/// What a zip archive is, by the names that it lists.
fn listed(path: &Path) -> Result<Kind, FileError> {
    let Ok(archive) = ZipArchive::new(BufReader::new(open_file(path)?.0)) else { return Ok(Kind::Other) };
    let holds = |is: &dyn Fn(&str) -> bool| archive.file_names().filter_map(Result::ok).any(|name| is(&name));
    Ok(if holds(&|name| name.ends_with("data.pkl")) {
        Kind::Network
    } else if holds(&|name| name.ends_with(".npy")) && !holds(&numpy::is_part) {
        Kind::Latents
    } else {
        Kind::Images
    })
}
