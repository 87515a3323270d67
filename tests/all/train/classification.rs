//! Training classifiers: its loss, its augmentation, and that it learns.

use burn::tensor::Device;
use score_explorer::checkpoint::{
    Classes, OpenedClassifier, PictureSet, ReadProgress, read_classifier, write_classifier,
};
use score_explorer::data::Data;
use score_explorer::network::{Classifier, ClassifierConfig};
use score_explorer::score::{ClassifierDescription, NetworkClassifier};
use score_explorer::train::{
    Augmentation, ClassifierError, ClassifierTrainer, ClassifierTraining, accuracy, cross_entropy,
};

#[test]
fn cross_entropy_is_its_definition_and_its_gradient_a_difference_quotient() {
    let (logits, labels) = ([0.3f32, -1.2, 2.0, 0.7, 0.1, 0.1], [2u32, 0]);
    let smoothing = 0.2;
    let loss = |logits: &[f32]| cross_entropy(&mut logits.to_vec(), &labels, smoothing, 2);
    let found = loss(&logits);
    for (row, (&label, (loss, right))) in logits.chunks(3).zip(labels.iter().zip(&found)) {
        let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
        let log = |class: usize| f64::from(row[class]) - sum.ln();
        let expected = -0.8 * log(label as usize) - 0.2 / 3.0 * (log(0) + log(1) + log(2));
        assert!((loss - expected).abs() < 1e-9, "{loss}, not {expected}");
        assert!(right, "the label has the largest logit");
    }
    let mut gradient = logits;
    cross_entropy(&mut gradient, &labels, smoothing, 2);
    for place in 0..logits.len() {
        let at = |step: f32| {
            let mut moved = logits;
            moved[place] += step;
            loss(&moved).iter().map(|(loss, _)| loss).sum::<f64>() / 2.0
        };
        let quotient = (at(1e-2) - at(-1e-2)) / 2e-2;
        // The third derivative is at most a quarter: 1e-4/6 of it, and rounding of logits in single precision.
        assert!((f64::from(gradient[place]) - quotient).abs() < 3e-5, "{place}: {} {quotient}", gradient[place]);
    }
}

#[test]
fn shifted_pictures_bring_their_mirror_image_in() {
    let (shape, shift) = ([1, 8, 8], 3);
    let picture: Vec<f32> = (0..64).map(|place| place as f32).collect();
    let augmentation = Augmentation { shift, cutout: 0 };
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..400 {
        let mut values = picture.clone();
        augmentation.apply(5, n, shape, &mut values);
        let mut again = picture.clone();
        augmentation.apply(5, n, shape, &mut again);
        assert_eq!(values, again, "a function of seed and number");
        // Of values 8·y + x, the one at (4, 4), which no reflection reaches, tells the shift.
        let (y, x) = ((values[36] / 8.0) as i32, (values[36] as i32) % 8);
        let (down, right) = (4 - y, 4 - x);
        seen.insert((down, right));
        for place in 0..64i32 {
            let mirrored = |at: i32| {
                if at < 0 {
                    -at
                } else if at > 7 {
                    14 - at
                } else {
                    at
                }
            };
            let from = 8 * mirrored(place / 8 - down) + mirrored(place % 8 - right);
            assert_eq!(values[place as usize], from as f32);
        }
    }
    // 400 draws of 49: one is missed with a chance below 49·e⁻⁸.
    assert_eq!(seen.len(), 49, "all shifts happen");
    let hidden = |n| {
        let mut values = vec![1.0; 64];
        Augmentation { shift: 0, cutout: 4 }.apply(1, n, shape, &mut values);
        values.iter().filter(|&&value| value == 0.0).count()
    };
    assert!((0..50).all(|n| (4..=16).contains(&hidden(n))) && (0..50).any(|n| hidden(n) == 16));
}

/// Sixteen pictures of noise in four classes, which only memory can tell.
fn noise_in_classes() -> Data {
    let mut random = fastrand::Rng::with_seed(3);
    Data::set(PictureSet {
        shape: [3, 8, 8],
        values: (0..16 * 192).map(|_| random.u8(..)).collect(),
        names: (0..16).map(|number| number.to_string()).collect(),
        classes: Some(Classes {
            names: ["ant", "bee", "cat", "dog"].map(str::to_owned).to_vec(),
            labels: (0..16).map(|number| number % 4).collect(),
        }),
        warnings: Vec::new(),
    })
}

fn description(data: &Data, conditional: bool) -> ClassifierDescription {
    let config = ClassifierConfig {
        nf: 16,
        ch_mult: vec![1, 2],
        num_res_blocks: 1,
        conditional,
        classes: 4,
        image_size: 8,
        num_channels: 3,
    };
    config.check().unwrap();
    ClassifierDescription {
        config,
        classes: data.class_names().into_iter().map(str::to_owned).collect(),
        sigma_data: 0.58,
        name: "Noise".into(),
        card: String::new(),
        accuracies: Vec::new(),
    }
}

fn trained(data: &Data, conditional: bool, images: u64) -> Result<OpenedClassifier, ClassifierError> {
    let training = ClassifierTraining {
        images,
        batch: 16,
        smoothing: 0.0,
        flips: false,
        augmentation: Augmentation::default(),
        ..ClassifierTraining::default()
    };
    let mut trainer = ClassifierTrainer::new(training, description(data, conditional));
    while !trainer.is_done() {
        trainer.step(data, &Device::flex())?;
    }
    Ok(OpenedClassifier { description: trainer.description().clone(), weights: trainer.weights().clone() })
}

fn share_right(opened: &OpenedClassifier, data: &Data, ratio: f64) -> f64 {
    let device = Device::flex();
    let network = Classifier::new(&opened.description.config, &opened.weights, &device).unwrap();
    let classifier = NetworkClassifier::new(network, opened.description.clone());
    accuracy(&classifier, data, ratio, 1000, &device).unwrap()
}

#[test]
fn sixteen_pictures_are_learnt_by_heart_and_the_file_knows_them_too() {
    let data = noise_in_classes();
    let folder = tempfile::tempdir().unwrap();
    for conditional in [false, true] {
        let opened = trained(&data, conditional, 16 * 120).unwrap();
        assert_eq!(share_right(&opened, &data, 0.0), 1.0, "conditional: {conditional}");
        if conditional {
            // Noise as strong as the pictures hides nothing yet; at ten times it, four classes are a guess.
            assert!(share_right(&opened, &data, 0.1) >= 0.9);
            assert!(share_right(&opened, &data, 30.0) < 0.8);
        }
        let file = folder.path().join("classifier.safetensors");
        write_classifier(&file, &opened).unwrap();
        let read = read_classifier(&file, &ReadProgress::default()).unwrap();
        assert_eq!(read.description, opened.description);
        assert_eq!(share_right(&read, &data, 0.0), 1.0, "half precision is enough");
        let size = std::fs::metadata(&file).unwrap().len();
        let values: usize = opened.weights.values().map(|array| array.values.len()).sum();
        assert!(size < 2 * values as u64 + 10_000, "{size} bytes for {values} parameters");
        // A training that goes on from it begins with what it knows.
        let training = ClassifierTraining { batch: 16, flips: false, ..ClassifierTraining::default() };
        let training = ClassifierTraining { augmentation: Augmentation::default(), ..training };
        let mut further = ClassifierTrainer::of(training, read.description, read.weights);
        let first = further.step(&data, &Device::flex()).unwrap();
        assert!(conditional || first.right == 1.0, "{first:?}");
        let refusal = score_explorer::checkpoint::open_network(&file, None).unwrap_err().to_string();
        assert!(refusal.contains("it holds a classifier"), "{refusal}");
    }
}

#[test]
fn trainings_repeat_to_the_bit_and_refuse_other_data() {
    let data = noise_in_classes();
    let [one, again] = [(); 2].map(|()| trained(&data, true, 64).unwrap());
    assert_eq!(one.weights, again.weights);
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one.weights, one_thread.install(|| trained(&data, true, 64)).unwrap().weights);

    let worlds: score_explorer::data::DataSource = "worlds:32".parse().unwrap();
    let worlds = worlds.open(&ReadProgress::default()).unwrap();
    let mut trainer = ClassifierTrainer::new(ClassifierTraining::default(), description(&data, false));
    let refusal = trainer.step(&worlds, &Device::flex()).unwrap_err();
    assert!(matches!(refusal, ClassifierError::OtherClasses { .. }), "{refusal}");
}
