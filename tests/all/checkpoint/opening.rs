//! Large files: how far they are read is told, and the reading can be ended.

use super::{data, forge, sentence};
use score_explorer::checkpoint::{FileError, OpenOptions, ReadProgress, open, open_network, write_native};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use zip::CompressionMethod;

/// Numbers of a tensor: 16 MiB.
const ELEMENTS: usize = 4 << 20;

#[test]
fn a_checkpoint_tells_how_far_it_is_read_and_can_be_ended() {
    // Live weights, their average, and as much again twice of an optimizer, which is passed over.
    let tensor = |key| forge::tensor("FloatStorage", key, ELEMENTS as i64, 0, &[ELEMENTS as i64], &[1]);
    let pickle = forge::checkpoint(&[("module.all_modules.0.bias", tensor(0))], &[tensor(1)]);
    let zeros = vec![0; 4 * ELEMENTS];
    let mut entries = vec![("archive/data.pkl", pickle.as_slice())];
    let names = ["archive/data/0", "archive/data/1", "archive/data/2", "archive/data/3"];
    entries.extend(names.map(|name| (name, zeros.as_slice())));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.pth");
    fs::write(&path, forge::archive(&entries, CompressionMethod::Stored)).unwrap();

    let shares = RefCell::new(Vec::new());
    let tell = |share| {
        shares.borrow_mut().push(share);
        true
    };
    let asked = OpenOptions { progress: Some(&ReadProgress::new(&tell)), ..OpenOptions::default() };
    // One bias is no network, which is found out once all is read.
    let error = open(&path, &asked).unwrap_err();
    assert!(!matches!(error, FileError::Cancelled(_)), "{error}");
    let shares = shares.take();
    assert!(shares.len() >= 6 && shares.is_sorted() && shares[0] < 0.3, "{shares:?}");
    assert!((0.85..=1.0).contains(shares.last().unwrap()), "{shares:?}");

    let progress = ReadProgress::new(&|_| false);
    let ended = open(&path, &OpenOptions { progress: Some(&progress), ..OpenOptions::default() });
    assert!(matches!(ended, Err(FileError::Cancelled(_))) && progress.is_cancelled());
    assert!(sentence(ended, &path).contains("was cancelled"));
}

/// The length of the header, which such a file begins with, may look as the beginning of a file of another kind.
#[test]
fn our_own_files_are_known_whatever_the_length_of_their_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.safetensors");
    let mut network = open_network(&data("nets/ddpmpp-subvp-cifar10/checkpoint.pth"), None).unwrap();
    let mut starts = BTreeSet::new();
    for words in 0..32 {
        network.description.card = "a little".repeat(words);
        write_native(&path, &network).unwrap();
        starts.insert(fs::read(&path).unwrap()[0]);
        assert_eq!(open_network(&path, None).unwrap().description, network.description);
    }
    // Lengths are multiples of eight; a pickle begins with 0x80, and a tree of flax with bytes beyond.
    assert!(starts.len() == 32 && starts.contains(&0x80) && starts.contains(&0x88), "{starts:x?}");
    // And a zip archive with these.
    let length = || u64::from_le_bytes(fs::read(&path).unwrap()[..8].try_into().unwrap()) as usize;
    network.description.card = String::new();
    write_native(&path, &network).unwrap();
    network.description.card = "a".repeat(0x14b50 - length());
    write_native(&path, &network).unwrap();
    assert_eq!(length(), 0x14b50);
    // (A card of one line is shortened where it is read.)
    assert_eq!(open_network(&path, None).unwrap().description.config, network.description.config);
}
