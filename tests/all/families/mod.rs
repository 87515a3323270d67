//! Any model runs in any family: the proof, by exact models and by the network that ships.

use crate::choices::{grid, pc};
use burn::tensor::Device;
use score_explorer::checkpoint::{ReadProgress, find, shipped_worlds};
use score_explorer::network::Network;
use score_explorer::registry::Choice;
use score_explorer::score::{Clipped, ImageSet, InRange, NetworkScore, ScoreModel};
use score_explorer::sde::{Family, FamilyKind};
use score_explorer::solver::{Grid, Noise, Preset, Solver, Unobserved};
use score_explorer::task::{Count, ModelRef, Origin, Plan, Run, Steps, sample};

fn run(family: Family, solver: Choice<dyn Solver>, grid: Choice<dyn Grid>, steps: usize, count: usize) -> Run {
    Run {
        model: ModelRef::Named("any".into()),
        family,
        solver,
        grid,
        steps: Steps::new(steps).expect("steps"),
        denoise: true,
        clip: false,
        guidance: None,
        seed: 5,
        count: Count::new(count).expect("count"),
        origin: Origin::Prior,
    }
}

/// Samples of a run as pictures with values in [0, 1].
fn pictures(model: &dyn ScoreModel, run: &Run) -> Vec<Vec<f64>> {
    let range = run.family.facts().range;
    let model = Clipped::new(InRange::new(model, range), run.clip);
    let plan = Plan::new(run, &model);
    let device = Device::flex();
    let noise = Noise { seed: run.seed, first: 0, count: run.count.get(), shape: model.shape(), device };
    let x = sample(run, &plan, &model, None, &noise, &mut Unobserved).expect("samples");
    let (low, high) = range.bounds();
    let size: usize = model.shape().iter().product();
    let values = x.try_to_vec_as::<f32>().expect("f32");
    let unit = |value: &f32| (f64::from(*value) - low) / (high - low);
    values.chunks(size).map(|sample| sample.iter().map(unit).collect()).collect()
}

fn mean_square_error(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64
}

#[test]
fn samples_of_an_image_set_are_its_images_equally_often_in_every_family() {
    const IMAGES: usize = 8;
    const SAMPLES: usize = 800;
    let worlds = shipped_worlds().expect("worlds");
    let [channels, height, width] = worlds.shape;
    // Pictures of all kinds, far apart in the file: every fourth pixel of them, which are as far from each other, and noise
    // of which is drawn sixteen times as fast.
    let every_fourth = |i: usize| {
        let picture = worlds.picture(i * 61);
        let places = (0..channels * height / 4).flat_map(|row| (0..width / 4).map(move |x| (row * width + x) * 4));
        places.map(|place| picture[place]).collect::<Vec<u8>>()
    };
    let chosen: Vec<u8> = (0..IMAGES).flat_map(every_fourth).collect();
    let shape = [channels, height / 4, width / 4];
    let size: usize = shape.iter().product();
    let model = ImageSet::new(chosen.clone(), shape, &Device::flex());
    let images: Vec<Vec<f64>> =
        chosen.chunks(size).map(|image| image.iter().map(|&g| f64::from(g) / 255.0).collect()).collect();

    for &kind in FamilyKind::ALL {
        // Steps of equal log-SNR are short everywhere on the path, so that 150 of them are enough.
        // Scaled linear's x(T) has 7 % of the data in it, which the prior has not: its samples would be drawn to the mean.
        let family = match kind.published() {
            Family::ScaledLinear(sde) => Family::ScaledLinear(sde.ending_in_noise(true)),
            family => family,
        };
        let run = run(family, pc("ancestral", "none"), grid("log-snr"), 150, SAMPLES);
        let mut counts = [0usize; IMAGES];
        for sample in pictures(&model, &run) {
            let errors: Vec<f64> = images.iter().map(|image| mean_square_error(image, &sample)).collect();
            let nearest = (0..IMAGES).min_by(|&a, &b| errors[a].total_cmp(&errors[b])).expect("images");
            assert!(errors[nearest] < 1e-4, "{kind}: a sample is {:.2e} away from every image", errors[nearest]);
            counts[nearest] += 1;
        }
        let expected = SAMPLES as f64 / IMAGES as f64;
        let chi_square: f64 = counts.iter().map(|&n| (n as f64 - expected).powi(2) / expected).sum();
        // The 99.99 % point of χ² with 7 degrees of freedom.
        assert!(chi_square < 29.9, "{kind} draws the images {counts:?} times: χ² = {chi_square:.1}");
    }
}

#[test]
fn the_shipped_network_draws_worlds_in_every_family() {
    let opened = find("worlds-vp-small", None, &ReadProgress::default()).expect("the model that ships");
    let network = Network::new(&opened.description.config, &opened.weights, &Device::flex()).expect("a network");
    let model = NetworkScore::new(network, opened.description);
    let worlds = shipped_worlds().expect("worlds");
    let size: usize = worlds.shape.iter().product();
    let worlds: Vec<Vec<f64>> =
        worlds.values.chunks(size).map(|w| w.iter().map(|&g| f64::from(g) / 255.0).collect()).collect();

    // A picture is a world as far as it is no farther from the nearest world than worlds are
    // from each other, and has their contrast: grey or noise fails one or the other.
    let nearest = |picture: &[f64]| {
        let others = worlds.iter().filter(|world| world.as_slice() != picture);
        others.map(|world| mean_square_error(world, picture)).fold(f64::INFINITY, f64::min)
    };
    let mut distances: Vec<f64> = worlds.iter().step_by(4).map(|world| nearest(world)).collect();
    distances.sort_by(f64::total_cmp);
    let far = distances[distances.len() * 95 / 100];
    let typical = worlds.iter().map(|world| contrast(world)).sum::<f64>() / worlds.len() as f64;

    for &kind in FamilyKind::ALL {
        let mut run = Run { family: kind.published(), count: Count::new(8).expect("count"), ..Run::default() };
        run.apply(Preset::find("fast-20").expect("a preset"));
        let samples = pictures(&model, &run);
        let near = samples.iter().filter(|sample| nearest(sample) < far).count();
        let mean_contrast = samples.iter().map(|sample| contrast(sample)).sum::<f64>() / 8.0;
        // Of real worlds 95 % are near, of noise or flat colour none. A young model may miss some.
        assert!(near >= 5, "{kind}: {near} of 8 samples look like worlds");
        assert!((0.5..2.0).contains(&(mean_contrast / typical)), "{kind}: a contrast of {mean_contrast:.3}");
    }
}

/// Standard deviation of a picture's values about their mean.
fn contrast(picture: &[f64]) -> f64 {
    let count = picture.len() as f64;
    let mean = picture.iter().sum::<f64>() / count;
    (picture.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}
