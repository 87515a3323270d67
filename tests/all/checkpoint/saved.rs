//! Checkpoints as people save them: bare or in dictionaries, wrapped, beside an average and beside all that training
//! leaves. The network of every file here is one that was published with its average.

use super::{data, forge, project, sentence};
use score_explorer::checkpoint::{Checkpoint, OpenOptions, Opened, open, read_torch, write_tensors};
use score_explorer::network::{Array, Weights};
use std::fs;
use std::path::{Path, PathBuf};

const NET: &str = "nets/ddpmpp-vp-cifar10";

/// Raw weights and their average, with all buffers, by their plain names; and names in the order of the file.
struct Source {
    raw: Weights,
    average: Weights,
    checkpoint: Checkpoint,
}

fn source() -> Source {
    let checkpoint = read_torch(&data(NET).join("checkpoint.pth")).unwrap();
    let raw = checkpoint.model.clone();
    let trained = checkpoint.order.iter().filter(|name| name.starts_with("all_modules.")).cloned();
    let average: Weights = raw.clone().into_iter().chain(trained.zip(checkpoint.ema.clone())).collect();
    assert_ne!(raw, average);
    Source { raw, average, checkpoint }
}

/// A file in the making: its storages so far.
#[derive(Default)]
struct Forged {
    storages: Vec<Vec<u8>>,
}

impl Forged {
    fn tensor(&mut self, array: &Array) -> Vec<u8> {
        let sizes: Vec<i64> = array.shape.iter().map(|&size| size as i64).collect();
        let strides: Vec<i64> = (1..=sizes.len()).map(|next| sizes[next..].iter().product()).collect();
        self.storages.push(array.values.iter().flat_map(|value| value.to_le_bytes()).collect());
        let key = self.storages.len() - 1;
        forge::tensor("FloatStorage", key, array.values.len() as i64, 0, &sizes, &strides)
    }

    fn state(&mut self, prefix: &str, weights: &Weights) -> Vec<u8> {
        let tensors: Vec<(String, Vec<u8>)> =
            weights.iter().map(|(name, array)| (format!("{prefix}{name}"), self.tensor(array))).collect();
        forge::dict(&tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect::<Vec<_>>())
    }

    fn list(&mut self, arrays: &[Array]) -> Vec<u8> {
        let tensors: Vec<Vec<u8>> = arrays.iter().map(|array| self.tensor(array)).collect();
        forge::list(&tensors)
    }

    /// A file beside the configuration of the network.
    fn write(&self, folder: &Path, name: &str, root: &[u8]) -> PathBuf {
        fs::copy(data(NET).join("config.json"), folder.join("config.json")).unwrap();
        let pickle = [b"\x80\x04", root, b"."].concat();
        let storages: Vec<&[u8]> = self.storages.iter().map(Vec::as_slice).collect();
        let (forged, path) = (forge::pth(folder, &pickle, &storages), folder.join(name));
        fs::rename(forged, &path).unwrap();
        path
    }
}

/// The weights that a file opens to, which must be `expected` but for buffers.
fn opens_to(path: &Path, expected: &Weights, raw: bool) -> Opened {
    let opened = open(path, &OpenOptions { raw, ..OpenOptions::default() }).unwrap_or_else(|error| panic!("{error}"));
    assert!(!opened.inferred);
    for (name, array) in &opened.network.weights {
        assert!(expected[name] == *array, "{path:?}: {name}");
    }
    assert_eq!(opened.network.weights.len(), expected.keys().filter(|name| name.starts_with("all_modules.")).count());
    opened
}

#[test]
fn weights_open_under_whatever_training_wraps_around_them() {
    let (folder, Source { average, .. }) = (tempfile::tempdir().unwrap(), source());
    for (name, key, prefix) in [
        ("bare.pth", "", ""),
        ("parallel.pt", "", "module."),
        ("compiled.bin", "", "_orig_mod."),
        ("both.pth", "model", "module._orig_mod."),
        ("turned.pth", "model_state_dict", "_orig_mod.module."),
        ("lightning.ckpt", "state_dict", "model."),
        ("deep.ckpt", "state_dict", "model.net.module."),
    ] {
        let mut forged = Forged::default();
        let state = forged.state(prefix, &average);
        let root = if key.is_empty() { state } else { forge::dict(&[(key, state), ("global_step", forge::int(9))]) };
        let opened = opens_to(&forged.write(folder.path(), name, &root), &average, false);
        // Who saves weights alone has chosen them; beside them, an average would be looked for.
        assert_eq!(opened.notes.len(), usize::from(!key.is_empty()), "{:?}", opened.notes);
        assert_eq!(opened.network.description.card.starts_with("Trained for 9 steps."), !key.is_empty());
    }
    for prefix in ["", "_orig_mod.", "module.model."] {
        let path = folder.path().join("wrapped.safetensors");
        let named = average.iter().map(|(name, array)| (format!("{prefix}{name}"), array.clone())).collect();
        write_tensors(&path, &named).unwrap();
        opens_to(&path, &average, false);
    }
}

#[test]
fn averages_are_found_by_whatever_name_and_raw_weights_on_request() {
    let (folder, Source { raw, average, checkpoint }) = (tempfile::tempdir().unwrap(), source());
    let decay = || ("decay", [b"G".as_slice(), &0.999f64.to_be_bytes()].concat());
    for (number, kind) in
        ["ema", "model_ema", "EMA_0.9999", "state_dict_ema", "list", "object", "inside"].iter().enumerate()
    {
        let mut forged = Forged::default();
        let live = forged.state("module.", &raw);
        let root = match *kind {
            "list" => {
                let list = forged.list(&checkpoint.ema);
                forge::dict(&[("ema", forge::dict(&[decay(), ("shadow_params", list)])), ("model", live)])
            }
            "object" => {
                let list = forged.list(&checkpoint.ema);
                let state = forge::dict(&[decay(), ("shadow_params", list), ("collected_params", forge::list(&[]))]);
                forge::dict(&[
                    ("model", live),
                    ("ema", forge::object("torch_ema.ema", "ExponentialMovingAverage", &state)),
                ])
            }
            "inside" => {
                let both = raw.iter().map(|(name, array)| (format!("net.{name}"), array.clone()));
                let both =
                    both.chain(average.iter().map(|(name, array)| (format!("net_ema.module.{name}"), array.clone())));
                let state = forged.state("", &both.collect());
                forge::dict(&[("state_dict", state)])
            }
            key => {
                let state = forged.state("", &average);
                forge::dict(&[("optimizer", forge::dict(&[])), ("model", live), (key, state)])
            }
        };
        let path = forged.write(folder.path(), &format!("{number}.pt"), &root);
        assert_eq!(opens_to(&path, &average, false).notes, [""; 0], "{kind}");
        opens_to(&path, &raw, true);
    }
    // As ema-pytorch keeps both in what it calls the EMA.
    let mut forged = Forged::default();
    let both = raw.iter().map(|(name, array)| (format!("online_model.{name}"), array.clone()));
    let both = both.chain(average.iter().map(|(name, array)| (format!("ema_model.{name}"), array.clone())));
    let ema = forged.state("", &both.collect());
    opens_to(&forged.write(folder.path(), "inner.pt", &forge::dict(&[("ema", ema)])), &average, false);
    let path = folder.path().join("both.safetensors");
    let both = raw.iter().map(|(name, array)| (format!("model.{name}"), array.clone()));
    write_tensors(
        &path,
        &both.chain(average.iter().map(|(name, array)| (format!("ema.{name}"), array.clone()))).collect(),
    )
    .unwrap();
    opens_to(&path, &average, false);
    opens_to(&path, &raw, true);
}

#[test]
fn a_choice_that_was_made_for_lack_of_another_is_said_and_kept_on_the_card() {
    let (folder, Source { raw, average, .. }) = (tempfile::tempdir().unwrap(), source());
    let mut forged = Forged::default();
    let root = forge::dict(&[("model", forged.state("", &raw)), ("step", forge::int(5))]);
    let opened = opens_to(&forged.write(folder.path(), "no_ema.pth", &root), &raw, false);
    assert_eq!(opened.notes, ["The file has no EMA, so its raw weights are used."]);
    assert!(opened.network.description.card.contains("Weights: The file has no EMA"));

    let mut forged = Forged::default();
    let root = forge::dict(&[("ema", forged.state("", &average)), ("step", forge::int(5))]);
    let path = forged.write(folder.path(), "only.pth", &root);
    assert_eq!(opens_to(&path, &average, false).notes, [""; 0]);
    let asked = open(&path, &OpenOptions { raw: true, ..OpenOptions::default() });
    assert!(sentence(asked, &path).contains("an EMA only"));

    let mut forged = Forged::default();
    let root = forge::dict(&[("ema_0.9", forged.state("", &average)), ("ema_0.99", forged.state("", &raw))]);
    let opened = opens_to(&forged.write(folder.path(), "two.pth", &root), &average, false);
    assert!(opened.notes[0].contains("2 such sets") && opened.notes[0].contains("\"ema_0.9\""), "{:?}", opened.notes);
}

#[test]
fn all_that_no_weight_depends_on_is_passed_over_and_never_run() {
    let (folder, Source { raw, average, .. }) = (tempfile::tempdir().unwrap(), source());
    let witness = folder.path().join("witness");
    for beside in [false, true] {
        let mut forged = Forged::default();
        let mut root = forge::rest(&witness);
        if beside {
            root.insert(3, ("model", forged.state("module.", &raw)));
        }
        root.push(("ema", forged.state("module.", &average)));
        let path = forged.write(folder.path(), "training.ckpt", &forge::dict(&root));
        opens_to(&path, &average, false);
        assert!(!witness.exists());
    }
}

#[test]
fn weights_that_only_code_can_make_are_refused_with_how_to_save_them_again() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |root: &[u8]| {
        let path = Forged::default().write(folder.path(), "refused.pth", root);
        sentence(open(&path, &OpenOptions::default()), &path)
    };
    let module = forge::object("models.ncsnpp", "NCSNpp", &forge::dict(&[("training", b"\x89".to_vec())]));
    let numpy = [forge::global("numpy.core.multiarray", "_reconstruct"), b")R".to_vec()].concat();
    let again =
        "is code and is not run; save the weights again in Python by torch.save(model.state_dict(), \"weights.pth\")";
    for (root, class) in [
        (module.clone(), "models.ncsnpp.NCSNpp"),
        (forge::dict(&[("model", module)]), "models.ncsnpp.NCSNpp"),
        (forge::dict(&[("all_modules.0.weight", numpy.clone())]), "numpy.core.multiarray._reconstruct"),
        (
            forge::dict(&[("ema", forge::dict(&[("all_modules.0.weight", numpy)]))]),
            "numpy.core.multiarray._reconstruct",
        ),
    ] {
        let said = refused(&root);
        assert!(said.contains(class) && said.contains(again), "{said}");
    }
    assert!(refused(&forge::dict(&[("optimizer", forge::dict(&[]))])).contains("no weights by name"));
}

/// Python 2 saves an ordered dictionary as a list of pairs, and PyTorch tensors with attributes by their class.
#[test]
fn older_and_newer_ways_to_save_a_tensor_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let numbers: Vec<u8> = [1.0f32, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensor = forge::tensor("FloatStorage", 0, 2, 0, &[2], &[1]);
    let made = |name: &str, arguments: &[Vec<u8>]| {
        [forge::global("torch._utils", name), forge::tuple(arguments), b"R".to_vec()].concat()
    };
    let hooks = || [forge::global("collections", "OrderedDict"), b")R".to_vec()].concat();
    let parameter =
        made("_rebuild_parameter_with_state", &[tensor.clone(), b"\x88".to_vec(), hooks(), forge::dict(&[])]);
    // The same call without its last instruction, to be made by another function.
    let call = tensor[forge::global("torch._utils", "_rebuild_tensor_v2").len()..tensor.len() - 1].to_vec();
    let typed = [
        forge::global("torch._tensor", "_rebuild_from_type_v2"),
        forge::tuple(&[
            forge::global("torch._utils", "_rebuild_tensor_v2"),
            forge::global("torch", "Tensor"),
            call,
            forge::dict(&[]),
        ]),
        b"R".to_vec(),
    ]
    .concat();
    let pairs = forge::list(
        &[("a", tensor), ("b", parameter), ("c", typed)].map(|(name, it)| forge::list(&[forge::text(name), it])),
    );
    let root = [forge::global("collections", "OrderedDict"), forge::tuple(&[pairs]), b"R".to_vec()].concat();
    let read =
        read_torch(&forge::pth(folder.path(), &[b"\x80\x02", root.as_slice(), b"."].concat(), &[&numbers])).unwrap();
    assert!(["a", "b", "c"].iter().all(|name| read.model[*name].values == [1.0, 2.0]) && read.model.len() == 3);
}

#[test]
fn files_of_other_kinds_are_said_to_be_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    let page = "<!DOCTYPE html><title>Login</title>".repeat(9);
    for name in ["a.safetensors", "a.pth", "a.ckpt", "a", "diffusion_pytorch_model.bin"] {
        let path = folder.path().join(name);
        for (bytes, what) in [
            (
                pointer.as_slice(),
                "a Git LFS pointer, which stands for a file that was not downloaded; run `git lfs pull`",
            ),
            (page.as_bytes(), "a web page, such as one for a login or of an error; download the file itself"),
            (b"{\"error\":{\"code\": 404}}", "JSON text"),
            (b"\x1f\x8b\x08\0 and so on", "a gzip archive; unpack it"),
            (b"\x89HDF\r\n\x1a\n and so on", "an HDF5 file"),
        ] {
            fs::write(&path, bytes).unwrap();
            let said = sentence(open(&path, &OpenOptions::default()), &path);
            assert!(said.contains(what), "{said}");
        }
    }
    let latents = folder.path().join("latents.safetensors");
    let header = br#"{"__metadata__":{"flow":"{}"},"latents":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    fs::write(&latents, [(header.len() as u64).to_le_bytes().as_slice(), header, &[0; 4]].concat()).unwrap();
    assert!(sentence(open(&latents, &OpenOptions::default()), &latents).contains("it holds latents; decode them"));
}

#[test]
fn weights_that_are_not_finite_are_refused_wherever_they_are_opened() {
    let (folder, Source { mut average, .. }) = (tempfile::tempdir().unwrap(), source());
    for value in [f32::NAN, f32::INFINITY] {
        average.get_mut("all_modules.2.bias").unwrap().values[0] = value;
        let mut forged = Forged::default();
        let root = forged.state("", &average);
        let path = forged.write(folder.path(), "spoilt.pth", &root);
        let said = sentence(open(&path, &OpenOptions::default()), &path);
        assert!(said.contains("all_modules.2.bias holds values that are not finite"), "{said}");
    }
    let path = folder.path().join("ours.safetensors");
    let whole = fs::read(project("checkpoints/worlds-vp-small.safetensors")).unwrap();
    fs::write(&path, [&whole[..whole.len() - 2], &[0x00, 0x7e]].concat()).unwrap();
    assert!(sentence(open(&path, &OpenOptions::default()), &path).contains("not finite"));
}
