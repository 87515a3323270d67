//! Trainings of networks that are told classes.

use super::whole::pictures;
use crate::cli::Place;
use burn::tensor::{Device, Tensor};
use score_explorer::checkpoint::{Classes, PictureSet};
use score_explorer::data::{Data, DataSource};
use score_explorer::network::{DitConfig, Network};
use score_explorer::registry::{Choice, find};
use score_explorer::score::{NetworkScore, ScoreModel, denoised};
use score_explorer::sde::Level;
use score_explorer::solver::{Noise, NoiseSource, Purpose};
use score_explorer::train::{
    EdmRecipe, Recipe, Size, Times, Tiny, Trainer, Training, TrainingError, Transformer, Uniform,
};

/// Black pictures of one class and white ones of another, equally many.
fn black_and_white() -> Data {
    let (shape, count) = ([1, 8, 8], 20);
    let values = (0..count).flat_map(|index| [if index % 2 == 0 { 0 } else { 255 }; 64]).collect();
    let labels = (0..count).map(|index| index % 2).collect();
    let names = ["black", "white"].map(Into::into).to_vec();
    let classes = Some(Classes { names, labels });
    let names = (0..count).map(|index| index.to_string()).collect();
    Data::set(PictureSet { shape, values, names, classes, warnings: Vec::new() })
}

fn training(label_dropout: Option<f64>) -> Training {
    training_of(&EdmRecipe, label_dropout)
}

fn training_of(recipe: &dyn Recipe, label_dropout: Option<f64>) -> Training {
    let size = Choice::<dyn Size>::new(find::<dyn Size>(score_explorer::registry::Entry::about(&Tiny).slug).unwrap());
    let network = recipe.description(&size, None, [1, 8, 8]);
    let source: DataSource = "nowhere/at/all".parse().unwrap();
    // Much noise as often as little.
    let times = Choice::<dyn Times>::new(&Uniform);
    Training { label_dropout, times, batch: 16, images: 16 * 250, ..Training::usual(source, network) }
}

/// Far out in the noise the best guess is the mean of what is known: of a class where it is told, of all data else.
#[test]
fn a_network_that_is_told_classes_learns_the_mean_of_each_and_of_all() {
    learns_the_means(training_of(&EdmRecipe, Some(0.3)));
}

#[test]
fn so_does_a_transformer() {
    let mut training = training_of(&Transformer, Some(0.3));
    // A small one, for speed.
    let config = training.network.config.dit().unwrap().clone();
    let config = DitConfig { hidden_size: 32, depth: 2, num_heads: 2, mlp_width: 64, ..config };
    training.network.config = config.into();
    learns_the_means(training);
}

fn learns_the_means(training: Training) {
    let device = Device::flex();
    let mut trainer = Trainer::new(training, black_and_white(), None).unwrap();
    while !trainer.is_done() {
        trainer.step(&device).unwrap();
    }
    let description = trainer.training().network.clone();
    assert_eq!((description.config.classes(), &description.classes[..]), (2, &["black".into(), "white".into()][..]));
    let network = Network::new(&description.config, trainer.weights(), &device).unwrap();
    let model = NetworkScore::new(network, description);
    // Noise and its opposite, so that neither is nearer to one class.
    let sigma = 20.0;
    let at = [Level::new(1.0, sigma)];
    let noise = Noise { seed: 4, first: 0, count: 16, shape: [1, 8, 8], device: device.clone() };
    let z = noise.normal(0, Purpose::Prior) * sigma;
    let x = Tensor::cat(vec![z.clone(), -z], 0);
    let guess = |model: &dyn ScoreModel| {
        let score = model.score(&x, &at).unwrap();
        f64::from(denoised(&x, &score, &at).mean().into_scalar::<f32>())
    };
    let [black, white] = [0, 1].map(|class| guess(&*model.of_class(class).unwrap()));
    let all = guess(&model);
    println!("black {black:.3}, white {white:.3}, all {all:.3}");
    assert!(black < -0.7 && white > 0.7 && all.abs() < 0.5, "black {black}, white {white}, all {all}");
}

#[test]
fn labels_left_out_are_those_of_their_share_whatever_the_batch() {
    let classes = |batch: usize, steps: usize| {
        let training = Training { batch, images: 16 * 250, ..training(Some(1.0)) };
        let mut trainer = Trainer::new(training, black_and_white(), None).unwrap();
        let table = trainer.weights()["all_modules.2.weight"].clone();
        for _ in 0..steps {
            trainer.step(&Device::flex()).unwrap();
        }
        table == trainer.weights()["all_modules.2.weight"]
    };
    // Never told, a table does not change.
    assert!(classes(4, 3));
    let told = Training { batch: 4, ..training(Some(0.0)) };
    let mut trainer = Trainer::new(told, black_and_white(), None).unwrap();
    let before = trainer.weights()["all_modules.2.weight"].clone();
    (0..3).for_each(|_| drop(trainer.step(&Device::flex()).unwrap()));
    assert_ne!(before, trainer.weights()["all_modules.2.weight"]);
}

#[test]
fn data_without_the_networks_classes_are_refused() {
    let unlabelled = Data::noise([1, 8, 8], 20);
    let said = Trainer::new(training(Some(0.1)), unlabelled, None).err().map(|error| error.to_string());
    assert_eq!(said, Some(TrainingError::NoClasses.to_string()));
    let said = training(Some(1.5)).check().unwrap_err().to_string();
    assert!(said.contains("1.5"), "{said}");
}

/// The same command goes on, the model names its classes, and they can be asked for.
#[test]
fn a_conditional_training_is_sampled_by_class() {
    let place = Place::new();
    pictures(&place, 20);
    for (number, class) in ["across", "down"].iter().enumerate() {
        std::fs::create_dir_all(place.path(&format!("classes/{class}"))).unwrap();
        for index in (number..20).step_by(2) {
            let name = format!("{index}.png");
            std::fs::copy(place.path(&format!("pictures/{name}")), place.path(&format!("classes/{class}/{name}")))
                .unwrap();
        }
    }
    let line = "train --data classes --size tiny --recipe edm --conditional --batch 4 --images 80 --output t";
    place.succeeds(&format!("{line} --dry-run"));
    place.succeeds(line);
    place.succeeds(&line.replace("--images 80", "--images 120"));
    let sample = "sample --model t/model.safetensors --steps 3 --count 2 --device cpu";
    let of = |options: &str, file: &str| {
        place.succeeds(&format!("{sample} {options} --tensor {file}"));
        place.bytes(file)
    };
    let (any, across) = (of("", "any.safetensors"), of("--class across", "across.safetensors"));
    assert_ne!(any, across);
    assert_eq!(across, of("--class 0 --guidance 1", "same.safetensors"));
    assert_eq!(any, of("--class across --guidance 0", "none.safetensors"));
    assert_ne!(across, of("--class across --guidance 3", "strong.safetensors"));
    // Away from itself nothing changes.
    let itself = "--guide-model t/model.safetensors --guidance 3 --save-run run.json";
    let weaker = of(&format!("--class across {itself} --guidance-kind autoguidance"), "auto.safetensors");
    assert_eq!(across.len(), weaker.len());
    let shown = place
        .succeeds("run run.json --device cpu --model t/model.safetensors --guide-model t/model.safetensors --json");
    assert!(shown.stdout.contains("autoguidance"), "{}", shown.stdout);
    place.fails(&format!("{sample} --class up"), 1, "across, down");
    place.fails(&format!("{sample} --guidance 2"), 2, "--class");
    place.fails(&format!("{sample} --class across --guidance-interval 2 1"), 2, "interval");
    place.fails(&format!("{sample} --class across --guidance-kind autoguidance"), 2, "--guide-model");
    place.fails("train --data pictures --size tiny --conditional --output u", 1, "classes");
}
