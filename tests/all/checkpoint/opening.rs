//! Large files: how far they are read is told, and the reading can be ended.

use super::{forge, sentence};
use score_explorer::checkpoint::{FileError, OpenOptions, ReadProgress, open};
use std::cell::RefCell;
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
    assert!(sentence(ended, &path).contains("was stopped"));
}
