use crate::cli::Place;
use image::{Rgb, RgbImage};

/// A folder with two pictures of its own: a picture of the set that ships stays near itself.
fn place() -> Place {
    let place = Place::new();
    for (name, shift) in [("a.png", 0u32), ("b.png", 90)] {
        let pixel = |x: u32, y: u32| Rgb([(x * 5 + shift) as u8, (y * 4 + shift) as u8, (x + y + 2 * shift) as u8]);
        RgbImage::from_fn(40, 36, pixel).save(place.path(name)).expect("a picture");
    }
    place
}

#[test]
fn pictures_go_to_latents_and_back_in_both_formats() {
    let place = place();
    for format in ["safetensors", "npz"] {
        let line =
            format!("encode a.png b.png --model exact:worlds --solver heun --steps 20 --output l.{format} --json");
        let told: serde_json::Value = serde_json::from_str(&place.succeeds(&line).stdout).expect("JSON");
        assert_eq!(told["nfe"], serde_json::json!([40, 40]));
        let line = format!("decode l.{format} --output {format}.png --temperature 0.9 --json");
        let told: serde_json::Value = serde_json::from_str(&place.succeeds(&line).stdout).expect("JSON");
        assert_eq!(told["nfe"], serde_json::json!([40, 40]));
    }
    assert!(place.bytes("safetensors.png") == place.bytes("npz.png"));
}

#[test]
fn a_walk_becomes_a_strip_and_a_loop() {
    let place = place();
    place.succeeds(
        "interpolate a.png b.png --model exact:worlds --solver dpm++ --steps 10 --frames 5 --zoom 1 \
         --output strip.png --animate loop.gif",
    );
    let strip = image::load_from_memory(&place.bytes("strip.png")).expect("a picture");
    assert_eq!((strip.width(), strip.height()), (5 * 34 - 2, 32));
    assert_eq!(place.files(), ["a.png", "b.png", "loop.gif", "strip.png"]);
}

#[test]
fn likelihoods_are_told_for_each_picture() {
    let place = place();
    let line = "likelihood a.png b.png --model exact:worlds --t-min 1e-2 --rtol 1e-2 --atol 1e-2 --json";
    let told: serde_json::Value = serde_json::from_str(&place.succeeds(line).stdout).expect("JSON");
    assert_eq!(told["pictures"].as_array().map(Vec::len), Some(2));
    assert!(told["bits_per_dim"].as_f64().is_some_and(f64::is_finite), "{told}");
    // What is reported is what was done.
    assert_eq!(
        (&told["flow"]["solver"], &told["flow"]["steps"]),
        (&"adaptive".into(), &serde_json::Value::Null),
        "{told}"
    );
}

#[test]
fn likelihoods_are_of_dequantised_pictures_unless_told() {
    let place = place();
    let line = "likelihood a.png --model exact:worlds --t-min 1e-2 --rtol 1e-2 --atol 1e-2";
    let told = |more: &str| -> serde_json::Value {
        serde_json::from_str(&place.succeeds(&format!("{line} --json {more}")).stdout).expect("JSON")
    };
    let usual = told("");
    assert_eq!((&usual["dequantized"], &usual["note"]), (&true.into(), &serde_json::Value::Null));
    for older in ["--dequantize", "--dequantise"] {
        assert_eq!(told(older)["bits_per_dim"], usual["bits_per_dim"]);
    }
    let without = told("--no-dequantize");
    assert_ne!(without["bits_per_dim"], usual["bits_per_dim"]);
    assert_eq!(without["dequantized"], false);
    assert!(without["note"].as_str().is_some_and(|note| note.contains("density at grid points")), "{without}");
    let text = place.succeeds(&format!("{line} --no-dequantize")).stdout;
    assert!(text.contains("density at grid points, which can be negative"), "{text}");
    assert!(!place.succeeds(line).stdout.contains("density"));
    place.fails(&format!("{line} --dequantize --no-dequantize"), 2, "--no-dequantize");
}

/// Help of a command that follows the ODE shows what has an effect there, with its own defaults.
#[test]
fn help_of_flows_fits_the_command() {
    let place = place();
    let help = |command: &str| {
        place.succeeds(&format!("{command} -h")).stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let likelihood = help("likelihood");
    for option in ["--solver", "--steps", "--t-max", " --dequantize"] {
        assert!(!likelihood.contains(option), "{option}");
    }
    assert!(likelihood.contains("--no-dequantize") && likelihood.contains("at which integration starts"));
    for command in ["encode", "interpolate"] {
        assert!(help(command).contains("Numerical scheme [default: adaptive]"), "{command}");
    }
    let decode = help("decode");
    assert!(decode.contains("Numerical scheme [default: as encoded]") && !decode.contains("[default: 32]"));
    for command in ["inpaint", "restore", "colorize", "edit"] {
        let shown = help(command);
        assert!(!shown.contains("[default: the preset's]"), "{command}");
        assert!(shown.contains("Time steps [default: the preset's, else what suits --method]"), "{command}: {shown}");
    }
}

#[test]
fn what_is_not_possible_is_refused_before_anything_is_computed() {
    let place = place();
    std::fs::write(place.path("broken.safetensors"), b"no").expect("a file");
    place.fails("encode none.png --model exact:worlds", 3, "none.png");
    place.fails("encode a.png --model mixture:ring", 3, "not a model of colour or grey images");
    place.fails("encode a.png --output l.txt", 2, "l.txt");
    place.fails("encode a.png --t-max 2 --model exact:worlds", 2, "0 < t_min");
    place.fails("encode a.png --rtol 9 --model exact:worlds", 2, "rtol = 9 is out of range; choose 1e-7 to 1");
    place.fails("encode a.png --steps 5 --model exact:worlds", 2, "--steps");
    place.fails("likelihood a.png --solver heun --model exact:worlds", 2, "heun");
    place.fails("likelihood a.png --probes 0 --model exact:worlds", 2, "probes");
    place.fails("decode broken.safetensors", 3, "broken.safetensors");
}
