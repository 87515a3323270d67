//! A batch's loss and its gradient by all parameters of a network.

use super::Regression;
use crate::network::{Architecture, Dropout, GradientError, Labels, Learner, Network, Weights};
use burn::tensor::Device;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Values of images that are differentiated together by tensors, which keep all features of them.
const TOGETHER: usize = 64 * 3 * 32 * 32;

/// The loss of a batch and its gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct LossGradient {
    /// Of each image.
    pub losses: Vec<f64>,
    /// Of their mean by each parameter, trained or not, by its published name.
    pub gradients: BTreeMap<String, Vec<f32>>,
}

/// The loss of a network on a regression, with features left out or not, and its gradient: by the CPU's own layers where it
/// has them, the same for any number of threads; by a graphics device's own kernels, which the learner keeps; else by
/// tensors on the device, some images at a time.
///
/// # Errors
/// If the weights are not the network's, or the device fails.
pub fn loss_gradient(
    architecture: &Architecture,
    weights: &Weights,
    regression: &Regression<f32>,
    dropout: Option<Dropout>,
    device: &Device,
    learner: &mut Learner,
) -> Result<LossGradient, GradientError> {
    let losses = Mutex::new(vec![0.0; regression.images()]);
    let at_output = |images: Range<usize>, values: &mut [f32]| {
        let (found, slopes) = regression.gradient_of(images.clone(), values);
        values.copy_from_slice(&slopes);
        losses.lock().unwrap_or_else(PoisonError::into_inner)[images].copy_from_slice(&found);
    };
    let found = gradients(architecture, weights, regression, dropout, device, learner, &at_output)?;
    let names = architecture.parameters().into_iter().map(|(name, _)| name);
    let gradients = names.zip(found).collect();
    Ok(LossGradient { losses: losses.into_inner().unwrap_or_else(PoisonError::into_inner), gradients })
}

fn gradients(
    architecture: &Architecture,
    weights: &Weights,
    regression: &Regression<f32>,
    dropout: Option<Dropout>,
    device: &Device,
    learner: &mut Learner,
    at_output: &(dyn Fn(Range<usize>, &mut [f32]) + Sync),
) -> Result<Vec<Vec<f32>>, GradientError> {
    let inputs = regression.inputs.as_slice();
    let labels = Labels { levels: &regression.labels, classes: &regression.classes };
    let images = labels.levels.len();
    if *device == Device::flex() {
        let network = Network::new(architecture, weights, &device.clone().autodiff())?;
        if let Some(gradients) = network.gradients(inputs, labels, dropout, at_output) {
            return Ok(gradients);
        }
    }
    if let Some(gradients) = learner.gradients(architecture, weights, device, inputs, labels, dropout, at_output)? {
        return Ok(gradients);
    }
    let size = inputs.len() / images.max(1);
    let part = (TOGETHER / size.max(1)).max(1);
    let mut sum: Vec<Vec<f32>> = Vec::new();
    for first in (0..images).step_by(part) {
        let end = images.min(first + part);
        let of_part = |images: Range<usize>, values: &mut [f32]| {
            at_output(first + images.start..first + images.end, values);
        };
        let (inputs, labels) = (&inputs[first * size..end * size], labels.of(first..end));
        let dropout = dropout.map(|dropout| dropout.after(first));
        let found = Network::gradients_by_tensors(architecture, weights, device, inputs, labels, dropout, &of_part)?;
        if sum.is_empty() {
            sum = found;
            continue;
        }
        sum.iter_mut().zip(found).for_each(|(sum, found)| {
            sum.iter_mut().zip(found).for_each(|(sum, found)| *sum += found);
        });
    }
    Ok(sum)
}
