//! Our own format, plain safetensors, atomic writing, the catalogue.

use super::{data, project, sentence};
use score_explorer::checkpoint::{
    About, ReadProgress, adopt, catalogue, find, open_network, read_tensors, write_atomically, write_native,
    write_tensors,
};
use score_explorer::network::{Array, Weights};
use score_explorer::sde::Moments;
use std::fs;
use std::io;

#[test]
fn native_round_trip_is_half_precision_rounding() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.safetensors");
    let original = open_network(&data("nets/ncsnpp-ve-ffhq1024/checkpoint.pth"), None).unwrap();
    write_native(&path, &original).unwrap();
    let read = open_network(&path, None).unwrap();
    assert_eq!(read.description, original.description);
    assert_eq!(read.weights.keys().collect::<Vec<_>>(), original.weights.keys().collect::<Vec<_>>());
    let mut changed = 0;
    for (name, array) in &original.weights {
        assert_eq!(read.weights[name].shape, array.shape);
        for (&before, &after) in array.values.iter().zip(&read.weights[name].values) {
            // Eleven significant bits: half a unit in the last place, or half of the smallest number, 2⁻²⁴.
            let bound = (before.abs() * 2f32.powi(-11)).max(2f32.powi(-25));
            assert!((before - after).abs() <= bound, "{name}: {before} became {after}");
            changed += usize::from(before != after);
        }
    }
    assert!(changed > 1000, "trained weights are stored in half precision");
    let frequencies = "all_modules.0.W";
    assert_eq!(read.weights[frequencies], original.weights[frequencies], "frequencies stay exact");
    let first = fs::read(&path).unwrap();
    write_native(&path, &read).unwrap();
    assert_eq!(fs::read(&path).unwrap(), first, "writing again changes no byte");
}

#[test]
fn weights_beyond_half_precision_keep_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.safetensors");
    let mut network = open_network(&data("nets/ddpmpp-subvp-cifar10/checkpoint.pth"), None).unwrap();
    network.weights.get_mut("all_modules.17.bias").unwrap().values[0] = 1e6;
    write_native(&path, &network).unwrap();
    assert_eq!(open_network(&path, None).unwrap().weights["all_modules.17.bias"].values[0], 1e6);
}

#[test]
fn import_tells_what_it_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("ours.safetensors");
    let moments = Some(Moments { mean: 0.25, mean_square: 0.5 });
    let about = About { name: "Ours".into(), card: "Noise for tests.\n".into(), moments };
    let source = data("nets/ddpmpp-subvp-cifar10/checkpoint.pth");
    adopt(open_network(&source, None).unwrap(), &source, &about, &output).unwrap();
    let description = open_network(&output, None).unwrap().description;
    assert_eq!((description.name.as_str(), description.moments), ("Ours", moments));
    let lines: Vec<&str> = description.card.lines().collect();
    assert_eq!(lines[..2], ["Noise for tests.", "Trained for 1234 steps."]);
    assert!(lines.len() == 3 && lines[2].starts_with("Imported from checkpoint.pth, "), "{}", description.card);
    // Imported again without words, it keeps those it has.
    adopt(open_network(&output, None).unwrap(), &output, &About::default(), &output).unwrap();
    assert_eq!(open_network(&output, None).unwrap().description, description);
}

#[test]
fn plain_safetensors_are_told_from_ours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.safetensors");
    let tensors = Weights::from([("x".into(), Array { shape: vec![2, 1], values: vec![1.5, f32::MIN_POSITIVE] })]);
    write_tensors(&path, &tensors).unwrap();
    assert_eq!(read_tensors(&path).unwrap(), tensors, "single precision is kept to the bit");
    assert!(sentence(open_network(&path, None), &path).contains("lack the entry `score-explorer`"));
}

#[test]
fn all_usual_number_types_of_safetensors_are_read() {
    let header = r#"{"d":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},
        "i":{"dtype":"I64","shape":[1],"data_offsets":[8,16]},"s":{"dtype":"I32","shape":[1],"data_offsets":[16,20]},
        "h":{"dtype":"F16","shape":[1],"data_offsets":[20,22]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[22,24]},
        "u":{"dtype":"U8","shape":[1],"data_offsets":[24,25]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(0.1f64.to_le_bytes());
    bytes.extend((-7i64).to_le_bytes());
    bytes.extend(9i32.to_le_bytes());
    bytes.extend([0x00, 0x3e, 0xc0, 0x3f, 200]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("types.safetensors");
    fs::write(&path, bytes).unwrap();
    let read = read_tensors(&path).unwrap();
    let values: Vec<f32> = ["d", "i", "s", "h", "b", "u"].iter().map(|&name| read[name].values[0]).collect();
    assert_eq!(values, [0.1, -7.0, 9.0, 1.5, 1.5, 200.0]);
}

/// 3.140625 and −0.5 lie in both half precisions without rounding.
#[test]
fn networks_in_either_half_precision_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.safetensors");
    let mut network = open_network(&data("nets/ddpmpp-subvp-cifar10/checkpoint.pth"), None).unwrap();
    network.weights.values_mut().flat_map(|array| &mut array.values).enumerate().for_each(|(index, value)| {
        *value = [3.140_625, -0.5, 0.0][index % 3];
    });
    write_native(&path, &network).unwrap();
    assert_eq!(open_network(&path, None).unwrap().weights, network.weights);
    // The same bits, called bfloat16 (which has the upper half of a single's), after a rewrite of each number.
    let bytes = fs::read(&path).unwrap();
    let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(bytes[8..data].to_vec()).unwrap().replace("\"F16\"", "\"BF16\"");
    let mut brains = (header.len() as u64).to_le_bytes().to_vec();
    brains.extend(header.as_bytes());
    for half in bytes[data..].chunks(2) {
        let value: f32 = match u16::from_le_bytes([half[0], half[1]]) {
            0x4248 => 3.140_625,
            0xb800 => -0.5,
            _ => 0.0,
        };
        brains.extend(&value.to_le_bytes()[2..]);
    }
    fs::write(&path, brains).unwrap();
    assert_eq!(open_network(&path, None).unwrap().weights, network.weights);
}

#[test]
fn failed_write_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.txt");
    write_atomically(&path, |out| out.write_all(b"old")).unwrap();
    let failed = write_atomically(&path, |out| {
        out.write_all(&vec![b'x'; 1 << 20])?;
        Err(io::Error::new(io::ErrorKind::StorageFull, "no room"))
    });
    assert!(sentence(failed, &path).contains("no room"));
    assert_eq!(fs::read(&path).unwrap(), b"old");
    let broken =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| write_atomically(&path, |_| panic!("broken writer"))));
    assert!(broken.is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    write_atomically(&path, |out| out.write_all(b"new")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn unwritable_places_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("missing/out.txt");
    assert!(sentence(write_atomically(&nowhere, |_| Ok(())), &nowhere).contains("cannot be written"));
    assert!(sentence(write_atomically(folder.path(), |_| Ok(())), folder.path()).contains("folder"));
    let path = folder.path().join("locked.txt");
    fs::write(&path, "old").unwrap();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    assert!(sentence(write_atomically(&path, |out| out.write_all(b"new")), &path).contains("read-only"));
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[cfg(unix)]
#[test]
fn permissions_and_links_survive_a_write() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("file.txt"), folder.path().join("link.txt"));
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&path, &link).unwrap();
    write_atomically(&link, |out| out.write_all(b"new")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    // A new file is as readable as any other that is made here.
    let (ours, plain) = (folder.path().join("ours.txt"), folder.path().join("plain.txt"));
    write_atomically(&ours, |out| out.write_all(b"new")).unwrap();
    fs::write(&plain, "new").unwrap();
    assert_eq!(fs::metadata(&ours).unwrap().permissions(), fs::metadata(&plain).unwrap().permissions());
}

#[test]
fn catalogue_lists_what_it_finds() {
    let library = tempfile::tempdir().unwrap();
    let about = About { name: "Ours".into(), card: "# Noise\nfor tests".into(), moments: None };
    let source = data("nets/ddpmpp-subvp-cifar10/checkpoint.pth");
    for name in ["ours.safetensors", "v1.5.safetensors"] {
        adopt(open_network(&source, None).unwrap(), &source, &about, &library.path().join(name)).unwrap();
    }
    fs::write(library.path().join("broken.safetensors"), "no").unwrap();
    let entries = catalogue(Some(library.path()));
    let references: Vec<&str> = entries.iter().map(|entry| entry.reference.as_str()).collect();
    assert!(references.contains(&"worlds-vp-small") && references.contains(&"exact:worlds"));
    assert!(references.iter().any(|reference| reference.starts_with("mixture:")));
    assert!(!references.iter().any(|reference| reference.contains("broken")));
    let ours = entries.iter().find(|entry| entry.reference == "ours").unwrap();
    assert_eq!((ours.title.as_str(), ours.summary.as_str()), ("Ours", "Noise"));
    // Every reference finds its model, also one whose name would be read as a path.
    for entry in entries.iter().filter(|entry| entry.path.is_some()) {
        assert_eq!(find(&entry.reference, Some(library.path()), &ReadProgress::default()).unwrap().weights.len(), 154);
        let model: score_explorer::task::ModelRef = entry.reference.parse().unwrap();
        let is_path = matches!(model, score_explorer::task::ModelRef::File(_));
        assert_eq!(is_path, entry.reference != "ours");
    }
    let message = find("../ours", Some(library.path()), &ReadProgress::default()).unwrap_err().to_string();
    assert!(message.contains("../ours") && message.contains("choose one of worlds-vp-small, "), "{message}");
}

#[test]
fn embedded_model_is_the_file_in_the_project() {
    let embedded = find("worlds-vp-small", None, &ReadProgress::default()).unwrap();
    let file = open_network(&project("checkpoints/worlds-vp-small.safetensors"), None).unwrap();
    assert_eq!((embedded.description, embedded.weights), (file.description, file.weights));
}

#[test]
fn checksums_are_those_of_the_standard() {
    // FIPS 180-4's own examples: the empty message, "abc", and a million times "a".
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("message");
    let examples = [
        (Vec::new(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc".to_vec(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (vec![b'a'; 1_000_000], "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ];
    for (message, expected) in examples {
        std::fs::write(&path, &message).unwrap();
        let (found, bytes) = score_explorer::checkpoint::checksum(&path).unwrap();
        assert!(bytes == message.len() as u64 && found == expected, "{found}");
    }
}
