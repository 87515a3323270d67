//! EDM's state dictionaries from strangers.

use super::{data, sentence};
use score_explorer::checkpoint::{open_network, read_tensors, write_tensors};
use score_explorer::network::{Array, Weights};

/// What is said of a network of EDM after a change.
fn refused(change: impl Fn(&mut Weights)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edm.safetensors");
    let mut tensors = read_tensors(&data("edm/edm-ncsnpp.safetensors")).unwrap();
    change(&mut tensors);
    write_tensors(&path, &tensors).unwrap();
    sentence(open_network(&path, None), &path)
}

fn reshape(tensors: &mut Weights, name: &str, shape: &[usize]) {
    let values = vec![0.5; shape.iter().product()];
    tensors.insert(name.into(), Array { shape: shape.into(), values }).expect("the name is there");
}

#[test]
fn networks_that_are_no_song_unet_are_refused() {
    let adm = refused(|tensors| {
        drop(tensors.insert("model.out_norm.weight".into(), Array { shape: vec![1], values: vec![1.0] }))
    });
    assert!(adm.contains("the width of a head, 64"), "{adm}");
    let wide = refused(|tensors| reshape(tensors, "model.map_layer0.weight", &[30, 16]));
    assert!(wide.contains("map_layer0.bias has the shape"), "{wide}");
    let flat = refused(|tensors| reshape(tensors, "model.map_layer0.weight", &[480]));
    assert!(flat.contains("does not have two dimensions"), "{flat}");
    let stem = refused(|tensors| reshape(tensors, "model.enc.16x16_conv.weight", &[8, 3]));
    assert!(stem.contains("not a 3×3"), "{stem}");
    let filter = refused(|tensors| reshape(tensors, "model.dec.16x16_up.conv0.resample_filter", &[1, 1, 3, 3]));
    assert!(filter.contains("neither two values nor four"), "{filter}");
    let sized = |size: &str| {
        refused(|tensors| {
            let stem = tensors.remove("model.enc.16x16_conv.weight").unwrap();
            tensors.insert(format!("model.enc.{size}_conv.weight"), stem);
        })
    };
    assert!(sized("0x0").contains("the number of model.ch_mult = 0"));
    assert!(sized("99999999999999999999x9").contains("enc.…_conv.weight"));
    assert!(sized("18446744073709551615x9").contains("is invalid"));
}

#[test]
fn parameters_that_are_missing_or_left_over_are_named_as_edm_names_them() {
    let missing = refused(|tensors| drop(tensors.remove("model.dec.8x8_in0.qkv.weight")));
    assert!(missing.contains("the parameter dec.8x8_in0.qkv.weight is missing"), "{missing}");
    let narrow = refused(|tensors| reshape(tensors, "model.enc.8x8_block0.norm2.bias", &[3]));
    assert!(narrow.contains("enc.8x8_block0.norm2.bias has the shape [3]"), "{narrow}");
    for (name, shape) in [("map_label.bias", vec![3]), ("map_label.weight", vec![16]), ("map_label.weight", vec![3, 3])]
    {
        let said = refused(|tensors| reshape(tensors, &format!("model.{name}"), &shape));
        assert!(said.contains("map_label"), "{said}");
    }
}

/// Names, shapes and trees changed at random, in files whose configuration is inferred from them.
#[test]
fn changed_files_whose_configuration_is_inferred_are_opened_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed");
    let state = folder.path().join("state.safetensors");
    let whole = open_network(&data("nets/ddpmpp-subvp-cifar10/checkpoint.pth"), None).unwrap();
    write_tensors(&state, &whole.weights).unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    let (mut opened, mut refused) = (0, 0);
    for (file, header) in
        [(data("edm/edm-ncsnpp.safetensors"), 16_000), (state, 16_000), (data("flax/checkpoint_24"), 13_000)]
    {
        let original = std::fs::read(file).unwrap();
        for _ in 0..250 {
            let mut bytes = original.clone();
            for _ in 0..=random.usize(..3) {
                // Digits become other digits, so that shapes and numbers of modules change and stay numbers.
                let place = 9 + random.usize(..header);
                bytes[place] = match bytes[place] {
                    b'0'..=b'9' => b'0' + random.usize(..10) as u8,
                    _ if random.usize(..4) > 0 => continue,
                    _ => random.u8(..),
                };
            }
            std::fs::write(&path, &bytes).unwrap();
            match open_network(&path, None) {
                Ok(_) => opened += 1,
                Err(_) => refused += 1,
            }
        }
    }
    println!("{opened} opened, {refused} refused");
    assert!(opened > 100 && refused > 100, "{opened} opened, {refused} refused");
}
