use super::{Place, reference};
use score_explorer::checkpoint::{read_tensors, shipped_worlds, write_tensors};
use score_explorer::network::{Array, Weights};

/// The largest difference relative to the largest value.
fn distance(found: &Array, expected: &Array) -> f32 {
    assert_eq!(found.shape, expected.shape);
    let largest = expected.values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    found.values.iter().zip(&expected.values).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs())) / largest
}

#[test]
fn outputs_and_scores_match_the_published_code() {
    // Continuous VE is among the large ones; continuous VP and sub-VP, and discrete VE and VP are here.
    let discrete = ["ncsnpp-ve-cifar10-discrete", "ddpm-vp-cifar10-discrete"];
    for net in ["ncsnpp-vp-cifar10", "ddpmpp-subvp-cifar10"].into_iter().chain(discrete) {
        let place = Place::new();
        let io = reference(net, "io.safetensors");
        let checkpoint = reference(net, "checkpoint.pth");
        place.succeeds(&format!(
            "score --model {} --input {} --output out.safetensors --device cpu",
            checkpoint.display(),
            io.display()
        ));
        let (found, expected) = (read_tensors(&place.path("out.safetensors")), read_tensors(&io));
        let (found, expected) = (found.expect("what was written"), expected.expect("the reference"));
        for name in ["output", "score"] {
            // The reference's own tolerance.
            let distance = distance(&found[name], &expected[name]);
            assert!(distance < 1e-3, "{net}: {name} is off by {distance}");
        }
    }
}

#[test]
fn the_score_of_an_image_set_near_an_image_leads_to_that_image() {
    let place = Place::new();
    let worlds = shipped_worlds().expect("worlds");
    // β from 0.1 to 20.
    let alpha = |t: f32| (-0.25 * 19.9 * t * t - 0.05 * t).exp();
    let times = [0.01f32, 0.05];
    let near = |(image, t): (&[u8], &f32)| -> Vec<f32> {
        image.iter().map(|&level| alpha(*t) * (f32::from(level) / 127.5 - 1.0) + 0.01).collect()
    };
    let x =
        Array { shape: vec![2, 3, 32, 32], values: worlds.values.chunks(3072).zip(&times).flat_map(near).collect() };
    let t = Array { shape: vec![2], values: times.into() };
    write_tensors(&place.path("in.safetensors"), &Weights::from([("x".into(), x), ("t".into(), t)])).expect("a file");
    place.succeeds("score --model exact:worlds --input in.safetensors --output out.safetensors --device cpu");
    let found = read_tensors(&place.path("out.safetensors")).expect("what was written");
    assert_eq!(found.keys().collect::<Vec<_>>(), ["score"]);
    for (score, t) in found["score"].values.chunks(3072).zip(times) {
        let expected = -0.01 / (1.0 - alpha(t) * alpha(t));
        assert!(score.iter().all(|score| (score / expected - 1.0).abs() < 1e-3), "{} {expected}", score[0]);
    }
}

#[test]
fn input_that_does_not_fit_the_network_is_refused() {
    let place = Place::new();
    let checkpoint = reference("ncsnpp-vp-cifar10", "checkpoint.pth");
    let line = format!("score --model {} --input in.safetensors --output out.safetensors", checkpoint.display());
    let array =
        |shape: &[usize], value: f32| Array { shape: shape.into(), values: vec![value; shape.iter().product()] };
    for (word, x, t) in [
        ("shape", array(&[2, 3, 16, 16], 0.0), array(&[2], 0.5)),
        ("shape", array(&[2, 3, 32, 32], 0.0), array(&[3], 0.5)),
        ("(0, 1]", array(&[1, 3, 32, 32], 0.0), array(&[1], 0.0)),
        ("(0, 1]", array(&[1, 3, 32, 32], 0.0), array(&[1], f32::NAN)),
    ] {
        let tensors = Weights::from([("x".into(), x), ("t".into(), t)]);
        write_tensors(&place.path("in.safetensors"), &tensors).expect("a file");
        place.fails(&line, 3, word);
    }
    write_tensors(&place.path("in.safetensors"), &Weights::from([("x".into(), array(&[1], 0.0))])).expect("a file");
    place.fails(&line, 3, "\"t\"");
    assert_eq!(place.files(), ["in.safetensors"]);
}
