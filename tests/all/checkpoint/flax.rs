//! Checkpoints of score_sde's JAX code.

use super::{data, sentence};
use score_explorer::checkpoint::{OpenedNetwork, open_network};
use score_explorer::network::Array;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A tree of MessagePack.
enum Tree {
    Map(Vec<(String, Tree)>),
    Raw(Vec<u8>),
}

fn text(text: &str) -> Vec<u8> {
    [vec![0xd9, text.len() as u8], text.into()].concat()
}

/// An array as flax packs it; `claimed` is the length that it tells of its bytes.
fn array(shape: &[usize], dtype: &str, bytes: &[u8], claimed: u32) -> Tree {
    let mut inside = vec![0x93, 0x90 | shape.len() as u8];
    shape.iter().for_each(|&size| inside.extend([vec![0xce], (size as u32).to_be_bytes().to_vec()].concat()));
    inside.extend(text(dtype));
    inside.push(0xc6);
    inside.extend(claimed.to_be_bytes());
    inside.extend(bytes);
    Tree::Raw([vec![0xc9], (inside.len() as u32).to_be_bytes().to_vec(), vec![1], inside].concat())
}

fn singles(array_of: &Array) -> Tree {
    let bytes: Vec<u8> = array_of.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    array(&array_of.shape, "float32", &bytes, bytes.len() as u32)
}

fn pack(tree: &Tree) -> Vec<u8> {
    match tree {
        Tree::Raw(bytes) => bytes.clone(),
        Tree::Map(entries) => {
            let mut bytes = match entries.len() {
                small @ 0..16 => vec![0x80 | small as u8],
                large => [vec![0xde], (large as u16).to_be_bytes().to_vec()].concat(),
            };
            entries.iter().for_each(|(name, tree)| {
                // Flax writes short names in their short form.
                bytes.extend([&[0xa0 | name.len() as u8], name.as_bytes()].concat());
                bytes.extend(pack(tree));
            });
            bytes
        }
    }
}

/// A whole state around averaged parameters.
fn state(average: Tree) -> Vec<u8> {
    let optimizer =
        Tree::Map(vec![("target".into(), Tree::Map(vec![("w".into(), array(&[2], "float32", &[0; 8], 8))]))]);
    let entries = [
        ("step", Tree::Raw(vec![0xcd, 0x04, 0xd2])),
        ("optimizer", optimizer),
        ("lr", Tree::Raw([vec![0xcb], 2e-4f64.to_be_bytes().to_vec()].concat())),
        ("model_state", Tree::Map(Vec::new())),
        ("ema_rate", Tree::Raw(vec![0xc0])),
        ("params_ema", average),
        ("rng", array(&[2], "uint32", &[0; 8], 8)),
    ];
    pack(&Tree::Map(entries.into_iter().map(|(name, tree)| (name.to_owned(), tree)).collect()))
}

/// How the JAX code numbers the modules of a network: each class by itself, in the order of their making.
fn jax(network: &OpenedNetwork, block: &str, attention: &str) -> Tree {
    let mut modules: BTreeMap<usize, Vec<(String, &Array)>> = BTreeMap::new();
    for (name, array) in &network.weights {
        let (index, part) = name.strip_prefix("all_modules.").unwrap().split_once('.').unwrap();
        modules.entry(index.parse().unwrap()).or_default().push((part.to_owned(), array));
    }
    let middle = modules.iter().filter(|(_, parts)| parts.iter().any(|(part, _)| part == "NIN_3.W"));
    let middle = *middle.map(|(index, _)| index).nth(middle_attention(network)).unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut tree = Vec::new();
    for (index, parts) in &modules {
        let has = |name: &str| parts.iter().find(|(part, _)| part == name).map(|(_, array)| array.shape.as_slice());
        let class = match (has("weight").map(<[usize]>::len), has("W"), has("Conv_1.weight"), has("NIN_3.W")) {
            (Some(1), ..) => "GroupNorm",
            (Some(2), ..) => "Dense",
            (Some(_), ..) => "Conv",
            (_, Some(_), ..) => "GaussianFourierProjection",
            (_, _, Some(_), _) => block,
            (_, _, _, Some(_)) => attention,
            _ if has("Conv_0.weight").is_some_and(|shape| shape[2] == 1) => "Combine",
            _ if *index < middle => "Downsample",
            _ => "Upsample",
        };
        let count = counts.entry(class.into()).or_default();
        // Resamplings without parameters stand between those that have some.
        let number = if class.ends_with("sample") { 2 * *count + 1 } else { *count };
        *count += 1;
        let mut inside: BTreeMap<String, Vec<(String, Tree)>> = BTreeMap::new();
        for (part, array) in parts {
            let (module, end) = part.rsplit_once('.').unwrap_or(("", part));
            let filtered = module.starts_with("Conv2d");
            let end = match (end, array.shape.len()) {
                ("weight", 1) => "scale",
                ("weight", _) if !filtered => "kernel",
                _ => end,
            };
            let array = if part.ends_with("weight") { channels_last(array) } else { (*array).clone() };
            inside.entry(module.into()).or_default().push((end.into(), singles(&array)));
        }
        let own = inside.remove("").unwrap_or_default();
        let parts = inside.into_iter().map(|(module, parts)| (module, Tree::Map(parts))).chain(own).collect();
        tree.push((format!("{class}_{number}"), Tree::Map(parts)));
    }
    Tree::Map(tree)
}

/// Attentions on the way down come before the one in the middle.
fn middle_attention(network: &OpenedNetwork) -> usize {
    let config = network.description.config.unet().unwrap();
    let levels =
        (0..config.ch_mult.len()).filter(|level| config.attn_resolutions.contains(&(config.image_size >> level)));
    levels.count() * config.num_res_blocks
}

/// Out × in × height × width as height × width × in × out.
fn channels_last(array: &Array) -> Array {
    let mut shape = array.shape.clone();
    let (out, input) = match shape[..] {
        [_] => return array.clone(),
        [out, input, ..] => (out, input),
        [] => panic!("a weight has dimensions"),
    };
    shape.rotate_left(2);
    let last = shape.len();
    shape.swap(last - 2, last - 1);
    let area = array.values.len() / (out * input);
    let mut values = vec![0.0; array.values.len()];
    for (index, value) in array.values.iter().enumerate() {
        let (o, i, place) = (index / (input * area), index / area % input, index % area);
        values[(place * input + i) * out + o] = *value;
    }
    Array { shape, values }
}

fn write(folder: &Path, net: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join("checkpoint_24");
    fs::write(&path, bytes).unwrap();
    fs::copy(data(&format!("nets/{net}/config.json")), folder.join("config.json")).unwrap();
    path
}

#[test]
fn averaged_parameters_are_those_of_the_pytorch_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    for (net, block, attention) in [
        ("ddpm-vp-cifar10-discrete", "ResnetBlockDDPM", "AttnBlock"),
        ("ddpmpp-subvp-cifar10", "ResnetBlockDDPMpp", "AttnBlockpp"),
        ("ncsnpp-ve-cifar10-discrete", "ResnetBlockBigGANpp", "AttnBlockpp"),
        ("ncsnpp-ve-ffhq1024", "ResnetBlockBigGANpp", "AttnBlockpp"),
    ] {
        let torch = open_network(&data(&format!("nets/{net}/checkpoint.pth")), None).unwrap();
        let path = write(folder.path(), net, &state(jax(&torch, block, attention)));
        let flax = open_network(&path, None).unwrap();
        assert_eq!(flax.description, torch.description, "{net}");
        assert_eq!(flax.weights, torch.weights, "{net}");
    }
}

#[test]
fn claims_beyond_the_file_are_refused_before_memory_is_reserved() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |bytes: &[u8]| {
        let path = write(folder.path(), "ddpm-vp-cifar10-discrete", bytes);
        sentence(open_network(&path, None), &path)
    };
    let one = |tree: Tree| refused(&state(Tree::Map(vec![("Dense_0".into(), tree)])));
    let huge = 0xffff_fff0_u32;
    assert!(one(array(&[1 << 30, 1 << 30], "float32", &[0; 8], 8)).contains("but 8 bytes"));
    assert!(one(array(&[0xffff_ffff; 4], "float32", &[0; 8], 8)).contains("but 8 bytes"));
    assert!(one(array(&[(huge / 4) as usize], "float32", &[0; 8], huge)).contains("truncated or damaged"));
    assert!(one(array(&[1], "float32", &[0; 8], 4)).contains("not an array in flax's format"));
    assert!(one(array(&[2], "complex64", &[0; 16], 16)).contains("the unsupported type \"complex64\""));
    assert!(one(Tree::Raw(vec![0x07])).contains("is not an array"));
    let pieces = Tree::Map(vec![("__msgpack_chunked_array__".into(), Tree::Raw(vec![0xc3]))]);
    assert!(one(pieces).contains("\"Dense_0\" has more than a GiB"));
    assert!(one(Tree::Raw([vec![0xc9], huge.to_be_bytes().to_vec(), vec![1]].concat())).contains("more bytes than"));
    // A map or a list of four billion entries, and one in another a million deep.
    assert!(
        refused(&[&[0x82, 0xa3], b"abc".as_slice(), &[0xdf, 0xff, 0xff, 0xff, 0xff]].concat()).contains("truncated")
    );
    assert!(refused(&[&[0x82, 0xa3], b"abc".as_slice(), &vec![0x91; 1_000_000]].concat()).contains("nested deeper"));
    assert!(refused(&[&[0x81, 0xa3], b"abc".as_slice(), &[0x01]].concat()).contains("lacks params_ema"));
    assert!(refused(&state(Tree::Map(Vec::new()))).contains("is missing"));
}

#[test]
fn states_cut_anywhere_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let net = "ddpmpp-subvp-cifar10";
    let torch = open_network(&data(&format!("nets/{net}/checkpoint.pth")), None).unwrap();
    let whole = state(jax(&torch, "ResnetBlockDDPMpp", "AttnBlockpp"));
    for part in 0..40 {
        let path = write(folder.path(), net, &whole[..part * whole.len() / 40]);
        sentence(open_network(&path, None), &path);
    }
}
