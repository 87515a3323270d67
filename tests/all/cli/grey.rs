//! Networks of images that are grey or not square.

use super::Place;
use crate::choices::method;
use score_explorer::Pixels;
use score_explorer::checkpoint::{OpenedNetwork, Overrides, read_score_sde_config, write_native, write_tensors};
use score_explorer::engine::{DeviceChoice, Devices, End, Engine, Options, Restore};
use score_explorer::network::{Array, Weights};
use score_explorer::task::{Count, ModelRef, Observation, Restoration, Run, Shows, Steps};
use serde_json::{Value, json};

/// A small network of 8×8 grey images with random weights.
fn write_network(place: &Place) {
    let text = std::fs::read_to_string(super::reference("ddpmpp-vp-cifar10", "config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["data"]["num_channels"] = json!(1);
    config["data"]["image_size"] = json!(8);
    for (field, value) in
        [("nf", json!(8)), ("ch_mult", json!([1, 1])), ("num_res_blocks", json!(1)), ("attn_resolutions", json!([4]))]
    {
        config["model"][field] = value;
    }
    let description = read_score_sde_config(&config.to_string(), &Overrides::default()).unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    let mut array = |shape: Vec<usize>| {
        let values = (0..shape.iter().product()).map(|_| 0.2 * random.f32() - 0.1).collect();
        Array { shape, values }
    };
    let weights: Weights =
        description.config.parameters().into_iter().map(|(name, shape)| (name, array(shape))).collect();
    write_native(&place.path("grey.safetensors"), &OpenedNetwork { description, weights }).unwrap();
    let input = [("x", array(vec![1, 1, 8, 8])), ("t", Array { shape: vec![1], values: vec![0.5] })];
    write_tensors(&place.path("x.safetensors"), &input.map(|(name, array)| (name.to_owned(), array)).into()).unwrap();
}

#[test]
fn grey_networks_work_in_every_command() {
    let place = Place::new();
    write_network(&place);
    let colours = |x: u32, y: u32| image::Rgb([(30 * x) as u8, (30 * y) as u8, 128]);
    image::RgbImage::from_fn(8, 8, colours).save(place.path("a.png")).unwrap();
    image::RgbImage::from_fn(8, 8, |x, y| colours(y, x)).save(place.path("b.png")).unwrap();
    image::GrayImage::from_fn(8, 8, |x, _| image::Luma([if x < 4 { 255 } else { 0 }]))
        .save(place.path("mask.png"))
        .unwrap();
    let common = "--model ./grey.safetensors --device cpu";
    for line in [
        "sample --count 2 --steps 2 --output out.png",
        "sample --count 2 --steps 2 --animate out.gif",
        "encode a.png b.png --solver heun --steps 2 --output latents.safetensors",
        "interpolate a.png b.png --solver heun --steps 2 --output between.png",
        "likelihood a.png --rtol 0.1 --atol 0.1 --force-probes",
        "inpaint --image a.png --mask mask.png --count 2 --steps 2 --output filled.png --strip strip.png",
        "eval-inpaint a.png b.png --method null-space",
        "restore --image a.png --operator super-resolution:2 --count 1 --steps 2 --output sharp.png",
        "edit --image a.png --count 1 --steps 4 --output edited.png",
    ] {
        place.succeeds(&format!("{line} {common}"));
    }
    place.succeeds(&format!("decode latents.safetensors {common} --output back.png"));
    place.succeeds("score --model ./grey.safetensors --device cpu --input x.safetensors --output score.safetensors");
    place.succeeds("models ./grey.safetensors --layers");
    place.succeeds("import ./grey.safetensors --output again.safetensors");
    // Colour cannot be recovered by what has none.
    let colours = format!("colorize --image a.png --count 1 --steps 2 {common} --output c.png");
    place.fails(&colours, 1, "needs images with 3 channels, not 1×8×8");
    let written = image::open(place.path("strip.png")).unwrap().into_rgb8();
    assert!(written.pixels().all(|pixel| pixel.0[0] == pixel.0[1] && pixel.0[1] == pixel.0[2]), "its samples are grey");
}

#[test]
fn oblong_networks_are_sampled_and_say_where_squares_are_needed() {
    let place = Place::new();
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/diffusers/ddpm");
    let folder = place.path("wide");
    std::fs::create_dir(&folder).unwrap();
    for name in ["scheduler_config.json", "diffusion_pytorch_model.bin"] {
        std::fs::copy(source.join(name), folder.join(name)).unwrap();
    }
    let mut config: Value = serde_json::from_slice(&std::fs::read(source.join("config.json")).unwrap()).unwrap();
    config["sample_size"] = json!([8, 16]);
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    place.succeeds("sample --model ./wide --device cpu --count 1 --steps 2 --zoom 1 --output out.png");
    assert_eq!(image::image_dimensions(place.path("out.png")).unwrap(), (16, 8));
    assert!(place.succeeds("models ./wide").stdout.contains("3×8×16"));
    place.succeeds("import ./wide --output wide.safetensors");
    place.succeeds("sample --model ./wide.safetensors --device cpu --count 1 --steps 2 --output again.png");
    image::RgbImage::new(8, 8).save(place.path("a.png")).unwrap();
    for line in [
        "encode a.png --solver heun --steps 2 --output latents.safetensors",
        "interpolate a.png a.png --solver heun --steps 2 --output between.png",
        "likelihood a.png --rtol 0.1 --atol 0.1 --force-probes",
    ] {
        place.succeeds(&format!("{line} --model ./wide --device cpu"));
    }
    place.succeeds("decode latents.safetensors --model ./wide --device cpu --zoom 1 --output back.png");
    assert_eq!(image::image_dimensions(place.path("back.png")).unwrap(), (16, 8));
    let edit = "edit --image a.png --model ./wide --device cpu";
    place.fails(edit, 3, "is a model of images of 8×16; choose a --model of square ones");
}

/// As the window asks: with the colours of the photo, whatever the model sees of them.
#[test]
fn kept_pixels_of_a_photo_are_the_luma_in_the_samples_of_a_grey_network() {
    let place = Place::new();
    write_network(&place);
    let usual = Restoration::default_for(method("null-space"));
    let run = Run {
        model: ModelRef::File(place.path("grey.safetensors")),
        steps: Steps::new(4).unwrap(),
        count: Count::new(2).unwrap(),
        ..usual.run.clone()
    };
    let restoration = Restoration { run, resampling: None, ..usual };
    let values: Vec<f32> = (0..3 * 64).map(|index| (index % 7) as f32 / 7.0).collect();
    let known = |place: usize| place % 8 < 4;
    let picture = Pixels { shape: [1, 3, 8, 8], values: values.clone().into() };
    let confidence = (0..64).map(|place| f32::from(u8::from(known(place)))).collect();
    let confidence = Some(Pixels { shape: [1, 1, 8, 8], values: confidence });
    let observation = Observation { picture, confidence, shows: Shows::Original };
    let engine = Engine::new(Devices::cpu_only(), None, |_| {});
    let task = Restore { restoration, observation, from: None };
    let End::Finished(restored) = engine.start(task, Options::on(DeviceChoice::Cpu)).end() else {
        panic!("it was not restored")
    };
    assert_eq!(restored.pictures.shape, [2, 1, 8, 8]);
    for place in (0..64).filter(|&place| known(place)) {
        let luma = 0.2126 * values[place] + 0.7152 * values[64 + place] + 0.0722 * values[128 + place];
        assert!((restored.pictures.sample(0)[place] - luma).abs() < 1e-3, "pixel {place}");
    }
}
