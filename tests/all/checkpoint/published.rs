//! Published checkpoints against figures that Python's own `pickle` and `struct` read from them.

use super::{data, forge, project};
use score_explorer::checkpoint::{OpenOptions, Overrides, open, open_network, read_tensors, read_torch, write_tensors};
use score_explorer::network::Config;
use score_explorer::sde::Family;

/// Name, shape, first EMA value, sum of all EMA values, first live value.
type Figure = (&'static str, &'static [usize], f64, f64, f64);

const SUB_VP: &[Figure] = &[
    ("all_modules.0.weight", &[64, 16], 0.2442411631345749, -6.313445078441873, 0.23334713280200958),
    ("all_modules.9.GroupNorm_1.bias", &[32], 0.028545333072543144, -0.55251001752913, 0.03447789326310158),
    ("all_modules.17.bias", &[3], 0.3664437532424927, 0.4040725976228714, 0.36079955101013184),
];
const FFHQ: &[Figure] = &[
    ("all_modules.1.weight", &[32, 16], 0.10086308419704437, -8.803734520450234, 0.09924133121967316),
    ("all_modules.15.Dense_0.bias", &[32], 0.27115359902381897, 0.33780869375914335, 0.27125605940818787),
    ("all_modules.29.bias", &[3], -0.063132643699646, -0.015250593423843384, -0.05418682098388672),
];

const DDPM: &[Figure] = &[
    ("all_modules.0.weight", &[128, 32], -0.05494051054120064, 18.792484926932957, -0.05494051054120064),
    ("all_modules.6.NIN_0.W", &[32, 32], -0.0352042093873024, -5.522474782599602, -0.0352042093873024),
    ("all_modules.17.bias", &[3], -0.05812118202447891, -0.18354959040880203, -0.05812118202447891),
];

fn opens_to_the_average(net: &str, figures: &[Figure], parameters: usize, trained: usize) {
    let path = data(&format!("nets/{net}/checkpoint.pth"));
    let live = read_torch(&path).unwrap();
    assert_eq!((live.step, live.ema_decay, live.ema.len()), (Some(1234), Some(0.9999), trained));
    assert_eq!(live.order.first().map(String::as_str), Some("sigmas"), "the file's order, without `module.`");
    let network = open_network(&path, None).unwrap();
    assert_eq!(network.weights.len(), parameters);
    for &(name, shape, first, sum, live_first) in figures {
        let average = &network.weights[name];
        assert_eq!(average.shape, shape, "{name}");
        // The figures are the same 32-bit numbers; sums are taken in 64 bits.
        assert_eq!(f64::from(average.values[0]), first, "{name}");
        assert!((average.values.iter().map(|&value| f64::from(value)).sum::<f64>() - sum).abs() < 1e-12, "{name}");
        assert_eq!(f64::from(live.model[name].values[0]), live_first, "{name}");
    }
}

#[test]
fn sub_vp_checkpoint_opens_to_its_ema_weights() {
    opens_to_the_average("ddpmpp-subvp-cifar10", SUB_VP, 154, 154);
}

/// To save room, its live weights are its average here, and share its storages.
#[test]
fn ddpm_checkpoint_with_shared_storages_opens_to_its_ema_weights() {
    opens_to_the_average("ddpm-vp-cifar10-discrete", DDPM, 132, 132);
}

#[test]
fn fourier_frequencies_come_from_the_live_weights() {
    opens_to_the_average("ncsnpp-ve-ffhq1024", FFHQ, 227, 226);
    let network = open_network(&data("nets/ncsnpp-ve-ffhq1024/checkpoint.pth"), None).unwrap();
    assert_eq!(network.weights["all_modules.0.W"].values[..2], [56.087_803, -1.068_622_1]);
}

#[test]
fn configuration_of_another_network_is_refused_with_both_figures() {
    let path = data("nets/ddpmpp-subvp-cifar10/checkpoint.pth");
    let other = data("nets/ncsnpp-ve-ffhq1024/config.json");
    let message = super::sentence(open_network(&path, Some(&other)), &path);
    assert!(message.contains("154 EMA tensors") && message.contains("trains 226"), "{message}");
}

#[test]
fn wider_configuration_is_refused_with_both_shapes() {
    let path = data("nets/ddpmpp-subvp-cifar10/checkpoint.pth");
    let text = std::fs::read_to_string(data("nets/ddpmpp-subvp-cifar10/config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["model"]["nf"] = 32.into();
    let folder = tempfile::tempdir().unwrap();
    let wide = folder.path().join("wide.json");
    std::fs::write(&wide, config.to_string()).unwrap();
    let message = super::sentence(open_network(&path, Some(&wide)), &path);
    assert!(message.contains("[128, 32]") && message.contains("[64, 16]"), "{message}");
}

/// What no shape tells is assumed as published, which is right here, and said on the card.
#[test]
fn checkpoint_without_configuration_is_inferred() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alone.pth");
    std::fs::copy(data("nets/ddpmpp-subvp-cifar10/checkpoint.pth"), &path).unwrap();
    let alone = open(&path, &OpenOptions::default()).unwrap();
    assert!(alone.inferred && alone.network.description.card.starts_with("Trained for 1234 steps.\nAssumed: "));
    let told = Overrides::parse(["training.sde=subvpsde"]).unwrap();
    let alone = open(&path, &OpenOptions { overrides: told.clone(), ..OpenOptions::default() }).unwrap();
    assert!(alone.assumed.iter().all(|assumption| assumption.field != "training.sde"));
    let whole = open_network(&data("nets/ddpmpp-subvp-cifar10/checkpoint.pth"), None).unwrap();
    assert_eq!(alone.network.weights, whole.weights);
    let found = alone.network.description;
    assert_eq!((found.family, found.range, found.levels), (whole.description.family, whole.description.range, 1000));
    std::fs::copy(data("nets/ddpmpp-subvp-cifar10/config.json"), folder.path().join("alone.json")).unwrap();
    let beside = open(&path, &OpenOptions::default()).unwrap();
    assert!(!beside.inferred && beside.assumed.is_empty(), "a configuration of the same name beside it is found");
    assert_eq!(beside.network.description, whole.description);
    // What is told goes before the file.
    let told = open(
        &path,
        &OpenOptions { overrides: Overrides::parse(["model.beta_max=10"]).unwrap(), ..OpenOptions::default() },
    )
    .unwrap();
    assert!(matches!(told.network.description.family, Family::SubVp(sde) if sde.beta_max() == 10.0));
}

#[test]
fn views_and_number_types_are_read_as_torch_means_them() {
    let singles: Vec<u8> = [0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let doubles: Vec<u8> = [0.5f64, -2.25].iter().flat_map(|v| v.to_le_bytes()).collect();
    let halves = [0x3e00u16, 0xc000].map(u16::to_le_bytes).concat(); // 1.5, −2 in IEEE half precision
    let brains = [0x3fc0u16, 0xc000].map(u16::to_le_bytes).concat(); // the same in bfloat16
    let longs: Vec<u8> = [-3i64, 40].iter().flat_map(|v| v.to_le_bytes()).collect();
    let model = [
        ("module.transposed", forge::tensor("FloatStorage", 0, 6, 0, &[3, 2], &[1, 3])),
        ("module.corner", forge::tensor("FloatStorage", 0, 6, 1, &[2, 2], &[3, 1])),
        ("module.scalar", forge::tensor("FloatStorage", 0, 6, 5, &[], &[])),
        ("module.empty", forge::tensor("FloatStorage", 0, 6, 0, &[0, 4], &[4, 1])),
        ("module.double", forge::tensor("DoubleStorage", 1, 2, 0, &[2], &[1])),
        ("module.half", forge::tensor("HalfStorage", 2, 2, 0, &[2], &[1])),
        ("module.brain", forge::tensor("BFloat16Storage", 3, 2, 0, &[2], &[1])),
        ("module.long", forge::tensor("LongStorage", 4, 2, 0, &[2], &[1])),
    ];
    let folder = tempfile::tempdir().unwrap();
    let pickle = forge::checkpoint(&model, &[]);
    let path = forge::pth(folder.path(), &pickle, &[&singles, &doubles, &halves, &brains, &longs]);
    let read = read_torch(&path).unwrap();
    let expected: [(&str, &[usize], &[f32]); 8] = [
        ("transposed", &[3, 2], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
        ("corner", &[2, 2], &[1.0, 2.0, 4.0, 5.0]),
        ("scalar", &[], &[5.0]),
        ("empty", &[0, 4], &[]),
        ("double", &[2], &[0.5, -2.25]),
        ("half", &[2], &[1.5, -2.0]),
        ("brain", &[2], &[1.5, -2.0]),
        ("long", &[2], &[-3.0, 40.0]),
    ];
    for (name, shape, values) in expected {
        assert_eq!((read.model[name].shape.as_slice(), read.model[name].values.as_slice()), (shape, values), "{name}");
    }
    assert_eq!((read.step, read.ema_decay), (Some(7), Some(0.999)));
}

#[test]
fn shipped_network_is_whole() {
    let network = open_network(&project("checkpoints/worlds-vp-small.safetensors"), None).unwrap();
    let shapes = network.weights.iter().map(|(name, array)| (name.clone(), array.shape.clone()));
    let expected: std::collections::BTreeMap<_, _> = network.description.config.parameters().into_iter().collect();
    assert_eq!(shapes.collect::<std::collections::BTreeMap<_, _>>(), expected);
    assert!(network.weights.values().flat_map(|array| &array.values).all(|value| value.is_finite()));
    let card = &network.description.card;
    assert!(["Data:", "Licence: MIT OR Apache-2.0", "Trained for "].iter().all(|part| card.contains(part)), "{card}");
}

#[test]
fn live_weights_are_opened_where_they_are_asked_for() {
    let live = OpenOptions { raw: true, ..OpenOptions::default() };
    let path = data("nets/ncsnpp-ve-ffhq1024/checkpoint.pth");
    let opened = open(&path, &live).unwrap().network;
    assert_eq!(opened.weights.len(), 227);
    for &(name, shape, average, _, first) in FFHQ {
        assert_ne!(average, first);
        assert_eq!((opened.weights[name].shape.as_slice(), f64::from(opened.weights[name].values[0])), (shape, first));
    }
    // Others hold one set only.
    for name in ["edm/edm-ddpmpp.safetensors", "diffusers/ddpm"] {
        assert!(super::sentence(open(&data(name), &live), &data(name)).contains("one set of weights"));
    }
    let ours = project("checkpoints/worlds-vp-small.safetensors");
    assert!(super::sentence(open(&ours, &live), &ours).contains("one set of weights"));
    let told = OpenOptions { overrides: Overrides::parse(["model.nf=3"]).unwrap(), ..OpenOptions::default() };
    assert!(super::sentence(open(&ours, &told), &ours).contains("describes itself"));
}

#[test]
fn a_state_dictionary_as_safetensors_is_that_of_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.safetensors");
    let whole = open_network(&data("nets/ncsnpp-vp-cifar10/checkpoint.pth"), None).unwrap();
    let parallel = whole.weights.iter().map(|(name, array)| (format!("module.{name}"), array.clone())).collect();
    write_tensors(&path, &parallel).unwrap();
    assert_eq!(read_tensors(&path).unwrap().len(), whole.weights.len());
    let told = Overrides::parse(["training.sde=vpsde"]).unwrap();
    let opened = open(&path, &OpenOptions { overrides: told, ..OpenOptions::default() }).unwrap();
    assert!(opened.inferred && opened.network.weights == whole.weights);
    let known = whole.description.config.unet().unwrap();
    let config = opened.network.description.config.unet().unwrap().clone();
    // How frequencies that are not there were drawn, only a file can tell.
    assert_eq!(Config { fourier_scale: known.fourier_scale, ..config }, *known);
}

#[test]
fn pickled_programs_are_refused_with_the_way_to_convert_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edm-cifar10-32x32-uncond-vp.pkl");
    // As `pickle.dump` of a dictionary with a persistent class begins.
    std::fs::write(
        &path,
        b"\x80\x04\x95\x00\x01\x00\x00\x00\x00\x00\x00}\x94(\x8c\x03ema\x94\x8c\x17torch_utils.persistence",
    )
    .unwrap();
    let message = super::sentence(open_network(&path, None), &path);
    assert!(message.contains("safetensors") && message.contains("README"), "{message}");
}
