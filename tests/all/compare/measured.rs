use super::results;
use crate::cli::Place;
use score_explorer::Pixels;
use score_explorer::checkpoint::shipped_worlds;
use score_explorer::metric::{Extractor, Features, Loaded, Moments, RandomFeatures, frechet};
use score_explorer::registry::Settings;

/// Features of grey levels.
fn features(levels: Vec<u8>, count: usize) -> Features {
    let network = RandomFeatures.open(&Settings::default(), Loaded::Nothing, [3, 32, 32]).unwrap();
    network.extract(&Pixels { shape: [count, 3, 32, 32], values: levels.into() }).unwrap().features
}

/// An exact model of images draws them with equal chances, so that its distance to them is that of as many drawn at random;
/// that of noise, which its sampler starts from, is far above.
#[test]
fn an_exact_model_is_as_near_its_own_images_as_a_finite_sample_can_be() {
    const COUNT: usize = 192;
    let place = Place::new();
    let line = format!(
        "compare --device cpu --model exact:worlds --presets dpm++-30 --features random --count {COUNT} --output o"
    );
    place.succeeds(&line);
    let found = results(&place, "o").cells[0].distance.unwrap().value;

    let set = shipped_worlds().unwrap();
    let all = Moments::of_features(&features(set.values.clone(), set.len())).unwrap();
    // Knuth's MMIX.
    let mut state = 5u64;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let mut drawn = |_| {
        let levels = (0..COUNT).flat_map(|_| set.picture(word() % set.len()).to_vec()).collect();
        frechet(&Moments::of_features(&features(levels, COUNT)).unwrap(), &all).unwrap()
    };
    let levels: Vec<f64> = (0..4).map(&mut drawn).collect();
    let level = levels.iter().sum::<f64>() / 4.0;
    let noise = (0..COUNT * 3 * 1024).map(|_| word() as u8).collect();
    let noise = frechet(&Moments::of_features(&features(noise, COUNT)).unwrap(), &all).unwrap();
    println!("found {found}, levels {levels:?}, noise {noise}");
    assert!((found / level - 1.0).abs() < 0.5, "{found} beside {levels:?}");
    assert!(noise > 20.0 * level, "{noise} beside {level}");
}
