//! Files from strangers: refused in one sentence, without a panic, at once.

use super::{crc32, data, forge, sentence};
use score_explorer::checkpoint::{open_network, read_run, read_tensors, read_torch};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use zip::CompressionMethod;

const SMALL: &str = "nets/ddpmpp-subvp-cifar10/checkpoint.pth";

fn forged(pickle: &[u8], storages: &[&[u8]]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = forge::pth(folder.path(), pickle, storages);
    sentence(read_torch(&path), &path)
}

#[test]
fn pickled_code_is_named_and_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("witness");
    let command = forge::text(&format!("touch {}", witness.display()));
    let call = |module, name| {
        [forge::global(module, name), forge::tuple(std::slice::from_ref(&command)), b"R".to_vec()].concat()
    };
    for (module, name) in [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("torch.serialization", "load")]
    {
        let pickle = [b"\x80\x02".to_vec(), call(module, name), b".".to_vec()].concat();
        let message = forged(&pickle, &[]);
        let expected = format!("refers to {module}.{name}, which is code and is not run; save the weights again");
        assert!(message.contains(&expected), "{message}");
    }
    // The same through protocol 4's STACK_GLOBAL.
    let stacked = [b"\x80\x04".to_vec(), forge::text("os"), forge::text("system"), b"\x93.".to_vec()].concat();
    assert!(forged(&stacked, &[]).contains("refers to os.system"));
    // Protocol 1's INST and OBJ and an extension's code are instructions that no tensor needs.
    assert!(forged(b"\x80\x02(ios\nsystem\n.", &[]).contains("instruction 0x69"));
    assert!(!witness.exists());
}

#[test]
fn claims_beyond_the_file_are_refused_before_memory_is_reserved() {
    let six: Vec<u8> = vec![0; 24];
    let one = |tensor: Vec<u8>| forged(&forge::checkpoint(&[("module.w", tensor)], &[]), &[&six]);
    let float = |elements, offset, shape: &[i64], strides: &[i64]| {
        one(forge::tensor("FloatStorage", 0, elements, offset, shape, strides))
    };
    let ten_gib = 10 << 28;
    assert!(float(ten_gib, 0, &[ten_gib], &[1]).contains("larger than the file"));
    assert!(float(ten_gib, 0, &[6], &[1]).contains("claims 10737418240 bytes but has 24"));
    assert!(float(6, 0, &[ten_gib], &[0]).contains("larger than its storage"));
    assert!(float(6, 0, &[1 << 40, 1 << 40], &[1 << 40, 1]).contains("larger than its storage"));
    assert!(float(6, 0, &[2, 2], &[i64::MAX, 1]).contains("beyond its storage"));
    assert!(float(6, 3, &[2, 2], &[2, 1]).contains("beyond its storage"));
    assert!(float(6, i64::MAX, &[1], &[1]).contains("beyond its storage"));
    assert!(float(6, 0, &[-6], &[1]).contains("a size is negative"));
    assert!(float(6, 0, &[2, 3], &[1]).contains("more dimensions than strides"));
    assert!(float(6, 0, &[1; 17], &[1; 17]).contains("more than 16 dimensions"));
    assert!(one(forge::tensor("FloatStorage", 9, 6, 0, &[6], &[1])).contains("archive/data/9"));
}

#[test]
fn two_claims_of_one_old_storage_must_be_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let read = |elements: i64| {
        let tensor = |elements| forge::tensor("FloatStorage", 0, elements, 0, &[2], &[1]);
        let pickle = forge::checkpoint(&[("a", tensor(elements)), ("b", tensor(2))], &[]);
        read_torch(&forge::legacy(folder.path(), &pickle, &[1.0, 2.0])).map_err(|error| error.to_string())
    };
    assert_eq!(read(2).unwrap().model["a"].values, [1.0, 2.0]);
    let error = read(100).unwrap_err();
    assert!(error.contains("\"a\" claims 400 bytes but has 8"), "{error}");
}

#[test]
fn views_of_one_storage_may_not_add_up_to_more_than_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let storage = vec![0; 4000];
    let names: Vec<String> = (0..500).map(|i| format!("w{i}")).collect();
    let read = |size: i64| {
        let view = |name| (name, forge::tensor("FloatStorage", 0, 1000, 0, &[size], &[1]));
        let model: Vec<(&str, Vec<u8>)> = names.iter().map(|name| view(name.as_str())).collect();
        let path = forge::pth(folder.path(), &forge::checkpoint(&model, &[]), &[&storage]);
        read_torch(&path).map_err(|error| error.to_string())
    };
    assert_eq!(read(10).unwrap().model.len(), 500, "some sharing is honest");
    assert!(read(1000).unwrap_err().contains("makes the tensors larger than the file"));
}

#[test]
fn compressed_storages_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.pth");
    let pickle = forge::checkpoint(&[("w", forge::tensor("FloatStorage", 0, 1 << 22, 0, &[1 << 22], &[1]))], &[]);
    let entries: [(&str, &[u8]); 2] = [("a/data.pkl", &pickle), ("a/data/0", &vec![0; 1 << 24])];
    fs::write(&path, forge::archive(&entries, CompressionMethod::Deflated)).unwrap();
    assert!(sentence(read_torch(&path), &path).contains("compressed or claims more"));
}

#[test]
fn broken_pickles_are_refused_by_their_first_fault() {
    let wrap = |body: &[u8]| forged(&[b"\x80\x02", body].concat(), &[]);
    assert!(wrap(b"").contains("truncated"));
    assert!(wrap(b"X\xff\xff\xff\xffabc").contains("truncated"));
    assert!(wrap(b"t.").contains("finds no mark"));
    assert!(wrap(b"(R.").contains("finds no value"));
    assert!(wrap(b"h\x05.").contains("refers to a value that is not there"));
    assert!(wrap(b"K\x01)R.").contains("other than a function"));
    assert!(wrap(b"}K\x01e.").contains("finds no mark"));
    assert!(wrap(b"K\x07.").contains("no weights by name"));
    // Deep nesting is only a row of handles here.
    let deep = [vec![b')'], vec![0x85; 300_000], vec![b'.']].concat();
    assert!(wrap(&deep).contains("no weights by name"));
    assert!(wrap(&b"N0".repeat(1_050_000)).contains("more than 2000000 pickle instructions"));
    // Objects, values in hand, marks and remembered values of a byte each.
    for many in
        [b"]0".repeat(400_001), vec![b'N'; 400_001], vec![b'('; 400_001], [b"N".to_vec(), vec![0x94; 400_001]].concat()]
    {
        assert!(wrap(&many).contains("more than 400000 pickled objects"));
    }
}

#[test]
fn files_of_other_kinds_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        (
            sentence(open_network(&path, None), &path),
            sentence(read_torch(&path), &path),
            sentence(read_tensors(&path), &path),
        )
    };
    let picture = fs::read(super::project("assets/worlds.zip")).unwrap();
    for (name, bytes, opened) in [
        ("empty.pth", b"".as_slice(), "is empty"),
        ("notes.txt", b"These are only some words about a checkpoint.", "is plain text; choose"),
        ("picture.png", b"\x89PNG\r\n\x1a\n and so on, for some more bytes", "is a PNG image; choose"),
        ("odd.bin", b"\x01\x02\x03\xff and so on, for some more bytes", "not a PyTorch, safetensors or JAX file"),
        ("old.pth", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.", "truncated"),
        ("pictures.zip", &picture, "without data.pkl"),
    ] {
        let (open, ..) = refused(name, bytes);
        assert!(open.contains(opened), "{open}");
    }
    let folder_message = sentence(open_network(folder.path(), None), folder.path());
    assert!(folder_message.contains("folder"), "{folder_message}");
    let said = sentence(read_run(folder.path()), folder.path());
    assert!(said.ends_with(" is a folder; choose a file"), "{said}");
    #[cfg(unix)]
    {
        let circle = folder.path().join("circle.pth");
        std::os::unix::fs::symlink(&circle, &circle).unwrap();
        let said = sentence(open_network(&circle, None), &circle);
        assert!(said.ends_with("is a link that leads back to itself; choose a file"), "{said}");
    }
    let missing = folder.path().join("missing.pth");
    assert!(sentence(open_network(&missing, None), &missing).contains("cannot be read"));
}

#[test]
fn checkpoints_cut_anywhere_are_refused() {
    let whole = fs::read(data(SMALL)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.pth");
    let mut lengths: Vec<usize> = (0..64).map(|i| i * whole.len() / 64).collect();
    lengths.extend([1, 3, 4, 5, 30, whole.len() - 1, whole.len() - 4, whole.len() - 22, whole.len() - 100]);
    for length in lengths {
        fs::write(&path, &whole[..length]).unwrap();
        sentence(open_network(&path, Some(&data("nets/ddpmpp-subvp-cifar10/config.json"))), &path);
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).position(|window| window == needle).unwrap()
}

#[test]
fn random_damage_never_panics() {
    let whole = fs::read(data(SMALL)).unwrap();
    let directory = find(&whole, b"PK\x01\x02");
    let pickle = find(&whole, b"\x80\x02}");
    let pickle =
        pickle..pickle + u32::from_le_bytes(whole[directory + 24..directory + 28].try_into().unwrap()) as usize;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.pth");
    fs::write(&path, &whole).unwrap();
    let mut file = File::options().write(true).open(&path).unwrap();
    let mut patch = |at: usize, bytes: &[u8]| {
        file.seek(SeekFrom::Start(at as u64)).unwrap();
        file.write_all(bytes).unwrap();
    };
    let (mut random, mut refused, start) = (fastrand::Rng::with_seed(5), 0, Instant::now());
    for case in 0..2000 {
        // In turn: the pickle with its checksum made good, and the zip directory as it is.
        let mut bytes = whole.clone();
        let region = if case % 3 == 0 { directory..whole.len() } else { pickle.clone() };
        for _ in 0..=random.usize(..4) {
            let at = region.start + random.usize(..region.len());
            bytes[at] = random.u8(..);
        }
        let sum = crc32(&bytes[pickle.clone()]).to_le_bytes();
        if case % 3 != 0 {
            bytes[directory + 16..directory + 20].copy_from_slice(&sum);
        }
        patch(pickle.start, &bytes[pickle.clone()]);
        patch(directory, &bytes[directory..]);
        if let Err(error) = read_torch(&path) {
            refused += 1;
            sentence(Err::<(), _>(error), &path);
        }
    }
    // Most damage must be seen; damage to a name or to what is passed over need not be.
    assert!(refused > 700, "{refused} of 2000 were refused");
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

/// A file that claims `length` bytes and takes almost none.
fn sparse(path: &Path, start: &[u8], length: u64) {
    let mut file = File::create(path).unwrap();
    file.write_all(start).unwrap();
    file.set_len(length).unwrap();
}

#[test]
fn ten_gib_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let path = folder.path().join("huge.pth");
    sparse(&path, b"PK\x03\x04", 10 << 30);
    assert!(sentence(open_network(&path, None), &path).contains("truncated"));

    let path = folder.path().join("huge.safetensors");
    let honest = br#"{"w":{"dtype":"F32","shape":[2684354560],"data_offsets":[0,10737418240]}}"#;
    let begin = |header: &[u8]| [(header.len() as u64).to_le_bytes().as_slice(), header].concat();
    sparse(&path, &begin(honest), 8 + honest.len() as u64 + (10 << 30));
    assert!(sentence(read_tensors(&path), &path).contains("larger than any supported network"));
    fs::write(&path, begin(honest)).unwrap();
    assert!(sentence(read_tensors(&path), &path).contains("claims more or fewer bytes"));
    fs::write(&path, [(10u64 << 30).to_le_bytes().as_slice(), b"{}"].concat()).unwrap();
    assert!(sentence(open_network(&path, None), &path).contains("header claims to be longer"));
    let brains = br#"{"w":{"dtype":"BF16","shape":[1048576],"data_offsets":[0,4]}}"#;
    fs::write(&path, [begin(brains), vec![0; 4]].concat()).unwrap();
    assert!(sentence(read_tensors(&path), &path).contains("header is invalid"));
    let overflowing = br#"{"w":{"dtype":"F32","shape":[4611686018427387904,8],"data_offsets":[0,0]}}"#;
    fs::write(&path, begin(overflowing)).unwrap();
    sentence(read_tensors(&path), &path);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn safetensors_cut_or_changed_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.safetensors");
    let whole = fs::read(super::project("checkpoints/worlds-vp-small.safetensors")).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for length in [1, 7, 8, 9, header / 2, header, header + 1, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        sentence(open_network(&path, None), &path);
    }
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..200 {
        let mut bytes = whole[..header].to_vec();
        let at = random.usize(..header);
        bytes[at] = random.u8(..);
        bytes.extend(&whole[header..]);
        score_explorer::checkpoint::read_native(&bytes, &path).ok();
    }
}
