//! Sets of pictures with their classes, from every container that people have.

use super::{data, forge, sentence};
use crate::allocations::most_held;
use flate2::Compression;
use flate2::write::GzEncoder;
use image::{GrayImage, ImageFormat, RgbImage};
use score_explorer::checkpoint::{Kind, Part, PictureSet, ReadProgress, SetOptions, kind_of, read_pictures, read_set};
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

/// A file by its name, and its bytes.
type Files = Vec<(String, Vec<u8>)>;

fn read(path: &Path, options: &SetOptions) -> PictureSet {
    read_set(path, options, &ReadProgress::default()).unwrap()
}

fn refused(path: &Path, options: &SetOptions) -> String {
    sentence(read_set(path, options, &ReadProgress::default()), path)
}

fn test_part() -> SetOptions {
    SetOptions { part: Part::Test, ..SetOptions::default() }
}

/// Grey levels of picture number `number`, C×S×S, each unlike the others.
fn planes(number: usize, channels: usize, side: usize) -> Vec<u8> {
    (0..channels * side * side).map(|place| ((place * 7 + number * 31) ^ (place / (number + 3))) as u8).collect()
}

fn png(planes: &[u8], side: usize) -> Vec<u8> {
    let (plane, side) = (side * side, side as u32);
    let level = |channel: usize, x: u32, y: u32| planes[channel * plane + (y * side + x) as usize];
    let mut bytes = Cursor::new(Vec::new());
    if planes.len() == plane {
        let grey = GrayImage::from_fn(side, side, |x, y| image::Luma([level(0, x, y)]));
        grey.write_to(&mut bytes, ImageFormat::Png).unwrap();
    } else {
        let colours = RgbImage::from_fn(side, side, |x, y| image::Rgb([0, 1, 2].map(|channel| level(channel, x, y))));
        colours.write_to(&mut bytes, ImageFormat::Png).unwrap();
    }
    bytes.into_inner()
}

fn write_all(folder: &Path, files: &Files) {
    for (name, bytes) in files {
        fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn tar(files: &Files) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    archive.into_inner().unwrap()
}

fn zip(files: &Files) -> Vec<u8> {
    let entries: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    forge::archive(&entries, zip::CompressionMethod::Deflated)
}

/// The same files in a folder and in all archives.
fn everywhere(place: &Path, files: &Files) -> Vec<std::path::PathBuf> {
    let paths = ["folder", "set.zip", "set.tar", "set.tar.gz", "set.tgz"].map(|name| place.join(name));
    write_all(&paths[0], files);
    let archives = [zip(files), tar(files), gz(&tar(files)), gz(&tar(files))];
    paths[1..].iter().zip(archives).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    paths.into()
}

/// Names of the classes of all pictures.
fn shown(set: &PictureSet) -> Vec<&str> {
    let classes = set.classes.as_ref().expect("classes");
    classes.labels.iter().map(|&label| classes.names[label as usize].as_str()).collect()
}

#[test]
fn folders_of_classes_are_read_from_every_container() {
    let place = tempfile::tempdir().unwrap();
    let kinds = ["cat", "frog", "frog", "ship"];
    let file = |(number, kind): (usize, &&str)| (format!("photos/{kind}/{number}.png"), png(&planes(number, 3, 8), 8));
    let mut files: Files = kinds.iter().enumerate().map(file).collect();
    files.push(("photos/readme.txt".into(), b"words".to_vec()));
    let expected: Vec<u8> = (0..4).flat_map(|number| planes(number, 3, 8)).collect();
    let mut checksums = Vec::new();
    for path in everywhere(place.path(), &files) {
        assert_eq!(kind_of(&path).unwrap(), Kind::Images, "{path:?}");
        let set = read(&path, &SetOptions::default());
        assert_eq!((set.shape, &set.values, shown(&set)), ([3, 8, 8], &expected, kinds.to_vec()), "{path:?}");
        assert_eq!(set.classes.as_ref().unwrap().names, ["cat", "frog", "ship"]);
        assert!(set.warnings.is_empty(), "{:?}", set.warnings);
        checksums.push(set.checksum());
    }
    checksums.dedup();
    assert_eq!(checksums.len(), 1, "the same data have the same checksum");
    // A picture that lies in no class takes the classes away, and a corrupt one is counted and skipped.
    let folder = place.path().join("folder");
    fs::write(folder.join("photos/cat/1.png"), b"no picture").unwrap();
    let set = read(&folder, &SetOptions::default());
    assert_eq!((shown(&set), set.warnings.len()), (kinds.to_vec(), 1));
    fs::write(folder.join("photos/5.png"), png(&planes(5, 3, 8), 8)).unwrap();
    let set = read(&folder, &SetOptions::default());
    assert!(set.classes.is_none() && set.len() == 5 && set.checksum() != checksums[0]);
}

#[test]
fn a_set_is_grey_if_all_its_pictures_are_and_as_is_asked_for_else() {
    let place = tempfile::tempdir().unwrap();
    write_all(
        place.path(),
        &vec![("a.png".into(), png(&planes(0, 1, 8), 8)), ("b.png".into(), png(&planes(1, 1, 8), 8))],
    );
    let grey = [planes(0, 1, 8), planes(1, 1, 8)].concat();
    let of = |channels| read(place.path(), &SetOptions { channels, ..SetOptions::default() });
    assert_eq!((of(None).shape, of(None).values), ([1, 8, 8], grey.clone()));
    assert_eq!((of(Some(1)).shape, of(Some(1)).values), ([1, 8, 8], grey.clone()));
    let colours: Vec<u8> = grey.chunks(64).flat_map(|plane| plane.repeat(3)).collect();
    assert_eq!((of(Some(3)).shape, of(Some(3)).values), ([3, 8, 8], colours.clone()));
    assert_eq!(read_pictures(place.path(), None).unwrap().values, colours);
    // With one colour among them, they are colours; and their luma (Rec. 709) is grey again.
    fs::write(place.path().join("c.png"), png(&[[200; 64], [100; 64], [50; 64]].concat(), 8)).unwrap();
    assert_eq!(of(None).shape, [3, 8, 8]);
    // 0.2126·200 + 0.7152·100 + 0.0722·50 = 117.65
    assert_eq!(of(Some(1)).values, [grey, vec![118; 64]].concat());
}

#[test]
fn a_set_that_is_divided_gives_one_part() {
    let place = tempfile::tempdir().unwrap();
    let names = ["set/train/a/0.png", "set/train/b/1.png", "set/val/a/2.png", "set/val/b/3.png", "set/val/b/4.png"];
    let files =
        names.iter().enumerate().map(|(number, name)| ((*name).into(), png(&planes(number, 3, 8), 8))).collect();
    for path in everywhere(place.path(), &files) {
        let (training, test) = (read(&path, &SetOptions::default()), read(&path, &test_part()));
        assert_eq!((shown(&training), shown(&test)), (vec!["a", "b"], vec!["a", "b", "b"]));
        assert_eq!(test.values, [planes(2, 3, 8), planes(3, 3, 8), planes(4, 3, 8)].concat());
        assert_eq!(training.warnings, ["Only the images in its folder \"train\" are used; 3 lie in others"]);
    }
    // One part alone is a set, whose own test images are asked for in vain.
    let one = place.path().join("folder/set/train");
    assert_eq!(shown(&read(&one, &SetOptions::default())), ["a", "b"]);
    assert!(refused(&one, &test_part()).contains("no test images of its own; leave out \":test\""));
}

/// A record of CIFAR: labels, and a picture.
fn record(labels: &[u8], number: usize) -> Vec<u8> {
    [labels, &planes(number, 3, 32)].concat()
}

#[test]
fn cifar_archives_are_read_by_their_parts() {
    let place = tempfile::tempdir().unwrap();
    let inside = |name: &str| format!("cifar-10-batches-bin/{name}");
    let mut files: Files = (0..5)
        .map(|batch| {
            let records = [record(&[batch as u8], 2 * batch), record(&[9 - batch as u8], 2 * batch + 1)];
            (inside(&format!("data_batch_{}.bin", batch + 1)), records.concat())
        })
        .collect();
    let names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    files.push((inside("batches.meta.txt"), format!("{}\n\n", names.join("\n")).into_bytes()));
    files.push((inside("test_batch.bin"), record(&[6], 10)));
    files.push((inside("readme.html"), b"<html>".to_vec()));
    let training: Vec<u8> = (0..10).flat_map(|number| planes(number, 3, 32)).collect();
    for path in everywhere(place.path(), &files) {
        let set = read(&path, &SetOptions::default());
        assert_eq!((set.shape, &set.values, set.warnings.len()), ([3, 32, 32], &training, 0), "{path:?}");
        assert_eq!(set.classes.as_ref().unwrap().labels, [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]);
        assert_eq!(set.classes.as_ref().unwrap().names, names);
        let test = read(&path, &test_part());
        assert_eq!((test.values.as_slice(), shown(&test)), (planes(10, 3, 32).as_slice(), vec!["frog"]));
        // Exact scores and distances read it, too.
        assert_eq!(read_pictures(&path, None).unwrap().values, training);
    }
    let folder = place.path().join("folder/cifar-10-batches-bin");
    let one = read(&folder.join("test_batch.bin"), &SetOptions::default());
    assert_eq!((shown(&one), one.len()), (vec!["frog"], 1));
    // At another size, as picture files are.
    let small = SetOptions { size: Some(20), ..SetOptions::default() };
    let as_file = place.path().join("file");
    write_all(&as_file, &vec![("0.png".into(), png(&planes(10, 3, 32), 32))]);
    assert_eq!(read(&folder.join("test_batch.bin"), &small).values, read(&as_file, &small).values);
    // Damaged ones.
    let batch = folder.join("data_batch_3.bin");
    let whole = fs::read(&batch).unwrap();
    for (bytes, words) in [
        (whole[..5000].to_vec(), "data_batch_3.bin has 5000 bytes, which are not records of 3073; download it again"),
        (Vec::new(), "data_batch_3.bin has 0 bytes"),
        (record(&[10], 0), "data_batch_3.bin has a label of 10 where there are 10 classes"),
    ] {
        fs::write(&batch, bytes).unwrap();
        assert!(refused(&folder, &SetOptions::default()).contains(words));
        assert!(refused(&batch, &SetOptions::default()).contains(words));
    }
    fs::File::create(&batch).unwrap().set_len(3073 << 20).unwrap();
    let (said, held) = most_held(|| refused(&folder, &SetOptions::default()));
    assert!(said.contains("data_batch_3.bin cannot be read: it is larger than 1024 MiB"), "{said}");
    assert!(held < 4 << 20, "{held}");
    fs::remove_file(&batch).unwrap();
    let set = read(&folder, &SetOptions::default());
    assert_eq!(
        (set.len(), set.warnings.as_slice()),
        (8, &["data_batch_3.bin is missing; download the archive again".to_owned()][..])
    );
}

#[test]
fn cifar_100_has_its_fine_labels() {
    let place = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..100).map(|class| format!("class{class}")).collect();
    let files = vec![
        ("cifar-100-binary/train.bin".into(), [record(&[4, 30], 0), record(&[19, 99], 1)].concat()),
        ("cifar-100-binary/test.bin".into(), record(&[0, 51], 2)),
        ("cifar-100-binary/fine_label_names.txt".into(), names.join("\n").into_bytes()),
    ];
    for path in everywhere(place.path(), &files) {
        let set = read(&path, &SetOptions::default());
        assert_eq!(shown(&set), ["class30", "class99"]);
        assert_eq!(set.values, [planes(0, 3, 32), planes(1, 3, 32)].concat());
        assert_eq!(shown(&read(&path, &test_part())), ["class51"]);
    }
}

/// An IDX file of bytes.
fn idx(sizes: &[u32], values: &[u8]) -> Vec<u8> {
    let sizes: Vec<u8> = sizes.iter().flat_map(|size| size.to_be_bytes()).collect();
    [&[0, 0, 8, (sizes.len() / 4) as u8], sizes.as_slice(), values].concat()
}

/// MNIST of three images for training and one for tests.
fn mnist(packed: bool) -> Files {
    let images: Vec<u8> = (0..3).flat_map(|number| planes(number, 1, 28)).collect();
    let files = [
        ("train-images-idx3-ubyte", idx(&[3, 28, 28], &images)),
        ("train-labels-idx1-ubyte", idx(&[3], &[5, 0, 4])),
        ("t10k-images-idx3-ubyte", idx(&[1, 28, 28], &planes(7, 1, 28))),
        ("t10k-labels-idx1-ubyte", idx(&[1], &[7])),
    ];
    let file = |(name, bytes): (&str, Vec<u8>)| match packed {
        true => (format!("{name}.gz"), gz(&bytes)),
        false => (name.to_owned(), bytes),
    };
    files.into_iter().map(file).collect()
}

#[test]
fn idx_files_are_read_with_the_labels_beside_them() {
    let images: Vec<u8> = (0..3).flat_map(|number| planes(number, 1, 28)).collect();
    for packed in [false, true] {
        let place = tempfile::tempdir().unwrap();
        let files = mnist(packed);
        for path in everywhere(place.path(), &files) {
            let set = read(&path, &SetOptions::default());
            assert_eq!((set.shape, &set.values, shown(&set)), ([1, 28, 28], &images, vec!["5", "0", "4"]), "{path:?}");
            let test = read(&path, &test_part());
            assert_eq!((test.values.as_slice(), shown(&test)), (planes(7, 1, 28).as_slice(), vec!["7"]));
        }
        for (name, count) in [(&files[0].0, 3), (&files[2].0, 1)] {
            let path = place.path().join("folder").join(name);
            assert_eq!(kind_of(&path).unwrap(), Kind::Images);
            let set = read(&path, &SetOptions { size: Some(14), channels: Some(3), ..SetOptions::default() });
            assert_eq!((set.shape, set.len(), shown(&set).len()), ([3, 14, 14], count, count));
            assert!(set.values.chunks(196).step_by(3).eq(set.values.chunks(196).skip(1).step_by(3)), "grey");
        }
        // Without its labels.
        let path = place.path().join("folder").join(&files[0].0);
        fs::remove_file(place.path().join("folder").join(&files[1].0)).unwrap();
        for path in [path.clone(), place.path().join("folder")] {
            let set = read(&path, &SetOptions::default());
            assert!(set.classes.is_none() && set.warnings[0].contains("no classes"), "{:?}", set.warnings);
        }
    }
}

#[test]
fn idx_files_that_claim_too_much_are_refused_without_memory() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("train-images-idx3-ubyte");
    let (images, labels) = (mnist(false).remove(0).1, place.path().join("train-labels-idx1-ubyte"));
    let mut more = images.clone();
    more.push(0);
    let mut floats = images.clone();
    floats[2] = 0x0d;
    for (bytes, words) in [
        (idx(&[1 << 31, 28, 28], &[0; 100]), "[2147483648, 28, 28] bytes, which is nothing or more than the limit"),
        (idx(&[u32::MAX; 3], &[0; 100]), "more than the limit"),
        (idx(&[10_000, 28, 28], &[0; 100]), "it claims 7840000 bytes but has 100; download it again"),
        (idx(&[10_000, 0, 28], &[0; 100]), "nothing or more"),
        (images[..9].to_vec(), "truncated; download it again"),
        (more, "more bytes than the 2352 that it claims"),
    ] {
        for bytes in [gz(&bytes), bytes] {
            fs::write(&path, bytes).unwrap();
            for path in [path.as_path(), place.path()] {
                let (said, held) = most_held(|| refused(path, &SetOptions::default()));
                assert!(said.contains(words) && held < 4 << 20, "{held}: {said}");
            }
        }
    }
    fs::write(&path, floats).unwrap();
    assert!(refused(place.path(), &SetOptions::default()).contains("type 0x0d and not bytes"));
    fs::write(&path, images).unwrap();
    fs::write(&labels, idx(&[2], &[1, 2])).unwrap();
    assert!(refused(&path, &SetOptions::default()).contains("its labels are [2] for 3 images"));
    // A gigabyte of zeros in a megabyte.
    let mut bomb = idx(&[3], &[]);
    bomb.resize(64 << 20, 0);
    fs::write(&labels, gz(&bomb)).unwrap();
    let (said, held) = most_held(|| refused(&path, &SetOptions::default()));
    assert!(said.contains("its labels: it has more bytes than the 3") && held < 200 << 20, "{held}: {said}");
}

#[test]
fn labels_in_a_list_are_those_of_edm() {
    let place = tempfile::tempdir().unwrap();
    let name = |number: usize| format!("{:05}/img{number:08}.png", number / 2);
    let pictures: Files = (0..4).map(|number| (name(number), png(&planes(number, 3, 8), 8))).collect();
    let with = |list: &str| {
        let mut files = pictures.clone();
        files.push(("dataset.json".into(), list.as_bytes().to_vec()));
        files
    };
    let list = |last: &str| {
        format!(
            r#"{{"labels": [["{}", 6], ["{}", 0], ["{}", 2], ["{}", {last}]]}}"#,
            name(0),
            name(1),
            name(2),
            name(3)
        )
    };
    for path in everywhere(place.path(), &with(&list("1"))) {
        let set = read(&path, &SetOptions::default());
        assert_eq!(set.classes.as_ref().unwrap().labels, [6, 0, 2, 1]);
        assert_eq!(set.classes.as_ref().unwrap().names, ["0", "1", "2", "3", "4", "5", "6"]);
    }
    let folder = place.path().join("folder");
    let told = |list: &str| fs::write(folder.join("dataset.json"), list).unwrap();
    // The folders of such a set are no classes.
    for none in [r#"{"labels": null}"#, "{}", r#"{"labels": []}"#] {
        told(none);
        let set = read(&folder, &SetOptions::default());
        assert!(set.classes.is_none() && set.len() == 4, "{none}");
    }
    // One that is not in the list is left out.
    told(&list("1").replace("img00000002", "other"));
    let set = read(&folder, &SetOptions::default());
    assert_eq!(set.classes.as_ref().unwrap().labels, [6, 0, 1]);
    assert_eq!(set.warnings, ["00001/img00000002.png has no label in dataset.json and was skipped"]);
    let deep = format!(r#"{{"labels": {}"#, "[".repeat(40 << 20));
    let other = format!(r#"{{"x": {}"#, "[".repeat(1000));
    for (list, words) in [
        (list("65536"), "gives 00001/img00000003.png the label 65536, which is not below 65536; mend or remove it"),
        (list("1").replace("img00000001", "img00000000"), "gives 00000/img00000000.png the labels 6 and 0; mend"),
        (list("-1"), "dataset.json is not a list of [name, label]"),
        (list("0.5"), "dataset.json is not a list of [name, label]"),
        (list("[1, 0]"), "dataset.json is not a list of [name, label]"),
        (deep, "dataset.json is not a list of [name, label]"),
        (other, "dataset.json is not a list of [name, label]"),
    ] {
        told(&list);
        let (said, held) = most_held(|| refused(&folder, &SetOptions::default()));
        assert!(said.contains(words) && held < (4 << 20) + 3 * list.len(), "{held}: {said}");
    }
    fs::File::create(folder.join("dataset.json")).unwrap().set_len(1 << 30).unwrap();
    let (said, held) = most_held(|| refused(&folder, &SetOptions::default()));
    assert!(
        said.contains("dataset.json cannot be read (it is larger than 128 MiB)") && held < 4 << 20,
        "{held}: {said}"
    );
}

/// A `.npy` of this type.
fn npy(kind: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\0", (header.len() as u16).to_le_bytes().as_slice(), header.as_bytes(), bytes].concat()
}

#[test]
fn arrays_of_numpy_are_sets() {
    let place = tempfile::tempdir().unwrap();
    // Colours last, as pictures are in arrays.
    let rows: Vec<u8> = (0..3)
        .flat_map(|number| {
            let planes = planes(number, 3, 8);
            (0..192).map(move |place| planes[place % 3 * 64 + place / 3]).collect::<Vec<u8>>()
        })
        .collect();
    let expected: Vec<u8> = (0..3).flat_map(|number| planes(number, 3, 8)).collect();
    let labels: Vec<u8> = [2i64, 0, 1].iter().flat_map(|label| label.to_le_bytes()).collect();
    let files = vec![
        ("x_train.npy".into(), npy("|u1", "(3, 8, 8, 3)", &rows)),
        ("y_train.npy".into(), npy("<i8", "(3, 1)", &labels)),
        ("x_test.npy".into(), npy("|u1", "(1, 8, 8)", &planes(4, 1, 8))),
        ("y_test.npy".into(), npy("|u1", "(1,)", &[5])),
    ];
    for path in everywhere(place.path(), &files) {
        assert_eq!(kind_of(&path).unwrap(), Kind::Images);
        let set = read(&path, &SetOptions::default());
        assert_eq!((set.shape, &set.values, shown(&set)), ([3, 8, 8], &expected, vec!["2", "0", "1"]), "{path:?}");
        let test = read(&path, &test_part());
        assert_eq!((test.shape, test.values.as_slice()), ([1, 8, 8], planes(4, 1, 8).as_slice()));
        assert_eq!(shown(&test), ["5"]);
    }
    let alone = place.path().join("folder/x_train.npy");
    assert_eq!(read(&alone, &SetOptions::default()).values, expected);
    for (bytes, words) in [
        (npy("<f4", "(3, 8, 8, 3)", &rows), "type <f4; images are bytes"),
        (npy("|u1", "(8, 8)", &rows), "its shape is [8, 8]; images are"),
        (npy("|u1", "(3, 8, 8, 4)", &rows), "its shape is [3, 8, 8, 4]; images are"),
        (npy("|u1", "(2147483648, 8, 8, 3)", &rows), "nothing or more than the limit"),
        (npy("|u1", "(4, 8, 8, 3)", &rows), "it claims 768 bytes, and does not have as many"),
        (npy("|u1", "(2, 8, 8, 3)", &rows), "it claims 384 bytes, and does not have as many"),
    ] {
        fs::write(&alone, bytes).unwrap();
        let (said, held) = most_held(|| refused(&alone, &SetOptions::default()));
        assert!(said.contains(words) && held < 1 << 20, "{held}: {said}");
    }
    fs::write(&alone, npy("|u1", "(3, 8, 8, 3)", &rows)).unwrap();
    let beside = place.path().join("folder/y_train.npy");
    for (bytes, words) in [
        (npy("<i8", "(3,)", &[0xff; 24]), "a label of 18446744073709551615, which is not below 65536"),
        (npy("<i8", "(2,)", &labels[..16]), "labels of shape [2] for 3 images"),
        (npy("<f8", "(3,)", &labels), "labels of type <f8; they are whole numbers"),
    ] {
        fs::write(&beside, bytes).unwrap();
        assert!(refused(&place.path().join("folder"), &SetOptions::default()).contains(words));
    }
}

#[test]
fn packed_archives_are_bounded() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("set.tar.gz");
    let whole = gz(&tar(&vec![("a.png".into(), png(&planes(0, 3, 8), 8))]));
    fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    assert!(refused(&path, &SetOptions::default()).contains("it is damaged ("));
    // Zeros, which shrink to a thousandth.
    fs::write(&path, gz(&tar(&vec![("a.png".into(), vec![0; 64 << 20])]))).unwrap();
    let (said, held) = most_held(|| refused(&path, &SetOptions::default()));
    assert!(said.contains("it unpacks to more than") && held < 4 << 20, "{held}: {said}");
    fs::write(&path, gz(b"words, and no archive")).unwrap();
    assert_eq!(kind_of(&path).unwrap(), Kind::Other);
    assert!(refused(&path, &SetOptions::default()).contains("gzip archive"));
}

#[test]
fn resizing_is_that_of_pillow() {
    // As EDM's dataset tool makes sets. Pillow rounds to 8 bits between rows and columns, which costs it up to a level.
    for size in [16, 27] {
        let recorded = image::open(data(&format!("resize/lanczos-{size}.png"))).unwrap().into_rgb8();
        let folder = tempfile::tempdir().unwrap();
        fs::copy(data("resize/photo.png"), folder.path().join("photo.png")).unwrap();
        let set = read(folder.path(), &SetOptions { size: Some(size as usize), ..SetOptions::default() });
        let ours = |x: u32, y: u32, channel: u32| set.values[((channel * size + y) * size + x) as usize];
        let off = recorded
            .enumerate_pixels()
            .flat_map(|(x, y, pixel)| [0, 1, 2].map(|channel| pixel.0[channel].abs_diff(ours(x, y, channel as u32))));
        let (worst, sum) = off.fold((0, 0u32), |(worst, sum), off| (worst.max(off), sum + u32::from(off)));
        assert!(worst <= 1 && sum < 3 * size * size / 4, "{size}: off by {worst}, {sum} in all");
    }
}

/// Mean and standard deviation of the levels of a channel, of 1, and how many pictures there are of each class.
fn figures(set: &PictureSet, channel: usize) -> ([f64; 2], Vec<usize>) {
    let [channels, height, width] = set.shape;
    let planes = set.values.chunks_exact(height * width).skip(channel).step_by(channels);
    let (mut count, mut sum, mut square) = (0.0, 0.0, 0.0);
    for level in planes.flatten().map(|&level| f64::from(level) / 255.0) {
        (count, sum, square) = (count + 1.0, sum + level, square + level * level);
    }
    let mean = sum / count;
    let classes = set.classes.as_ref().expect("classes");
    let mut counts = vec![0; classes.names.len()];
    classes.labels.iter().for_each(|&label| counts[label as usize] += 1);
    ([mean, (square / count - mean * mean).sqrt()], counts)
}

/// Fashion-MNIST as Debian's `dataset-fashion-mnist` has it, with the mean and deviation that everyone normalises by.
#[test]
#[ignore = "needs Debian's dataset-fashion-mnist"]
fn fashion_mnist_has_its_published_figures() {
    let path = Path::new("/usr/share/datasets/fashion-mnist");
    let (training, test) = (read(path, &SetOptions::default()), read(path, &test_part()));
    assert_eq!((training.shape, training.len(), test.len()), ([1, 28, 28], 60_000, 10_000));
    let ([mean, deviation], counts) = figures(&training, 0);
    assert!((mean - 0.2860).abs() < 5e-5 && (deviation - 0.3530).abs() < 5e-5, "{mean} {deviation}");
    assert_eq!((counts, figures(&test, 0).1), (vec![6000; 10], vec![1000; 10]));
}

/// CIFAR-10 as folders of JPEG files in archives, `train.tar` and `test.tar` in the folder that `CIFAR10` names.
#[test]
#[ignore = "needs the folder that CIFAR10 names"]
fn cifar_10_as_files_has_its_published_figures() {
    let folder = std::path::PathBuf::from(std::env::var_os("CIFAR10").expect("CIFAR10"));
    for (name, each) in [("train.tar", 5000), ("test.tar", 1000)] {
        let set = read(&folder.join(name), &SetOptions::default());
        assert_eq!((set.shape, set.len(), set.warnings.len()), ([3, 32, 32], 10 * each, 0));
        for (channel, published) in [0.4914, 0.4822, 0.4465].into_iter().enumerate() {
            let ([mean, _], counts) = figures(&set, channel);
            assert!((mean - published).abs() < 0.006 && counts == vec![each; 10], "{name}: {mean}, {counts:?}");
        }
        assert_eq!(set.classes.unwrap().names[6], "frog");
    }
}
