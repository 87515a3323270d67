//! Networks that learn on a graphics device, kept from step to step.

use super::layers::Loader;
use super::plan::Plan;
use super::unet::Inputs;
use super::{
    Architecture, AtOutput, ClassifierConfig, Config, Dropout, GradientError, Labels, Weights, WeightsError, gpu,
};
use burn::tensor::Device;

/// What a training keeps on its device from step to step: a U-Net's kernels there, its memory, and where parameters go.
#[derive(Debug, Default)]
pub struct Learner(Option<(Key, Option<Known>)>);

/// A network's configuration, the classes that it tells apart, if it does that, and its device.
type Key = (Config, Option<usize>, Device);

#[derive(Debug)]
struct Known {
    inputs: Inputs,
    /// Names and sizes of the parameters, in published order.
    parameters: Vec<(String, usize)>,
    network: gpu::Learner,
}

impl Learner {
    /// Whether kernels of a graphics device can teach a network.
    pub fn suits(architecture: &Architecture) -> bool {
        architecture.unet().is_some_and(|config| gpu::Network::can(&Plan::new(config).ops, config))
    }

    /// The gradients of a loss by all parameters, in published order, by kernels of the device: see
    /// [`ScoreNetwork::gradients`](super::ScoreNetwork::gradients). Large batches go through part after part. `None` where
    /// there are none for the device or the network.
    ///
    /// # Errors
    /// If a parameter is missing or of the wrong shape, or the device fails.
    #[allow(clippy::too_many_arguments)]
    pub fn gradients(
        &mut self,
        architecture: &Architecture,
        weights: &Weights,
        device: &Device,
        x: &[f32],
        labels: Labels,
        dropout: Option<Dropout>,
        at_output: AtOutput,
    ) -> Result<Option<Vec<Vec<f32>>>, GradientError> {
        let Some(config) = architecture.unet() else { return Ok(None) };
        let known = self.known((config, None, device), weights, || Plan::new(config))?;
        known.map(|known| known.gradients(weights, x, labels, dropout, at_output)).transpose()
    }

    /// The same of a classifier, where the output of an image is its logits.
    ///
    /// # Errors
    /// Those of [`Learner::gradients`].
    pub fn gradients_of_classifier(
        &mut self,
        config: &ClassifierConfig,
        weights: &Weights,
        device: &Device,
        x: &[f32],
        labels: &[f64],
        at_output: AtOutput,
    ) -> Result<Option<Vec<Vec<f32>>>, GradientError> {
        let (body, classes) = (config.body(), config.classes);
        let known = self.known((&body, Some(classes), device), weights, || Plan::classifier(&body, classes))?;
        known.map(|known| known.gradients(weights, x, labels.into(), None, at_output)).transpose()
    }

    /// What is kept of a network, which is made if it is another one than before.
    fn known<'a>(
        &mut self,
        (config, classes, device): (&Config, Option<usize>, &Device),
        weights: &Weights,
        plan: impl FnOnce() -> Plan<'a>,
    ) -> Result<Option<&Known>, WeightsError> {
        let is_known = self.0.as_ref().is_some_and(|((of, told, on), _)| (of, *told, on) == (config, classes, device));
        if !is_known {
            // Its memory is needed.
            self.0 = None;
            self.0 = Some(((config.clone(), classes, device.clone()), Known::new(&plan(), weights, device)?));
        }
        Ok(self.0.as_ref().and_then(|(_, known)| known.as_ref()))
    }
}

impl Known {
    fn new(plan: &Plan, weights: &Weights, device: &Device) -> Result<Option<Self>, WeightsError> {
        let Some((gpu, _)) = gpu::of(device) else { return Ok(None) };
        let mut loader = Loader::new(plan.parameters(), weights, plan.config(), device)?;
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
        dropout: Option<Dropout>,
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
            self.network.gradients(&values, x, &told, dropout, at_output).map_err(GradientError::Device)
        })
    }
}
