//! Real files of every format, changed at random: no reader panics, and none reserves more than twice the file's size
//! and 64 MiB.

use super::forge;
use super::{data, project};
use crate::allocations::most_held;
use score_explorer::checkpoint::{
    FileError, Overrides, open_network, read_diffusers_config, read_latents, read_run, read_score_sde_config,
    read_tensors, read_torch,
};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use zip::CompressionMethod;

/// Changed files in all.
const FILES: usize = 100_000;
/// What a reader may hold beyond twice its file.
const ALLOWANCE: usize = 64 << 20;

/// A real file, and what reads its like.
struct Seed {
    name: &'static str,
    bytes: Vec<u8>,
    read: fn(&Path) -> Result<(), FileError>,
    /// Changed bytes become a file by this.
    wrap: fn(Vec<u8>) -> Vec<u8>,
    /// The share of all files that come of this one, in parts of a hundred.
    share: usize,
}

fn network(path: &Path) -> Result<(), FileError> {
    open_network(path, None).map(drop)
}

fn as_it_is(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

/// An archive whose checksums are right, so that the pickle itself is read.
fn as_pickle(pickle: Vec<u8>) -> Vec<u8> {
    let entries: [(&str, &[u8]); 3] =
        [("archive/data.pkl", &pickle), ("archive/data/0", &[0; 256]), ("archive/data/1", &[0; 256])];
    forge::archive(&entries, CompressionMethod::Stored)
}

/// A small checkpoint's pickle, with all that training leaves beside weights.
fn pickle() -> Vec<u8> {
    let tensor = |key, shape: &[i64], strides: &[i64]| forge::tensor("FloatStorage", key, 64, 0, shape, strides);
    let model = [("module.a.weight", tensor(0, &[8, 8], &[8, 1])), ("module.a.bias", tensor(1, &[8], &[1]))];
    let ema = forge::list(&[tensor(0, &[8, 8], &[8, 1]), tensor(1, &[8], &[1])]);
    let mut root = forge::rest(Path::new("witness"));
    root.push(("model", forge::dict(&model)));
    root.push(("ema", forge::dict(&[("shadow_params", ema)])));
    [b"\x80\x04".to_vec(), forge::dict(&root), b".".to_vec()].concat()
}

/// The first tensors of a file of ours, with its description.
fn native() -> Vec<u8> {
    let whole = fs::read(project("checkpoints/worlds-vp-small.safetensors")).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    whole[..header + 4096].to_vec()
}

fn seeds() -> Vec<Seed> {
    let file = |name: &str| fs::read(data(name)).unwrap();
    let seed = |name, bytes, read, share| Seed { name, bytes, read, wrap: as_it_is, share };
    vec![
        Seed { wrap: as_pickle, ..seed("pickle.pth", pickle(), |path| read_torch(path).map(drop), 40) },
        seed("archive.pth", as_pickle(pickle()), |path| read_torch(path).map(drop), 15),
        seed("state.bin", file("diffusers/ddpm/diffusion_pytorch_model.bin"), network, 5),
        seed("native.safetensors", native(), network, 10),
        seed("plain.safetensors", file("diffusers/ncsnpp/io.safetensors"), |path| read_tensors(path).map(drop), 10),
        seed("latents.safetensors", file("diffusers/ncsnpp/io.safetensors"), |path| read_latents(path).map(drop), 5),
        seed("run.json", run(), |path| read_run(path).map(drop), 5),
        seed("published.json", file("nets/ddpmpp-vp-cifar10/config.json"), published, 5),
        seed("diffusers.json", file("diffusers/ncsnpp/config.json"), diffusers, 5),
    ]
}

fn run() -> Vec<u8> {
    serde_json::to_vec(&score_explorer::task::Run::default()).unwrap()
}

/// A configuration says what is wrong with it by itself.
fn published(path: &Path) -> Result<(), FileError> {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    read_score_sde_config(&text, &Overrides::default())
        .map(drop)
        .map_err(|source| FileError::Config { path: path.into(), source })
}

fn diffusers(path: &Path) -> Result<(), FileError> {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let scheduler = fs::read_to_string(data("diffusers/ncsnpp/scheduler_config.json")).unwrap();
    let described = read_diffusers_config(&text, &scheduler);
    described.map(drop).map_err(|source| FileError::Config { path: path.into(), source })
}

/// One to four changes of a kind that finds faults: bits, bytes, numbers at their limits, parts lost, doubled, swapped.
fn changed(bytes: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    const LIMITS: [u64; 10] =
        [0, 1, 0x7f, 0xff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, i64::MAX as u64, i64::MIN as u64, u64::MAX];
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.usize(..4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.usize(..bytes.len());
        let length = (1 + random.usize(..32)).min(bytes.len() - at);
        match random.usize(..8) {
            0 => bytes[at] ^= 1 << random.usize(..8),
            1 => bytes[at] = random.u8(..),
            2 | 3 => {
                let limit = LIMITS[random.usize(..LIMITS.len())].to_le_bytes();
                let width = [1, 2, 4, 8][random.usize(..4)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&limit[..width]);
            }
            4 => bytes.truncate(at),
            5 => drop(bytes.drain(at..at + length)),
            6 => {
                let part = bytes[at..at + length].to_vec();
                let to = random.usize(..bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            _ => {
                let part: Vec<u8> = (0..length).map(|_| b"0123456789\"{}[]:,-.eE"[random.usize(..21)]).collect();
                bytes[at..at + length].copy_from_slice(&part);
            }
        }
    }
    bytes
}

/// Files `first`, `first + step`, … of a seed; how many were refused.
fn attack(seed: &Seed, path: &Path, first: usize, step: usize) -> usize {
    let mut refused = 0;
    for case in (first..FILES * seed.share / 100).step_by(step) {
        let bytes = (seed.wrap)(changed(&seed.bytes, &mut fastrand::Rng::with_seed(1 + case as u64)));
        fs::write(path, &bytes).unwrap();
        let (result, held) = most_held(|| catch_unwind(AssertUnwindSafe(|| (seed.read)(path))));
        let Ok(result) = result else { panic!("{}: file {case} makes its reader panic", seed.name) };
        let most = 2 * bytes.len() + ALLOWANCE;
        assert!(held <= most, "{}: file {case} of {} bytes makes its reader hold {held}", seed.name, bytes.len());
        if let Err(error) = result {
            let message = error.to_string();
            assert!(message.len() < 2000 && !message.contains('\n'), "{}: file {case}: {message}", seed.name);
            refused += 1;
        }
    }
    refused
}

#[test]
fn no_changed_file_makes_a_reader_panic_or_reserve_too_much() {
    let seeds = seeds();
    assert_eq!(seeds.iter().map(|seed| seed.share).sum::<usize>(), 100);
    let folder = tempfile::tempdir().unwrap();
    let folders: [PathBuf; 2] = [0, 1].map(|worker| folder.path().join(worker.to_string()));
    folders.iter().for_each(|folder| fs::create_dir(folder).unwrap());
    for seed in &seeds {
        // In a folder of its own, with the configurations that lie beside real files.
        let refused: usize = std::thread::scope(|scope| {
            let workers = folders.each_ref().map(|folder| {
                fs::copy(data("nets/ddpmpp-vp-cifar10/config.json"), folder.join("config.json")).unwrap();
                let first = usize::from(folder.ends_with("1"));
                scope.spawn(move || attack(seed, &folder.join(seed.name), first, 2))
            });
            workers.into_iter().map(|worker| worker.join().expect("a reader holds to its bounds")).sum()
        });
        let files = FILES * seed.share / 100;
        println!("{}: {refused} of {files} refused", seed.name);
        // Most changes spoil a file; some touch only numbers or what is passed over.
        assert!(refused > files / 20, "{}: {refused} of {files} were refused", seed.name);
    }
}
