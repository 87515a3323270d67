//! Checkpoints of the original NCSN and NCSNv2 releases, and damaged ones.

use super::{data, forge, sentence};
use score_explorer::checkpoint::{open_network, read_torch};
use std::fs;

const V2: &str = "ncsn/ncsnv2/checkpoint.pth";
const V2_CONFIG: &str = "ncsn/ncsnv2/config.yml";

/// Name, first live value, sum of the live values, first EMA value, sum of those: what PyTorch reads.
const FIGURES: [(&str, [f64; 4]); 2] = [
    ("refine1.crp.convs.0.weight", [-0.1343994140625, 3.284332036972046, -0.1253662109375, 2.487790584564209]),
    ("res3.1.conv2.bias", [0.061767578125, -0.1627197265625, -0.21533203125, -0.44537353515625]),
];

#[test]
fn files_from_before_pytorch_1_6_open_to_the_average() {
    let live = read_torch(&data(V2)).unwrap();
    let average = live.average.expect("EMA weights by name");
    assert_eq!((live.step, live.model.len(), average.len()), (Some(1234), 154, 153));
    let opened = open_network(&data(V2), None).unwrap();
    let sum = |values: &[f32]| values.iter().map(|&value| f64::from(value)).sum::<f64>();
    for (name, [first, total, average_first, average_total]) in FIGURES {
        let (model, average) = (&live.model[name].values, &opened.weights[name].values);
        assert_eq!((f64::from(model[0]), f64::from(average[0])), (first, average_first), "{name}");
        // Sums of a few hundred numbers in double precision.
        assert!((sum(model) - total).abs() < 1e-12 && (sum(average) - average_total).abs() < 1e-12, "{name}");
    }
    assert_eq!(live.model["sigmas"].values[0], 50.0);
}

/// The first release kept no average.
#[test]
fn ncsn_without_an_average_opens_to_its_weights() {
    let path = data("ncsn/ncsn/checkpoint.pth");
    let live = read_torch(&path).unwrap();
    assert_eq!((live.step, live.average.map(|average| average.len())), (None, Some(0)));
    let opened = open_network(&path, None).unwrap();
    assert_eq!(opened.weights, live.model);
    assert_eq!(f64::from(opened.weights["normalizer.embed.weight"].values[0]), 1.005_859_375);
}

#[test]
fn lists_of_states_are_read_from_zip_archives_too() {
    let folder = tempfile::tempdir().unwrap();
    let numbers: Vec<u8> = [1.0f32, 2.0, 3.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensor = |offset| forge::tensor("FloatStorage", 0, 3, offset, &[2], &[1]);
    let model = forge::dict(&[("module.w", tensor(0))]);
    let states =
        forge::list(&[model, forge::dict(&[]), forge::int(3), forge::int(70), forge::dict(&[("w", tensor(1))])]);
    let pickle = [b"\x80\x02".to_vec(), states, b".".to_vec()].concat();
    let read = read_torch(&forge::pth(folder.path(), &pickle, &[&numbers])).unwrap();
    assert_eq!((read.model["w"].values.as_slice(), read.step), ([1.0, 2.0].as_slice(), Some(70)));
    assert_eq!(read.average.unwrap()["w"].values, [2.0, 3.0]);
}

#[test]
fn configurations_that_do_not_fit_are_refused_with_what_would() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to, expected) in [
        (
            "num_classes: 20",
            "num_classes: 232",
            "model.num_classes = 232 is invalid; it must be 20, as in the checkpoint",
        ),
        (
            "sigma_begin: 50",
            "sigma_begin: 90",
            "model.sigma_begin = 90 is invalid; it must be 50, as in the checkpoint",
        ),
        ("sigma_end: 0.01", "sigma_end: 60", "positive and falling"),
        ("image_size: 16", "image_size: 15", "divisible by 2, for 4 stages"),
        ("logit_transform: false", "logit_transform: true", "data.logit_transform = true is not supported; use false"),
        ("sigma_dist: geometric", "sigma_dist: uniform", "use geometric"),
        ("spec_norm: false", "spec_norm: true", "model.spec_norm"),
        ("InstanceNorm++", "VarianceNorm", "use InstanceNorm++"),
        ("  ngf: 4", "  width: 4", "lacks model.ngf"),
        ("  ngf: 4", "ngf 4", "is not `name: value`"),
        ("  ngf: 4", "  ngf: 8", "[4, 3, 3, 3]"),
    ] {
        let config = folder.path().join("other.yml");
        let text = fs::read_to_string(data(V2_CONFIG)).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(&config, text.replace(from, to)).unwrap();
        let named = if to == "  ngf: 8" { data(V2) } else { config.clone() };
        let message = sentence(open_network(&data(V2), Some(&config)), &named);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn old_files_cut_anywhere_are_refused() {
    let whole = fs::read(data(V2)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.pth");
    let mut lengths: Vec<usize> = (0..64).map(|i| i * whole.len() / 64).collect();
    lengths.extend([1, 13, 14, 15, 20, 40, 200, whole.len() - 1]);
    for length in lengths {
        fs::write(&path, &whole[..length]).unwrap();
        sentence(open_network(&path, Some(&data(V2_CONFIG))), &path);
    }
}

#[test]
fn damage_to_old_files_never_panics() {
    let whole = fs::read(data(V2)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.pth");
    // About a third of this file is pickles, and they come first.
    let pickles = whole.len() / 4;
    let (mut refused, mut random) = (0, fastrand::Rng::with_seed(1));
    for _ in 0..500 {
        let mut bytes = whole.clone();
        for _ in 0..=random.usize(..4) {
            bytes[random.usize(..pickles)] = random.u8(..);
        }
        fs::write(&path, &bytes).unwrap();
        if let Err(error) = read_torch(&path) {
            refused += 1;
            sentence(Err::<(), _>(error), &path);
        }
    }
    assert!(refused > 100, "{refused} of 500 were refused");
}

/// A file as PyTorch wrote it before 1.6.
fn old(protocol: i64, little_endian: bool, saved: &[u8], keys: &[&str], storages: &[u8]) -> Vec<u8> {
    let pickle = |body: &[u8]| [b"\x80\x02", body, b"."].concat();
    let endian: &[u8] = if little_endian { b"\x88" } else { b"\x89" };
    let keys: Vec<Vec<u8>> = keys.iter().map(|key| forge::text(key)).collect();
    [
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec(),
        pickle(&forge::int(protocol)),
        pickle(&forge::dict(&[("little_endian", endian.to_vec())])),
        pickle(saved),
        pickle(&forge::list(&keys)),
        storages.to_vec(),
    ]
    .concat()
}

#[test]
fn old_files_of_other_kinds_are_refused_by_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.pth");
    let model = |tensor: Vec<u8>| forge::list(&[forge::dict(&[("module.w", tensor)]), forge::dict(&[])]);
    let honest = model(forge::tensor("FloatStorage", 0, 2, 0, &[2], &[1]));
    let storage =
        |count: u64| [count.to_le_bytes().as_slice(), &1.5f32.to_le_bytes(), &(-2.0f32).to_le_bytes()].concat();
    let read = |bytes: Vec<u8>| {
        fs::write(&path, bytes).unwrap();
        read_torch(&path)
    };
    assert_eq!(read(old(1001, true, &honest, &["0"], &storage(2))).unwrap().model["w"].values, [1.5, -2.0]);
    for (bytes, expected) in [
        (old(1002, true, &honest, &["0"], &storage(2)), "an unknown version of PyTorch"),
        (old(1001, false, &honest, &["0"], &storage(2)), "big-endian"),
        (old(1001, true, &honest, &["0"], &storage(3)), "truncated or damaged"),
        (old(1001, true, &honest, &["1"], &storage(2)), "truncated or damaged"),
        (old(1001, true, &honest, &[], &storage(2)), "has no storage"),
        (old(1001, true, &honest, &["0"], &storage(2)[..14]), "truncated or damaged"),
        (
            old(
                1001,
                true,
                &model(forge::tensor("FloatStorage", 0, 1 << 61, 0, &[2], &[1])),
                &["0"],
                &storage(1 << 61),
            ),
            "truncated or damaged",
        ),
        (
            old(
                1001,
                true,
                &model([forge::global("os", "system"), forge::tuple(&[forge::text("ls")]), b"R".to_vec()].concat()),
                &[],
                &[],
            ),
            "refers to os.system, which is code",
        ),
        (old(1001, true, &forge::int(7), &[], &[]), "no weights by name"),
    ] {
        let message = sentence(read(bytes), &path);
        assert!(message.contains(expected), "{message}");
    }
}
