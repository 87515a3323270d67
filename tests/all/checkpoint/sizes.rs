//! Sizes that files declare are checked before they reach a loop or a reservation, and opening can be ended.

use super::{data, forge, project, sentence};
use crate::allocations::most_held;
use score_explorer::checkpoint::{
    FileError, OpenOptions, ReadProgress, open, open_network, read_card, read_latents, read_pictures,
    read_pictures_reported, read_torch,
};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// What is to be seen in a header is found at once; this leaves room for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Header and data of a safetensors file.
fn parts(path: &Path) -> (Value, Vec<u8>) {
    let bytes = fs::read(path).unwrap();
    let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..data]).unwrap(), bytes[data..].to_vec())
}

fn write(path: &Path, header: &Value, data: &[u8]) {
    let header = header.to_string();
    fs::write(path, [(header.len() as u64).to_le_bytes().as_slice(), header.as_bytes(), data].concat()).unwrap();
}

fn refused_at_once(path: &Path) -> String {
    let began = Instant::now();
    let said = sentence(open_network(path, None), path);
    assert!(began.elapsed() < AT_ONCE, "{:?}: {said}", began.elapsed());
    said
}

#[test]
fn levels_beyond_any_network_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("levels.safetensors");
    let (mut header, body) = parts(&project("checkpoints/worlds-vp-small.safetensors"));
    let mut said: Value = serde_json::from_str(header["__metadata__"]["score-explorer"].as_str().unwrap()).unwrap();
    for (family, levels) in [("vp", 1_000_000_000_000_000_u64), ("ve", 100_001)] {
        if family == "ve" {
            said["family"] = json!({"family": "ve", "sigma_min": 0.01, "sigma_max": 50.0});
        }
        said["continuous"] = false.into();
        said["levels"] = levels.into();
        header["__metadata__"]["score-explorer"] = said.to_string().into();
        write(&path, &header, &body);
        let message = refused_at_once(&path);
        assert!(message.contains(&format!("levels = {levels} is invalid; it must be at most 100000")), "{message}");
    }
}

/// An empty tensor may have any number of columns, which nobody may count.
#[test]
fn empty_tensors_of_any_size_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let emptied = |source: &Path, target: &Path, end: &str, shape: &[u64]| {
        let (mut header, body) = parts(source);
        let name = header.as_object().unwrap().keys().find(|name| name.ends_with(end)).unwrap().clone();
        header["zz"] = header[&name].take();
        header[&name] = json!({"dtype": "F32", "shape": shape, "data_offsets": [0, 0]});
        write(target, &header, &body);
    };
    for (rows, columns) in [(0, 1_u64 << 60), (0, 1 << 28), (1 << 60, 0)] {
        let alone = folder.path().join("alone");
        fs::create_dir_all(&alone).unwrap();
        let edm = alone.join("edm.safetensors");
        emptied(&data("edm/edm-ddpmpp.safetensors"), &edm, "qkv.weight", &[rows, columns, 1, 1]);
        refused_at_once(&edm);
        let heads = data("diffusers/heads");
        fs::copy(heads.join("unet/config.json"), folder.path().join("config.json")).unwrap();
        fs::copy(heads.join("scheduler/scheduler_config.json"), folder.path().join("scheduler_config.json")).unwrap();
        let weights = folder.path().join("diffusion_pytorch_model.safetensors");
        emptied(&heads.join("unet/diffusion_pytorch_model.safetensors"), &weights, "to_q.weight", &[rows, columns]);
        refused_at_once(&weights);
        let empty = forge::tensor("FloatStorage", 0, 0, 0, &[rows as i64, columns as i64], &[1, 1]);
        let path = forge::pth(&alone, &forge::checkpoint(&[("all_modules.0.W", empty)], &[]), &[&[]]);
        refused_at_once(&path);
    }
    // The same in flax's format: a kernel of 0 × 2^60 in place of one that is there.
    let raw = fs::read(data("flax/checkpoint_24")).unwrap();
    let find =
        |needle: &[u8], from: usize| from + raw[from..].windows(needle.len()).position(|it| it == needle).unwrap();
    let last = raw.windows(8).rposition(|it| it == b"\xa7Dense_0").unwrap();
    let at = find(b"\xa6kernel", last) + 7;
    let array = [b"\x93\x92\x00\xcf".as_slice(), &(1_u64 << 60).to_be_bytes(), b"\xa7float16\xc4\x00"].concat();
    let bytes = [&raw[..at], &[0xc7, array.len() as u8, 1], &array, &raw[at + 3 + usize::from(raw[at + 1])..]].concat();
    let jax = folder.path().join("jax");
    fs::create_dir(&jax).unwrap();
    fs::copy(data("flax/config.json"), jax.join("config.json")).unwrap();
    fs::write(jax.join("checkpoint_1"), bytes).unwrap();
    assert!(refused_at_once(&jax.join("checkpoint_1")).contains("larger than any supported network"));
}

/// A byte each: a list that is let go, a value that is kept, one that is remembered.
#[test]
fn pickles_of_many_small_objects_hold_little() {
    let folder = tempfile::tempdir().unwrap();
    for body in [
        [b"]0".repeat(399_999), b"N".to_vec()].concat(),
        vec![b'N'; 399_999],
        [b"N".to_vec(), vec![0x94; 399_999]].concat(),
    ] {
        let path = forge::pth(folder.path(), &[b"\x80\x04", body.as_slice(), b"."].concat(), &[]);
        let (said, held) = most_held(|| sentence(read_torch(&path), &path));
        assert!(said.contains("no weights by name"), "{said}");
        let most = 2 * path.metadata().unwrap().len() as usize + (64 << 20);
        assert!(held <= most, "{held}");
    }
    // A dictionary made of one long list, again and again.
    let pairs = forge::list(&vec![forge::list(&[b"N".to_vec(), b"N".to_vec()]); 1000]);
    let make = [forge::global("collections", "OrderedDict"), b"h\x07\x85R0".to_vec()].concat();
    let body = [pairs, b"q\x070".to_vec(), make.repeat(1000), b"N".to_vec()].concat();
    let path = forge::pth(folder.path(), &[b"\x80\x02", body.as_slice(), b"."].concat(), &[]);
    assert!(sentence(read_torch(&path), &path).contains("more than 400000 pickled objects"));
}

/// Remembers a value under a number; and it, and nothing else, again.
fn remembered(value: &[u8], number: u8) -> (Vec<u8>, [u8; 2]) {
    ([value, &[b'q', number, b'0']].concat(), [b'h', number])
}

#[test]
fn long_names_that_are_used_again_and_again_are_passed_over_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pickled = |parts: &[&[u8]]| [b"\x80\x02", parts.concat().as_slice(), b"."].concat();
    let dots = |count: usize| forge::text(&format!("{}all_modules.0.weight", ".".repeat(count)));
    let (class, is_class) = remembered(&forge::global("a.b", "C"), 1);
    for (key, expected) in [
        (dots(8 << 20), "no weights by name"),
        (dots(1000), "more than 4 MiB of names"),
        (forge::text(&"module.".repeat(1 << 20)), "no weights by name"),
    ] {
        let (key, is_key) = remembered(&key, 2);
        let pairs = [is_key, is_class].concat().repeat(100_000);
        let path = forge::pth(folder.path(), &pickled(&[&class, &key, b"}(", &pairs, b"u"]), &[]);
        let said = refused_at_once(&path);
        assert!(said.contains(expected), "{said}");
        // As NCSN saves it: a list whose first is the weights.
        let path = forge::pth(folder.path(), &pickled(&[&class, &key, b"](}(", &pairs, b"ue"]), &[]);
        refused_at_once(&path);
    }
    // The name of a class is as long; its objects are many.
    let (class, is_class) = remembered(&forge::global("a.b", &"C".repeat(8 << 20)), 1);
    let (key, is_key) = remembered(&forge::text("all_modules.0.weight"), 2);
    let pairs = [is_key, is_class].concat().repeat(100_000);
    let path = forge::pth(folder.path(), &pickled(&[&class, &key, b"}(", &pairs, b"u"]), &[]);
    assert!(refused_at_once(&path).contains("refers to a.b.CCC"));
    // A name of 1024 bytes is one.
    let tensor = |name: &str| {
        let body = forge::dict(&[(name, forge::tensor("FloatStorage", 0, 1, 0, &[1], &[1]))]);
        read_torch(&forge::pth(folder.path(), &pickled(&[&body]), &[&[0; 4]]))
    };
    assert_eq!(tensor(&"n".repeat(1024)).unwrap().model.len(), 1);
    assert!(tensor(&"n".repeat(1025)).is_err());
}

/// An array of NumPy of so many zeros, in the making.
fn zeros(zip: &mut ZipWriter<File>, name: &str, dtype: &str, shape: &str, bytes: usize) {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    zip.start_file(format!("{name}.npy"), options).unwrap();
    let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({shape}), }}");
    let header = format!("{header:117}\n");
    zip.write_all(&[b"\x93NUMPY\x01\0".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat())
        .unwrap();
    let part = vec![0; 1 << 20];
    (0..bytes).step_by(part.len()).for_each(|at| zip.write_all(&part[..part.len().min(bytes - at)]).unwrap());
}

#[test]
fn arrays_that_inflate_to_far_more_than_their_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latents.npz");
    // 5400 latents of 3×32×32, or settings of as many bytes.
    let bytes = 5400 * 12_288;
    for (dtype, shape, name, other) in
        [("<f4", "5400, 3, 32, 32", "latents", "flow"), ("|u1", "66355200,", "flow", "latents")]
    {
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        zeros(&mut zip, name, dtype, shape, bytes);
        zeros(&mut zip, other, if other == "flow" { "|u1" } else { "<f4" }, "2,", if other == "flow" { 2 } else { 8 });
        zip.finish().unwrap();
        let length = path.metadata().unwrap().len() as usize;
        let (said, held) = most_held(|| sentence(read_latents(&path), &path));
        assert!(length < 1 << 20 && said.contains(&format!("{name:?} claims {} bytes", bytes + 128)), "{said}");
        assert!(held < 2 * length + (1 << 20), "{held}");
    }
    // Claimed sizes that no number holds.
    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    zeros(&mut zip, "flow", "|u1", "2,", 2);
    zeros(&mut zip, "latents", "<f4", "0, 1152921504606846976, 1, 1", 0);
    zip.finish().unwrap();
    assert!(sentence(read_latents(&path), &path).contains("claims more numbers than there are"));
}

/// One picture under a thousand names.
#[test]
fn archives_whose_entries_overlap_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let honest = forge::archive(&[("a.png", b"picture"), ("b.png", b"picture")], CompressionMethod::Stored);
    let find =
        |needle: &[u8], from: usize| from + honest[from..].windows(needle.len()).position(|it| it == needle).unwrap();
    let first = find(b"PK\x01\x02", 0);
    let second = find(b"PK\x01\x02", first + 1);
    // The second entry of the directory is said to begin where the first does.
    let mut twice = honest.clone();
    twice[second + 42..second + 46].copy_from_slice(&[0; 4]);
    let path = folder.path().join("many.zip");
    for (bytes, overlaps) in [(honest.clone(), false), (twice, true)] {
        fs::write(&path, bytes).unwrap();
        let said = sentence(read_pictures(&path, None), &path);
        assert_eq!(said.contains("overlap"), overlaps, "{said}");
        let npz = folder.path().join("many.npz");
        fs::copy(&path, &npz).unwrap();
        assert_eq!(sentence(read_latents(&npz), &npz).contains("overlap"), overlaps);
    }
    let entries: [(&str, &[u8]); 2] = [("a/data.pkl", b"\x80\x02}."), ("a/data/00", &[0; 24])];
    let mut torch = forge::archive(&entries, CompressionMethod::Stored);
    let last = torch.windows(4).rposition(|it| it == b"PK\x01\x02").unwrap();
    torch[last + 42..last + 46].copy_from_slice(&[0; 4]);
    let path = folder.path().join("overlap.pth");
    fs::write(&path, torch).unwrap();
    assert!(sentence(read_torch(&path), &path).contains("overlap"));
}

/// A header of tar, with its sum.
fn tar_header(name: &str, size: u64, kind: u8) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn names_in_tar_archives_are_bounded_and_long_ones_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.tar");
    for kind in [b'L', b'x'] {
        let mut file = File::create(&path).unwrap();
        file.write_all(&tar_header("long", 5 << 30, kind)).unwrap();
        file.set_len(6 << 30).unwrap();
        let (said, held) = most_held(|| sentence(read_pictures(&path, None), &path));
        assert!(said.contains("a name is longer than 64 KiB") && held < 1 << 20, "{held}: {said}");
    }
    // Honest long names, as GNU and POSIX keep them.
    let long = format!("{}b.png", "a/".repeat(100));
    let mut picture = Cursor::new(Vec::new());
    image::RgbImage::new(4, 4).write_to(&mut picture, image::ImageFormat::Png).unwrap();
    let picture = picture.into_inner();
    let padded = |bytes: &[u8]| [bytes, &vec![0; bytes.len().next_multiple_of(512) - bytes.len()]].concat();
    let field = format!(" path={long}\n");
    let pax = format!("{}{field}", field.len() + 3);
    for (kind, name) in [(b'L', format!("{long}\0")), (b'x', pax)] {
        let mut bytes = [tar_header("long", name.len() as u64, kind), padded(name.as_bytes())].concat();
        bytes.extend([tar_header("short.png", picture.len() as u64, b'0'), padded(&picture), vec![0; 1024]].concat());
        fs::write(&path, bytes).unwrap();
        assert_eq!(read_pictures(&path, None).unwrap().names, [long.as_str()]);
    }
}

#[test]
fn picture_sets_can_be_ended_while_they_are_listed_and_while_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    // More than is decoded together, each large enough that time passes, at several depths.
    let set = folder.path().join("set");
    let mut inner = set.clone();
    let large = folder.path().join("large.png");
    image::GrayImage::new(1 << 12, 1 << 12).save(&large).unwrap();
    let names: Vec<String> = (0..=rayon::current_num_threads()).map(|number| format!("{number}.png")).collect();
    for name in &names {
        inner.push("inner");
        fs::create_dir_all(&inner).unwrap();
        fs::hard_link(&large, inner.join(name)).unwrap();
    }
    let picture = fs::read(&large).unwrap();
    let zip = folder.path().join("set.zip");
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), picture.as_slice())).collect();
    fs::write(&zip, forge::archive(&entries, CompressionMethod::Stored)).unwrap();
    let tar = folder.path().join("set.tar");
    let entry = |name: &String| {
        let mut entry = [tar_header(name, picture.len() as u64, b'0').as_slice(), &picture].concat();
        entry.resize(entry.len().next_multiple_of(512), 0);
        entry
    };
    fs::write(&tar, [names.iter().flat_map(entry).collect(), vec![0; 1024]].concat()).unwrap();
    for path in [&set, &zip, &tar] {
        for (after_decoding, heard) in [(false, 1), (true, 2)] {
            let shares = RefCell::new(Vec::new());
            let listener = |share| {
                shares.borrow_mut().push(share);
                after_decoding && share == 0.0
            };
            let progress = ReadProgress::new(&listener);
            let ended = read_pictures_reported(path, None, &progress);
            assert!(matches!(ended, Err(FileError::Cancelled(_))) && progress.is_cancelled(), "{path:?}");
            // Who said no is not asked again.
            let shares = shares.take();
            assert!(shares.len() >= heard && shares.last().is_some_and(|&last| last < 1.0), "{shares:?}");
            assert_eq!(shares.iter().filter(|&&share| share > 0.0).count(), usize::from(after_decoding), "{shares:?}");
        }
    }
}

#[test]
fn cards_and_names_of_tensors_have_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.txt");
    File::create(&path).unwrap().set_len(20 << 30).unwrap();
    assert!(sentence(read_card(&path), &path).contains("more than the limit of 65536"));
    fs::write(&path, "Data: none\n").unwrap();
    assert_eq!(read_card(&path).unwrap(), "Data: none\n");
    let (mut header, body) = parts(&project("checkpoints/worlds-vp-small.safetensors"));
    header["x".repeat(1025)] = json!({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]});
    let path = folder.path().join("name.safetensors");
    write(&path, &header, &body);
    let message = sentence(open(&path, &OpenOptions::default()), &path);
    assert!(message.contains("a name of more than 1024 bytes"), "{message}");
}
