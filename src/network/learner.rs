//! Networks that learn on a graphics device, kept from step to step.

use super::layers::Loader;
use super::plan::Plan;
use super::unet::Inputs;
use super::{Architecture, AtOutput, Config, GradientError, Labels, Weights, WeightsError, gpu};
use burn::tensor::Device;

/// What a training keeps on its device from step to step: a U-Net's kernels there, its memory, and where parameters go.
#[derive(Debug, Default)]
pub struct Learner(Option<(Config, Device, Option<Known>)>);

#[derive(Debug)]
struct Known {
    inputs: Inputs,
    /// Names and sizes of the parameters, in published order.
    parameters: Vec<(String, usize)>,
    network: gpu::Learner,
}

impl Learner {
    /// The gradients of a loss by all parameters, in published order, by kernels of the device: see
    /// [`ScoreNetwork::gradients`](super::ScoreNetwork::gradients). Large batches go through part after part. `None` where
    /// there are none for the device or the network.
    ///
    /// # Errors
    /// If a parameter is missing or of the wrong shape, or the device fails.
    pub fn gradients(
        &mut self,
        architecture: &Architecture,
        weights: &Weights,
        device: &Device,
        x: &[f32],
        labels: Labels,
        at_output: AtOutput,
    ) -> Result<Option<Vec<Vec<f32>>>, GradientError> {
        let Some(config) = architecture.unet() else { return Ok(None) };
        let is_known = self.0.as_ref().is_some_and(|(of, on, _)| of == config && on == device);
        if !is_known {
            // Its memory is needed.
            self.0 = None;
            self.0 = Some((config.clone(), device.clone(), Known::new(config, weights, device)?));
        }
        let Some((_, _, Some(known))) = &self.0 else { return Ok(None) };
        known.gradients(weights, x, labels, at_output).map(Some)
    }
}

impl Known {
    fn new(config: &Config, weights: &Weights, device: &Device) -> Result<Option<Self>, WeightsError> {
        let Some((gpu, _)) = gpu::of(device) else { return Ok(None) };
        let plan = Plan::new(config);
        let mut loader = Loader::new(plan.parameters(), weights, config, device)?;
        let (inputs, sizes) = (Inputs::load(&mut loader)?, plan.sizes());
        let network = gpu::Learner::load(&plan.ops, &mut loader, gpu, &sizes)?;
        let names = plan.parameters().into_iter().map(|parameter| parameter.name);
        let parameters = names.zip(sizes).collect();
        Ok(network.map(|network| Known { inputs, parameters, network }))
    }

    fn gradients(
        &self,
        weights: &Weights,
        x: &[f32],
        labels: Labels,
        at_output: AtOutput,
    ) -> Result<Vec<Vec<f32>>, GradientError> {
        let mut values = Vec::with_capacity(self.parameters.len());
        for (name, size) in &self.parameters {
            let array = weights.get(name).ok_or_else(|| WeightsError::Missing { name: name.clone() })?;
            if array.values.len() != *size {
                let (expected, found) = (vec![*size], vec![array.values.len()]);
                return Err(WeightsError::Shape { name: name.clone(), expected, found }.into());
            }
            values.push(array.values.as_slice());
        }
        self.inputs.given(x, labels, at_output, |x, _, told, at_output| {
            self.network.gradients(&values, x, &told, at_output).map_err(GradientError::Device)
        })
    }
}
