//! The loss of a training on given data, and its gradient, for comparison with other programs.

use super::Failure;
use super::score::{Args, Input};
use crate::checkpoint::{OpenedNetwork, write_state};
use crate::network::{Array, Learner};
use crate::score::{Conditioning, Description};
use crate::train::{Draw, LossGradient, loss_gradient, norm, usual};
use burn::tensor::Device;
use serde_json::json;
use std::collections::BTreeMap;

/// What a loss is computed of.
pub(super) struct Batch {
    clean: Array,
    noise: Array,
    times: Vec<f64>,
}

impl Batch {
    /// The batch in a file, for a network so described.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape, or a time or a value is not possible.
    pub(super) fn of(input: &mut Input, description: &Description) -> Result<Batch, Failure> {
        let times = match input.numbers("labels") {
            Some(labels) => {
                let conditioning = Conditioning::new(description.clone());
                labels.into_iter().map(|label| conditioning.time_of(label)).collect()
            }
            None => input.times()?,
        };
        let shape = description.config.shape();
        let (clean, noise) = (input.images("x", times.len(), shape)?, input.images("z", times.len(), shape)?);
        let finite = |array: &Array| array.values.iter().all(|value| value.is_finite());
        match finite(&clean) && finite(&noise) && !times.is_empty() && times.iter().all(|t| t.is_finite()) {
            true => Ok(Batch { clean, noise, times }),
            false => Err(input.wrong("it has no images, or a value that is not finite")),
        }
    }
}

/// Computes the loss of a batch and writes it with its gradient.
///
/// # Errors
/// If the objective is not for this network, the device fails or the file cannot be written.
pub(super) fn write(args: &Args, opened: &OpenedNetwork, batch: &Batch, device: &Device) -> Result<(), Failure> {
    let OpenedNetwork { description, weights } = opened;
    let objective = args.objective.over(&usual(description))?;
    objective.check_for(description).map_err(|error| Failure::Usage(error.to_string()))?;
    let draws: Vec<Draw> = batch.times.iter().map(|&t| Draw::at(t)).collect();
    let conditioning = Conditioning::new(description.clone());
    let regression = objective.regression(&conditioning, &batch.clean.values, &batch.noise.values, &draws);
    let found = loss_gradient(&description.config, weights, &regression, None, device, &mut Learner::default());
    let LossGradient { losses, gradients } = found.map_err(|error| Failure::Running(error.to_string()))?;

    let loss = losses.iter().sum::<f64>() / losses.len() as f64;
    let trained: Vec<_> = description.config.plan().into_iter().filter(|parameter| parameter.trainable).collect();
    let of_trained: Vec<&[f32]> =
        trained.iter().filter_map(|parameter| gradients.get(&parameter.name)).map(Vec::as_slice).collect();
    let whole = norm(&of_trained);
    let (mean, each) = ([loss as f32], losses.iter().map(|&loss| loss as f32).collect::<Vec<f32>>());
    let count = [each.len()];
    let mut arrays: Vec<(String, &[usize], &[f32])> =
        vec![("loss".into(), &[], &mean), ("losses".into(), &count, &each)];
    let by_parameter = trained.iter().zip(of_trained);
    arrays.extend(by_parameter.map(|(parameter, values)| (parameter.name.clone(), parameter.shape.as_slice(), values)));
    let notes = BTreeMap::from([("objective".into(), objective.to_string())]);
    write_state(&args.output, &arrays, &notes)?;

    if args.json {
        let summary = json!({
            "loss": loss, "losses": losses, "gradient_norm": whole, "objective": objective.to_string(),
            "file": args.output,
        });
        println!("{summary}");
    } else {
        say!("{objective}: loss {loss:.6}, mean of {} images; norm of its gradient {whole:.6}", losses.len());
        say!("wrote {}", args.output.display());
    }
    Ok(())
}
