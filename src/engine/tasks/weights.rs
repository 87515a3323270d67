//! Weights that are not a model's yet: those of a training, and averages of them.

use super::refused;
use crate::Pixels;
use crate::engine::watched::Watched;
use crate::engine::{Context, Ending, Task};
use crate::network::{Network, Weights};
use crate::score::{Description, NetworkScore, ScoreError};
use crate::solver::{Noise, Preset, Unobserved};
use crate::task::{Count, Plan, Run, Steps, sample};

/// Samples that show what weights have learnt, and steps of each.
const SAMPLES: usize = 8;
const STEPS: usize = 10;
/// Samples in one evaluation.
const TOGETHER: usize = 4;

/// Weights of a network as a score model, which waits for the task's turns.
pub(super) fn model<'a, T: Task>(
    network: &Description,
    weights: &Weights,
    context: &'a Context<T>,
) -> Result<Watched<'a, T, NetworkScore>, Ending> {
    let layers = Network::new(&network.config, weights, &context.device().0).map_err(refused)?;
    Ok(Watched::new(NetworkScore::new(layers, network.clone()), context, TOGETHER))
}

/// Samples of weights, from the same noise each time, in [0, 1] (N×C×H×W).
pub(super) fn samples<T: Task>(
    network: &Description,
    weights: &Weights,
    context: &Context<T>,
) -> Result<Pixels<f32>, Ending> {
    let (device, _) = context.device();
    let preset = Preset::fast(STEPS);
    let run = Run {
        family: network.family,
        solver: preset.solver,
        grid: preset.grid,
        steps: Steps::new(STEPS).map_err(refused)?,
        count: Count::new(SAMPLES).map_err(refused)?,
        clip: true,
        ..Run::default()
    };
    let model = model(network, weights, context)?;
    let plan = Plan::new(&run, &model);
    let shape = network.config.shape();
    let noise = Noise { seed: 0, first: 0, count: SAMPLES, shape, device: device.clone() };
    let x = sample(&run, &plan, &model, None, &noise, &mut Unobserved)?;
    let (low, high) = network.range.bounds();
    let (low, high) = (low as f32, high as f32);
    let values = ((x - low) / (high - low)).clamp(0.0, 1.0).try_into_vec_as().map_err(ScoreError::from)?;
    let [c, h, w] = shape;
    Ok(Pixels { shape: [SAMPLES, c, h, w], values: Vec::into(values) })
}
