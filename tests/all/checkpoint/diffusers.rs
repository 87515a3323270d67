//! Folders of diffusers from strangers.

use super::{data, forge, sentence};
use score_explorer::checkpoint::{holds_network, open_network};
use std::fs;
use std::path::Path;

const WEIGHTS: &str = "diffusion_pytorch_model.bin";

/// A copy of the small model's folder.
fn copy(to: &Path) {
    for name in ["config.json", "scheduler_config.json", WEIGHTS] {
        fs::copy(data("diffusers/ddpm").join(name), to.join(name)).unwrap();
    }
}

#[test]
fn parts_that_are_missing_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    assert!(!holds_network(folder.path()));
    assert!(sentence(open_network(folder.path(), None), folder.path()).contains("a folder without a network"));
    copy(folder.path());
    assert!(holds_network(folder.path()) && open_network(folder.path(), None).is_ok());
    fs::remove_file(folder.path().join("scheduler_config.json")).unwrap();
    assert!(sentence(open_network(folder.path(), None), folder.path()).contains("scheduler_config.json"));
    copy(folder.path());
    fs::remove_file(folder.path().join(WEIGHTS)).unwrap();
    assert!(sentence(open_network(folder.path(), None), folder.path()).contains("its weights are missing"));
}

#[test]
fn weights_of_another_network_are_named_as_diffusers_names_them() {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path());
    let path = folder.path().join(WEIGHTS);
    let refused = |tensors: &[(&str, Vec<u8>)], storage: &[u8]| {
        let pickle = [b"\x80\x02".to_vec(), forge::dict(tensors), b".".to_vec()].concat();
        let forged = forge::pth(folder.path(), &pickle, &[storage]);
        fs::rename(forged, &path).unwrap();
        sentence(open_network(folder.path(), None), &path)
    };
    assert!(refused(&[], &[]).contains("no weights by name"));
    let other = forge::tensor("FloatStorage", 0, 6, 0, &[2, 3], &[3, 1]);
    let said = refused(&[("other.weight", other)], &[0; 24]);
    assert!(said.contains("the parameter time_embedding.linear_1.weight is missing"), "{said}");
    let shape = forge::tensor("FloatStorage", 0, 6, 0, &[2, 3], &[3, 1]);
    let said = refused(&[("time_embedding.linear_1.weight", shape)], &[0; 24]);
    assert!(said.contains("time_embedding.linear_1.weight has the shape [2, 3]"), "{said}");
    let huge = forge::tensor("FloatStorage", 0, 1 << 40, 0, &[1 << 40], &[1]);
    assert!(refused(&[("conv_in.weight", huge)], &[0; 24]).contains("larger than the file"));
}

#[test]
fn pickled_code_in_a_bin_is_named_and_not_run() {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path());
    let path = folder.path().join(WEIGHTS);
    let call = [forge::global("os", "system"), forge::tuple(&[forge::text("true")]), b"R".to_vec()].concat();
    let forged = forge::pth(folder.path(), &[b"\x80\x02".to_vec(), call, b".".to_vec()].concat(), &[]);
    fs::rename(forged, &path).unwrap();
    assert!(sentence(open_network(folder.path(), None), &path).contains("refers to os.system, which is code"));
    fs::write(&path, b"").unwrap();
    assert!(sentence(open_network(folder.path(), None), &path).contains("empty"));
}

#[test]
fn configurations_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path());
    let config = folder.path().join("scheduler_config.json");
    for (text, expected) in [("[", "not JSON"), ("[]", "lacks scheduler_config._class_name"), ("\"x\"", "lacks")] {
        fs::write(&config, text).unwrap();
        let said = open_network(folder.path(), None).unwrap_err().to_string();
        assert!(said.contains(expected) && said.contains("config.json") && !said.contains('\n'), "{said}");
    }
    fs::write(&config, vec![b' '; (1 << 20) + 1]).unwrap();
    assert!(sentence(open_network(folder.path(), None), &config).contains("the limit of 1048576"));
    // A configuration without a class is none of diffusers: the folder may hold pictures.
    fs::write(folder.path().join("config.json"), "{}").unwrap();
    assert!(!holds_network(folder.path()));
}
