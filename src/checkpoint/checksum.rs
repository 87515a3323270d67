use super::{FileError, open_file};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;

/// SHA-256 of a file's bytes, in hexadecimal, and how many they are.
///
/// # Errors
/// If the file cannot be read.
pub fn checksum(path: &Path) -> Result<(String, u64), FileError> {
    let (mut file, _) = open_file(path)?;
    let (mut digest, mut total, mut bytes) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut bytes).map_err(|source| FileError::read(path, source))?;
        if read == 0 {
            break;
        }
        digest.update(&bytes[..read]);
        total += read as u64;
    }
    Ok((hexadecimal(&digest.finalize()), total))
}

/// Two digits for each byte.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
