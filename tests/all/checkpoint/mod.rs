//! Files: what is read is what was written elsewhere, and no file can do harm.

mod diffusers;
mod diffusers_folders;
mod edm;
mod export;
mod flax;
mod forge;
mod formats;
mod fuzz;
mod hostile;
mod memory;
mod ncsn;
mod opening;
mod outputs;
mod pictures;
mod published;
mod run_files;
mod saved;
mod sets;
mod sizes;
mod version_0_1_0;

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// A file that the tests bring.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// A file of the project.
fn project(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The message of a failure, which must be one readable sentence that names the file.
fn sentence<T, E: Display>(result: Result<T, E>, path: &Path) -> String {
    let message = result.err().expect("the file must be refused").to_string();
    assert!(!message.contains(['\n', '\r', '\0']) && message.len() < 700, "one sentence: {message}");
    assert!(message.contains(path.file_name().unwrap().to_str().unwrap()), "names the file: {message}");
    message
}

/// The checksum of PNG and of zip archives (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
