//! Any model runs in any family: the proof, by exact models and by the network that ships.

use burn::tensor::Device;
use score_explorer::checkpoint::{find, shipped_worlds};
use score_explorer::network::Ncsnpp;
use score_explorer::score::{ImageSet, InRange, NetworkScore, Range, ScoreModel};
use score_explorer::sde::{Family, FamilyKind};
use score_explorer::solver::{Corrector, Grid, Noise, Norms, Predictor, PredictorCorrector, Snr, Solver, Unobserved};
use score_explorer::task::{Count, ModelRef, Origin, Plan, Run, Steps, sample};
use std::num::NonZeroU32;

fn run(family: Family, solver: Solver, grid: Grid, steps: usize, count: usize) -> Run {
    Run {
        model: ModelRef::Named("any".into()),
        family,
        solver,
        grid,
        steps: Steps::new(steps).expect("steps"),
        denoise: true,
        clip: false,
        seed: 5,
        count: Count::new(count).expect("count"),
        origin: Origin::Prior,
    }
}

/// Samples of a run as pictures with values in [0, 1].
fn pictures(model: &dyn ScoreModel, run: &Run) -> Vec<Vec<f64>> {
    let range = Plan::range(run.family.kind());
    let model = InRange::new(model, range);
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
    let size: usize = worlds.shape.iter().product();
    // Pictures of all kinds, far apart in the file.
    let chosen: Vec<u8> =
        (0..IMAGES).flat_map(|i| worlds.values[i * 61 * size..(i * 61 + 1) * size].to_vec()).collect();
    let model = ImageSet::new(&chosen, worlds.shape, &Device::flex());
    let images: Vec<Vec<f64>> =
        chosen.chunks(size).map(|image| image.iter().map(|&g| f64::from(g) / 255.0).collect()).collect();

    for kind in FamilyKind::ALL {
        let pc = PredictorCorrector {
            predictor: Predictor::Ancestral,
            corrector: Corrector::None,
            snr: Snr::default(),
            corrector_steps: NonZeroU32::MIN,
            norms: Norms::Sample,
        };
        // Steps of equal log-SNR are short everywhere on the path, so that 150 of them are enough.
        let run = run(kind.published(), Solver::Pc(pc), Grid::LogSnr, 150, SAMPLES);
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
fn the_shipped_network_draws_the_same_worlds_in_every_family() {
    let opened = find("worlds-vp-small", None).expect("the model that ships");
    let network = Ncsnpp::new(&opened.description.config, &opened.weights, &Device::flex()).expect("a network");
    let model = NetworkScore::new(network, opened.description);
    assert_eq!(model.range(), Some(Range::Symmetric));

    // The probability-flow ODE in x/α against σ/α is the same for every family, and its
    // starting noise is the same picture at one seed: only discretisation and the finite
    // σ/α at the start, which differs, keep the samples apart.
    let samples =
        FamilyKind::ALL.map(|kind| pictures(&model, &run(kind.published(), Solver::DpmPlusPlus, Grid::LogSnr, 25, 4)));
    let [ve, vp, sub_vp] = &samples;
    for (name, other) in [("VE", ve), ("sub-VP", sub_vp)] {
        for (index, (a, b)) in vp.iter().zip(other).enumerate() {
            let same = mean_square_error(a, b);
            let different = mean_square_error(a, &vp[(index + 1) % vp.len()]);
            assert!(
                same < 0.1 * different,
                "{name} sample {index}: {same:.4} from VP's, another is {different:.4} away"
            );
        }
    }
}
