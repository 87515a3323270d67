//! The folders that diffusers, its training scripts and the hub's cache make.

use super::{data, sentence};
use score_explorer::checkpoint::{
    FileError, OpenOptions, Opened, holds_network, open, open_network, read_diffusers_config, read_tensors,
    write_tensors,
};
use score_explorer::network::Weights;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

fn tensors() -> Weights {
    read_tensors(&data("diffusers/ncsnpp").join(WEIGHTS)).unwrap()
}

/// A folder with the small model's configurations, and no weights.
fn folder(path: PathBuf) -> PathBuf {
    fs::create_dir_all(&path).unwrap();
    for name in ["config.json", "scheduler_config.json"] {
        fs::copy(data("diffusers/ncsnpp").join(name), path.join(name)).unwrap();
    }
    path
}

fn opened(path: &Path, raw: bool) -> Result<Opened, FileError> {
    open(path, &OpenOptions { raw, ..OpenOptions::default() })
}

/// Weights that tell where they are from: all of them times a number.
fn times(factor: f32) -> Weights {
    let mut tensors = tensors();
    tensors.values_mut().flat_map(|array| &mut array.values).for_each(|value| *value *= factor);
    tensors
}

/// By how much the weights that were opened are larger than those of the small model.
fn factor(opened: &Opened) -> f32 {
    let usual = open_network(&data("diffusers/ncsnpp"), None).unwrap().weights;
    let sum =
        |weights: &Weights| weights.values().flat_map(|array| &array.values).map(|value| value.abs()).sum::<f32>();
    sum(&opened.network.weights) / sum(&usual)
}

#[test]
fn weights_in_parts_open_and_a_missing_part_is_named() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path().join("parts"));
    let all = tensors();
    let half = all.len() / 2;
    let part = |name: &String| {
        let number = 1 + usize::from(all.keys().position(|known| known == name).unwrap() >= half);
        format!("diffusion_pytorch_model-0000{number}-of-00002.safetensors")
    };
    let map: serde_json::Map<String, Value> = all.keys().map(|name| (name.clone(), part(name).into())).collect();
    for file in
        ["diffusion_pytorch_model-00001-of-00002.safetensors", "diffusion_pytorch_model-00002-of-00002.safetensors"]
    {
        let here = all.iter().filter(|(name, _)| part(name) == file).map(|(name, array)| (name.clone(), array.clone()));
        write_tensors(&folder.join(file), &here.collect()).unwrap();
    }
    let index = folder.join(format!("{WEIGHTS}.index.json"));
    fs::write(&index, json!({"metadata": {}, "weight_map": map}).to_string()).unwrap();
    let whole = open_network(&data("diffusers/ncsnpp"), None).unwrap();
    let found = opened(&folder, false).unwrap();
    assert!(found.network.weights == whole.weights && found.notes.is_empty());
    assert!(opened(&index, false).is_ok() && opened(&folder.join("config.json"), false).is_ok());
    // What is in no part is missing in the folder.
    let second = folder.join("diffusion_pytorch_model-00002-of-00002.safetensors");
    let last = all.last_key_value().unwrap().0;
    let less = all.iter().filter(|(name, _)| *name != last && part(name).contains("00002-of"));
    write_tensors(&second, &less.map(|(name, array)| (name.clone(), array.clone())).collect()).unwrap();
    let said = sentence(opened(&folder, false), &folder);
    assert!(said.contains("/parts\": the parameter ") && said.contains(" is missing"), "{said}");
    fs::remove_file(second).unwrap();
    let said = sentence(opened(&folder, false), &index);
    assert!(said.contains("\"diffusion_pytorch_model-00002-of-00002.safetensors\" is missing; download it"), "{said}");
    // A part is a file beside the index, and nowhere else.
    fs::write(&index, json!({"weight_map": {"conv_in.weight": "../../secret"}}).to_string()).unwrap();
    assert!(sentence(opened(&folder, false), &index).contains("\"../../secret\" is not a file's name"));
    for (text, expected) in [
        ("{}", "lacks weight_map"),
        ("{\"weight_map\": {}}", "lists no parts"),
        ("[", "not JSON"),
        ("<!DOCTYPE html>", "it is a web page"),
        ("", "it is empty"),
    ] {
        fs::write(&index, text).unwrap();
        assert!(sentence(opened(&folder, false), &index).contains(expected));
    }
    fs::remove_file(&index).unwrap();
    assert!(sentence(opened(&folder, false), &folder).contains("the list of its weights' parts is missing; download "));
    // What the configuration has no place for is told with the file.
    let extra = score_explorer::network::Array { shape: vec![1], values: vec![0.0] };
    let more = all.into_iter().chain([("loss.weight".to_owned(), extra)]).collect();
    write_tensors(&folder.join(WEIGHTS), &more).unwrap();
    assert!(sentence(opened(&folder, false), &folder).contains("1 parameters are left over, such as loss.weight"));
    let mut described = serde_json::to_value(&whole.description).unwrap();
    (described["continuous"], described["levels"]) = (json!(false), json!(1));
    let said = serde_json::from_value::<score_explorer::score::Description>(described).unwrap_err().to_string();
    assert!(said.contains("levels = 1 is invalid"), "{said}");
}

#[test]
fn weights_of_any_name_open_beside_their_description() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("last.safetensors");
    write_tensors(&path, &tensors().into_iter().map(|(name, array)| (format!("module.{name}"), array)).collect())
        .unwrap();
    let said = sentence(opened(&path, false), &path);
    assert!(said.contains("those of a diffusers network") && said.contains("save_pretrained"), "{said}");
    folder(root.path().to_owned());
    assert!((factor(&opened(&path, false).unwrap()) - 1.0).abs() < 1e-6);
}

/// Weights under each of these variants' names: once, twice, … their values.
fn write_variants(folder: &Path, names: &[&str]) {
    for (number, name) in names.iter().enumerate() {
        let file = folder.join(format!("diffusion_pytorch_model{name}.safetensors"));
        write_tensors(&file, &times(1.0 + number as f32)).unwrap();
    }
}

#[test]
fn the_variant_that_was_taken_is_named() {
    let root = tempfile::tempdir().unwrap();
    for (case, (names, taken, notes)) in [
        (&["", ".fp16"][..], 1.0, None),
        (&[".fp16"], 1.0, Some("The variant fp16 of its weights is used.")),
        (&[".non_ema"], 1.0, Some("The variant non_ema of its weights is used.")),
        (&[".non_ema", ".ema"], 2.0, Some("The variant ema of its weights is used, not non_ema.")),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = folder(root.path().join(case.to_string()));
        write_variants(&folder, names);
        let found = opened(&folder, false).unwrap();
        assert!((factor(&found) - taken).abs() < 1e-4, "{names:?}");
        assert_eq!(found.notes.first().map(String::as_str), notes);
    }
}

#[test]
fn raw_weights_can_be_chosen_where_their_files_say_that_they_are() {
    let root = tempfile::tempdir().unwrap();
    for (case, (names, raw)) in
        [(&["", ".non_ema"][..], Some(2.0)), (&[".non_ema"], Some(1.0)), (&["", ".fp16"], None), (&[".ema"], None)]
            .into_iter()
            .enumerate()
    {
        let folder = folder(root.path().join(case.to_string()));
        write_variants(&folder, names);
        assert!((factor(&opened(&folder, false).unwrap()) - 1.0).abs() < 1e-4, "{names:?}");
        match (opened(&folder, true), raw) {
            (Ok(found), Some(raw)) => {
                assert!((factor(&found) - raw).abs() < 1e-4 && found.notes.is_empty(), "{names:?}: {:?}", found.notes);
            }
            (found, None) => assert!(sentence(found, &folder).contains("one set of weights"), "{names:?}"),
            (Err(error), Some(_)) => panic!("{names:?}: {error}"),
        }
    }
}

#[test]
fn folders_of_training_runs_open_to_their_average_with_the_scheduler_beside_them() {
    let root = tempfile::tempdir().unwrap();
    let run = root.path().join("run");
    for (steps, average) in [("checkpoint-500", 2.0), ("checkpoint-1000", 3.0)] {
        for (name, factor) in [("unet", 1.0), ("unet_ema", average)] {
            let unet = folder(run.join(steps).join(name));
            fs::remove_file(unet.join("scheduler_config.json")).unwrap();
            write_tensors(&unet.join(WEIGHTS), &times(factor)).unwrap();
        }
    }
    let missing = sentence(opened(&run.join("checkpoint-500"), false), Path::new("unet_ema"));
    assert!(missing.contains("put the scheduler_config.json"), "{missing}");
    fs::create_dir(run.join("scheduler")).unwrap();
    let scheduler = run.join("scheduler/scheduler_config.json");
    fs::copy(data("diffusers/ncsnpp/scheduler_config.json"), scheduler).unwrap();
    let average = opened(&run.join("checkpoint-500"), false).unwrap();
    assert!((factor(&average) - 2.0).abs() < 1e-4);
    assert_eq!(average.notes, ["Its EMA weights (unet_ema) are used, not the raw ones (unet)."]);
    assert_eq!(average.file, Some(run.join("checkpoint-500/unet_ema").join(WEIGHTS)));
    let live = opened(&run.join("checkpoint-500"), true).unwrap();
    assert!((factor(&live) - 1.0).abs() < 1e-4 && live.notes.is_empty());
    assert_eq!(live.file, Some(run.join("checkpoint-500/unet").join(WEIGHTS)));
    // The run itself has its last checkpoint, by number.
    let last = opened(&run, false).unwrap();
    assert!((factor(&last) - 3.0).abs() < 1e-4 && last.notes.iter().any(|note| note.contains("checkpoint-1000")));
    // One network asked for by its own folder is that one.
    assert!((factor(&opened(&run.join("checkpoint-500/unet"), false).unwrap()) - 1.0).abs() < 1e-4);
    assert!(holds_network(&run) && !holds_network(root.path()));
}

#[cfg(unix)]
#[test]
fn the_hubs_cache_opens_and_links_that_lead_nowhere_are_named() {
    use std::os::unix::fs::symlink;
    let root = tempfile::tempdir().unwrap();
    let repository = root.path().join("models--google--ncsnpp");
    let blobs = repository.join("blobs");
    fs::create_dir_all(&blobs).unwrap();
    for (hash, weight) in [("aaaa", 1.0), ("bbbb", 2.0)] {
        let snapshot = repository.join("snapshots").join(hash);
        fs::create_dir_all(&snapshot).unwrap();
        let source = folder(root.path().join(hash));
        write_tensors(&source.join(WEIGHTS), &times(weight)).unwrap();
        for name in ["config.json", "scheduler_config.json", WEIGHTS] {
            fs::rename(source.join(name), blobs.join(format!("{hash}-{name}"))).unwrap();
            symlink(Path::new("../../blobs").join(format!("{hash}-{name}")), snapshot.join(name)).unwrap();
        }
    }
    fs::create_dir(repository.join("refs")).unwrap();
    fs::write(repository.join("refs/main"), "aaaa").unwrap();
    assert!((factor(&opened(&repository, false).unwrap()) - 1.0).abs() < 1e-4, "the main branch goes first");
    fs::write(repository.join("refs/main"), "\n").unwrap();
    assert!(opened(&repository, false).is_ok(), "a branch without a name is none");
    fs::write(repository.join("refs/main"), "bbbb\n").unwrap();
    assert!((factor(&opened(&repository, false).unwrap()) - 2.0).abs() < 1e-4);
    let snapshot = repository.join("snapshots/bbbb");
    for name in [WEIGHTS, "scheduler_config.json", "config.json"] {
        fs::remove_file(blobs.join(format!("bbbb-{name}"))).unwrap();
        let said = sentence(opened(&repository, false), &snapshot.join(name));
        assert!(said.contains("is a link to") && said.contains("which is missing; download it again"), "{said}");
        assert!(holds_network(&repository));
    }
}

#[test]
fn every_scheduler_of_one_process_means_the_same_network() {
    let text = |name: &str| fs::read_to_string(data("diffusers/ddpm").join(name)).unwrap();
    let (model, usual): (String, Value) =
        (text("config.json"), serde_json::from_str(&text("scheduler_config.json")).unwrap());
    let read = |class: &str, change: &dyn Fn(&mut Value)| {
        let mut scheduler = usual.clone();
        scheduler["_class_name"] = class.into();
        change(&mut scheduler);
        read_diffusers_config(&model, &scheduler.to_string()).map_err(|error| error.to_string())
    };
    let ddpm = read("DDPMScheduler", &|_| {}).unwrap();
    for class in ["DDIM", "PNDM", "DPMSolverMultistep", "UniPCMultistep", "HeunDiscrete", "LCM", "OfTomorrow"] {
        assert_eq!(read(&format!("{class}Scheduler"), &|_| {}).unwrap(), ddpm, "{class}");
    }
    // Of a class that is not known, only what it says itself.
    let without = |scheduler: &mut Value| drop(scheduler.as_object_mut().unwrap().remove("beta_start"));
    assert!(read("OfTomorrowScheduler", &without).unwrap_err().contains("_class_name = OfTomorrowScheduler"));
    assert!(read("FlowMatchEulerDiscreteScheduler", &without).unwrap_err().contains("is not supported"));
    // β_start of Heun's own is another: diffusers' scheduling_heun_discrete.py has 0.00085.
    let heun = read("HeunDiscreteScheduler", &without).unwrap();
    assert_ne!(heun, ddpm);
    for (field, value) in [
        ("beta_schedule", json!("laplace")),
        ("prediction_type", json!("flow_prediction")),
        ("rescale_betas_zero_snr", json!("maybe")),
        ("trained_betas", json!([1e-4, 0.02])),
        ("timestep_type", json!("continuous")),
        ("snr_shift_scale", json!(3.0)),
    ] {
        let said = read("DDPMScheduler", &|scheduler| scheduler[field] = value.clone()).unwrap_err();
        assert!(said.starts_with(&format!("scheduler_config.{field} = ")), "{said}");
    }
}

#[test]
fn sentences_name_the_file_and_notes_the_fields_that_are_ignored() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path().join("model"));
    write_tensors(&folder.join(WEIGHTS), &tensors()).unwrap();
    for name in ["config.json", "scheduler_config.json"] {
        fs::copy(data("diffusers/ddpm").join(name), folder.join(name)).unwrap();
    }
    let write = |name: &str, field: &str, value: Value| {
        let mut config: Value = serde_json::from_slice(&fs::read(data("diffusers/ddpm").join(name)).unwrap()).unwrap();
        config[field] = value;
        fs::write(folder.join(name), config.to_string()).unwrap();
    };
    for (name, field, value) in [
        ("scheduler_config.json", "beta_schedule", json!("laplace")),
        ("scheduler_config.json", "beta_end", json!(5.0)),
        ("scheduler_config.json", "num_train_timesteps", json!(0)),
        ("config.json", "act_fn", json!("tanh")),
        ("config.json", "norm_num_groups", json!(0)),
    ] {
        write(name, field, value);
        let said = sentence(opened(&folder, false), &folder.join(name));
        assert!(said.contains(&format!("/model/{name}\": ")) && said.contains(&format!(".{field} = ")), "{said}");
        fs::copy(data("diffusers/ddpm").join(name), folder.join(name)).unwrap();
    }
    let scheduler = folder.join("scheduler_config.json");
    fs::write(&scheduler, "<!DOCTYPE html><title>Sign in").unwrap();
    assert!(sentence(opened(&folder, false), &scheduler).contains("it is a web page"));
    fs::copy(data("diffusers/ddpm").join("scheduler_config.json"), scheduler).unwrap();
    let weights = "diffusion_pytorch_model.bin";
    fs::remove_file(folder.join(WEIGHTS)).unwrap();
    fs::copy(data("diffusers/ddpm").join(weights), folder.join(weights)).unwrap();
    assert_eq!(opened(&folder, false).unwrap().notes, [""; 0], "all fields are as usual");
    for (field, value) in [
        ("variance_type", json!("learned")),
        ("timestep_spacing", json!("trailing")),
        ("set_alpha_to_one", json!(false)),
    ] {
        write("scheduler_config.json", field, value.clone());
        let Opened { notes, network, .. } = opened(&folder, false).unwrap();
        let card = network.description.card;
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        assert!(notes.len() == 1 && notes[0].ends_with(&format!(": {field} = {value}.")), "{notes:?}");
        // It is not about the weights.
        assert!(card.lines().any(|line| line == notes[0]), "{card}");
    }
}

#[test]
fn sides_are_one_number_or_height_and_width() {
    let text = |name: &str| fs::read_to_string(data("diffusers/ddpm").join(name)).unwrap();
    let read = |size: Value| {
        let mut model: Value = serde_json::from_str(&text("config.json")).unwrap();
        model["sample_size"] = size;
        read_diffusers_config(&model.to_string(), &text("scheduler_config.json"))
    };
    assert_eq!(read(json!([8, 8])).unwrap(), read(json!(8)).unwrap());
    assert_eq!(read(json!([8, 16])).unwrap().config.shape(), [3, 8, 16]);
    for wrong in [json!("8"), json!([8]), json!([]), json!([8, 8, 8]), json!(-8), json!([8, -8])] {
        let said = read(wrong).unwrap_err().to_string();
        assert!(said.contains("config.sample_size"), "{said}");
    }
    assert!(read(json!([8, 9])).unwrap_err().to_string().contains("data.image_width = 9 is invalid"));
}
