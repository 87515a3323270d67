//! The small layers: convolution, group normalisation, affine maps, nonlinearities.

use super::plan::Parameter;
use super::profile::{LayerKind, timed};
use super::weights::all_used;
use super::{Array, AtOutput, Classes, Config, GradientError, Joins, Nonlinearity, Weights, WeightsError};
use crate::Image;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Gradients, Tensor, TensorData, TensorReadError, activation};
use std::collections::BTreeSet;
use std::f64::consts::FRAC_2_PI;
use std::ops::Range;

/// A weight and the bias after it.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    /// The place of the weight among the network's parameters; the bias has the next.
    pub slot: usize,
    pub weight: &'a [f32],
    /// Empty where there is none.
    pub bias: &'a [f32],
}

/// Hands out the parameters of a plan one after the other, checked.
pub(super) struct Loader<'a, C = Config> {
    parameters: std::iter::Enumerate<std::vec::IntoIter<Parameter>>,
    weights: &'a Weights,
    pub config: &'a C,
    pub device: &'a Device,
    /// All parameters handed out as tensors so far, where gradients by them will be asked for.
    leaves: Option<Vec<(usize, Tensor<1>)>>,
}

impl<'a, C> Loader<'a, C> {
    /// # Errors
    /// If a parameter is missing or left over. Buffers (`sigmas`) may be among the weights.
    pub fn new(
        parameters: Vec<Parameter>,
        weights: &'a Weights,
        config: &'a C,
        device: &'a Device,
    ) -> Result<Self, WeightsError> {
        if let Some(p) = parameters.iter().find(|p| !weights.contains_key(&p.name)) {
            return Err(WeightsError::Missing { name: p.name.clone() });
        }
        let known: BTreeSet<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
        all_used(weights, &known)?;
        Ok(Loader { parameters: parameters.into_iter().enumerate(), weights, config, device, leaves: None })
    }

    /// The same for gradients by the parameters, which [`Loader::gradients`] gives.
    pub fn tracked(self) -> Self {
        Loader { leaves: Some(Vec::new()), ..self }
    }

    /// The gradients by all parameters, which have these sizes, once something was differentiated.
    pub fn gradients(self, gradients: &Gradients, sizes: &[usize]) -> Result<Vec<Vec<f32>>, GradientError> {
        let mut all: Vec<Vec<f32>> = sizes.iter().map(|&size| vec![0.0; size]).collect();
        let leaves = self.leaves.into_iter().flatten();
        let (slots, found): (Vec<_>, Vec<_>) =
            leaves.filter_map(|(slot, leaf)| Some((slot, leaf.grad(gradients)?))).unzip();
        if found.is_empty() {
            return Ok(all);
        }
        // All at once: each reading back would wait for the device.
        let values = Tensor::cat(found, 0).try_into_vec_as::<f32>()?;
        let mut rest = values.as_slice();
        for slot in slots {
            let Some(to) = all.get_mut(slot) else { continue };
            let Some((own, others)) = rest.split_at_checked(to.len()) else { break };
            to.copy_from_slice(own);
            rest = others;
        }
        Ok(all)
    }

    /// The next parameter on the host.
    pub fn array(&mut self) -> Result<&'a Array, WeightsError> {
        Ok(self.next()?.1)
    }

    /// The next two.
    pub fn pair(&mut self) -> Result<Pair<'a>, WeightsError> {
        let ((slot, weight), bias) = (self.next()?, self.array()?);
        Ok(Pair { slot, weight: &weight.values, bias: &bias.values })
    }

    /// The next parameter and its place among all.
    pub fn next(&mut self) -> Result<(usize, &'a Array), WeightsError> {
        let missing = |name: &str| WeightsError::Missing { name: name.to_owned() };
        let (slot, Parameter { name, shape: expected, .. }) =
            self.parameters.next().ok_or_else(|| missing("after the last"))?;
        let array = self.weights.get(&name).ok_or_else(|| missing(&name))?;
        let count = array.shape.iter().try_fold(1, |count: usize, &size| count.checked_mul(size));
        if array.shape != expected || count != Some(array.values.len()) {
            return Err(WeightsError::Shape { name, expected, found: array.shape.clone() });
        }
        if !array.values.iter().all(|value| value.is_finite()) {
            return Err(WeightsError::NotFinite { name });
        }
        Ok((slot, array))
    }

    /// The next parameter as a tensor, its shape padded with ones at the end where it has fewer than `D` dimensions.
    pub fn tensor<const D: usize>(&mut self) -> Result<Tensor<D>, WeightsError> {
        let (slot, array) = self.next()?;
        let mut shape = [1; D];
        shape.iter_mut().zip(&array.shape).for_each(|(size, &found)| *size = found);
        let values = TensorData::new(array.values.clone(), [array.values.len()]);
        let mut leaf = Tensor::<1>::from_data(values, self.device);
        if let Some(leaves) = &mut self.leaves {
            leaf = leaf.require_grad();
            leaves.push((slot, leaf.clone()));
        }
        Ok(leaf.reshape(shape))
    }
}

/// The gradients of a loss by the parameters that a tracked loader handed out, which have these sizes.
#[allow(clippy::too_many_arguments)]
pub(super) fn differentiated<C>(
    loader: Loader<C>,
    sizes: &[usize],
    [c, h, w]: [usize; 3],
    x: &[f32],
    images: usize,
    at_output: AtOutput,
    forward: impl FnOnce(Image) -> Result<Image, TensorReadError>,
) -> Result<Vec<Vec<f32>>, GradientError> {
    let dims = [images, c, h, w];
    let on_device = |values: Vec<f32>, dims| Tensor::from_data(TensorData::new(values, dims), loader.device);
    let output = forward(on_device(x.to_vec(), dims))?;
    let mut slopes = output.clone().inner().try_into_vec_as()?;
    at_output(0..images, &mut slopes);
    let slopes = on_device(slopes, output.dims());
    let gradients = (output * slopes).sum().backward();
    loader.gradients(&gradients, sizes)
}

/// The slopes of a loss by what layers put out, `each` values an image, where the raw output is that times a gain of
/// each image, if there are gains.
pub(super) fn with_gains<'a>(
    each: usize,
    gains: Vec<f32>,
    at_output: AtOutput<'a>,
) -> impl Fn(Range<usize>, &mut [f32]) + Sync + use<'a> {
    move |images, values| {
        let scale = |values: &mut [f32]| {
            let gains = gains.get(images.clone()).unwrap_or_default();
            let scaled = values.chunks_mut(each).zip(gains);
            scaled.for_each(|(values, gain)| values.iter_mut().for_each(|value| *value *= gain));
        };
        scale(values);
        at_output(images.clone(), values);
        scale(values);
    }
}

/// A pointwise nonlinearity by itself.
pub(super) fn activated(x: Image, kind: Nonlinearity) -> Image {
    timed(LayerKind::Normalisation, || activate(x, kind))
}

/// A pointwise nonlinearity.
pub(super) fn activate<const D: usize>(x: Tensor<D>, kind: Nonlinearity) -> Tensor<D> {
    match kind {
        Nonlinearity::Swish => activation::silu(x),
        // Burn's own raises e to all values, and where that is infinite, its gradient is not a number.
        Nonlinearity::Elu => activation::relu(x.clone()) + (x.clamp_max(0.0).exp() - 1.0),
        Nonlinearity::Relu => activation::relu(x),
        Nonlinearity::LeakyRelu => activation::leaky_relu(x, 0.2),
        Nonlinearity::Gelu => {
            let cubic = x.clone() + x.clone().powf_scalar(3.0) * 0.044715;
            x * ((cubic * FRAC_2_PI.sqrt()).tanh() + 1.0) * 0.5
        }
    }
}

/// A convolution with bias.
#[derive(Debug)]
pub(super) struct Conv {
    pub weight: Tensor<4>,
    pub bias: Tensor<1>,
}

impl Conv {
    pub fn new(weight: Tensor<4>, bias: Tensor<1>) -> Self {
        Conv { weight, bias }
    }

    /// Weight, then bias.
    pub fn load<C>(loader: &mut Loader<C>) -> Result<Self, WeightsError> {
        Ok(Conv::new(loader.tensor()?, loader.tensor()?))
    }

    /// A weight that has no bias.
    pub fn load_unbiased<C>(loader: &mut Loader<C>) -> Result<Self, WeightsError> {
        let weight: Tensor<4> = loader.tensor()?;
        let bias = Tensor::zeros([weight.dims()[0]], loader.device);
        Ok(Conv::new(weight, bias))
    }

    /// A published per-pixel map W (in × out), b as a 1×1 convolution.
    pub fn load_nin(loader: &mut Loader) -> Result<Self, WeightsError> {
        let weight: Tensor<4> = loader.tensor()?;
        Ok(Conv::new(contiguous(weight.swap_dims(0, 1)), loader.tensor()?))
    }

    /// Keeps the size.
    pub fn forward(&self, x: Image) -> Image {
        self.dilated(x, 1)
    }

    /// Keeps the size, with the kernel's places `dilation` pixels apart.
    pub fn dilated(&self, x: Image, dilation: usize) -> Image {
        let kind = if self.weight.dims()[2] == 1 { LayerKind::Pointwise } else { LayerKind::Convolution };
        timed(kind, || {
            let margin = self.weight.dims()[2] / 2 * dilation;
            let options = ConvOptions::new([1; 2], [margin; 2], [dilation; 2], 1);
            conv2d(x, self.weight.clone(), Some(self.bias.clone()), options)
        })
    }

    /// With a stride and zeros before and after each row and column.
    pub fn strided(&self, x: Image, stride: usize, padding: (usize, usize)) -> Image {
        let options = ConvOptions::new_with_padding([stride; 2], [padding; 2], [1; 2], 1);
        conv2d(x, self.weight.clone(), Some(self.bias.clone()), options)
    }
}

/// The same values laid out anew, so that no later use pays for a transposition made at load.
pub(super) fn contiguous<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    // Gradients have to find their way back.
    if x.is_tracked() {
        return x;
    }
    let device = x.device();
    Tensor::from_data(x.into_data(), &device)
}

/// An affine map of rows.
#[derive(Debug)]
pub(super) struct Linear {
    /// In × out.
    weight: Tensor<2>,
    bias: Tensor<2>,
}

impl Linear {
    /// Of a weight, out × in, and a bias, out × 1.
    pub fn new(weight: Tensor<2>, bias: Tensor<2>) -> Self {
        Linear { weight: contiguous(weight.transpose()), bias: bias.transpose() }
    }

    pub fn load<C>(loader: &mut Loader<C>) -> Result<Self, WeightsError> {
        Ok(Linear::new(loader.tensor()?, loader.tensor()?))
    }

    /// N×in → N×out.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.clone()) + self.bias.clone()
    }
}

/// A row for each class.
#[derive(Debug)]
pub(super) struct Table {
    classes: Classes,
    /// Rows × values.
    rows: Tensor<2>,
}

impl Table {
    /// Of rows, a row each.
    pub fn new(classes: Classes, rows: Tensor<2>) -> Self {
        Table { classes, rows }
    }

    /// That of a network of classes.
    pub fn load(loader: &mut Loader) -> Result<Option<Self>, WeightsError> {
        let Some(classes) = loader.config.variant.classes.clone() else { return Ok(None) };
        Ok(Some(Table { classes, rows: loader.tensor()? }))
    }

    /// Adds the rows of these classes to a row for each, if it is these that they join.
    pub fn join(&self, to: Tensor<2>, joins: Joins, classes: &[Option<usize>]) -> Tensor<2> {
        if joins != self.classes.joins {
            return to;
        }
        let rows = self.classes.rows();
        let mut chosen = vec![0.0_f32; classes.len() * rows];
        for (chosen, &class) in chosen.chunks_mut(rows).zip(classes) {
            if let Some(row) = self.classes.row(class) {
                chosen[row] = 1.0;
            }
        }
        let chosen = Tensor::from_data(TensorData::new(chosen, [classes.len(), rows]), &to.device());
        to + chosen.matmul(self.rows.clone())
    }
}

/// Group normalisation.
#[derive(Debug)]
pub(super) struct Norm {
    groups: usize,
    epsilon: f64,
    /// 1×C.
    weight: Tensor<2>,
    bias: Tensor<2>,
}

impl Norm {
    pub fn load(loader: &mut Loader) -> Result<Self, WeightsError> {
        let (weight, bias): (Tensor<2>, Tensor<2>) = (loader.tensor()?, loader.tensor()?);
        let (groups, epsilon) = (loader.config.groups(weight.dims()[0]), loader.config.variant.norm_epsilon);
        Ok(Norm { groups, epsilon, weight: weight.transpose(), bias: bias.transpose() })
    }

    /// Normalises x.
    pub fn forward(&self, x: Image) -> Image {
        timed(LayerKind::Normalisation, || self.tensors(x))
    }

    /// Normalises x (plus an `offset`, N×C or 1×C) and applies a nonlinearity.
    pub fn activated(&self, x: Image, offset: Option<Tensor<2>>, kind: Nonlinearity) -> Image {
        timed(LayerKind::Normalisation, || self.normalize_and_activate(x, offset, kind))
    }

    fn normalize_and_activate(&self, x: Image, offset: Option<Tensor<2>>, kind: Nonlinearity) -> Image {
        let x = match offset {
            Some(offset) => {
                let [n, c] = offset.dims();
                x + offset.reshape([n, c, 1, 1])
            }
            None => x,
        };
        activate(self.tensors(x), kind)
    }

    /// Mean and variance fold into one scale and one shift for each channel.
    fn tensors(&self, x: Image) -> Image {
        let [n, c, h, w] = x.dims();
        let (variance, mean) = x.clone().reshape([n, self.groups, c / self.groups * h * w]).var_mean_bias(2);
        let spread = |of_groups: Tensor<3>| of_groups.repeat_dim(2, c / self.groups).reshape([n, c]);
        let scale = spread((variance + self.epsilon).sqrt().recip()) * self.weight.clone();
        let shift = self.bias.clone() - spread(mean) * scale.clone();
        x * scale.reshape([n, c, 1, 1]) + shift.reshape([n, c, 1, 1])
    }
}
