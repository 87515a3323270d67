//! InstanceNorm++, with one set of parameters or one for each noise level (Song & Ermon 2019, appendix A).

use super::RefineNetConfig;
use crate::Image;
use crate::network::layers::{Loader, activate};
use crate::network::profile::{LayerKind, timed};
use crate::network::{Nonlinearity, WeightsError};
use burn::tensor::Tensor;

/// What is added to variances.
pub(in crate::network) const EPSILON: f64 = 1e-5;

/// γ, α and β of all channels.
pub(in crate::network) struct Table {
    /// In one row or in one for each level.
    pub values: Vec<f32>,
    pub rows: usize,
    /// The places of the parameters among the network's that make up the values, one after another.
    pub slots: Vec<usize>,
}

impl Table {
    pub fn load(loader: &mut Loader<RefineNetConfig>) -> Result<Self, WeightsError> {
        if loader.config.conditional {
            let (slot, array) = loader.next()?;
            return Ok(Table { values: array.values.clone(), rows: loader.config.num_classes, slots: vec![slot] });
        }
        let (alpha, gamma, beta) = (loader.next()?, loader.next()?, loader.next()?);
        let parts = [gamma, alpha, beta];
        let values = parts.iter().flat_map(|(_, array)| &array.values).copied().collect();
        Ok(Table { values, rows: 1, slots: parts.map(|(slot, _)| slot).to_vec() })
    }
}

/// InstanceNorm++.
#[derive(Debug)]
pub(super) struct NormPlus {
    /// γ, α and β: one row of three times C values, or one for each level.
    table: Tensor<2>,
}

impl NormPlus {
    pub fn load(loader: &mut Loader<RefineNetConfig>) -> Result<Self, WeightsError> {
        if loader.config.conditional {
            return Ok(NormPlus { table: loader.tensor()? });
        }
        let [alpha, gamma, beta]: [Tensor<2>; 3] = [loader.tensor()?, loader.tensor()?, loader.tensor()?];
        Ok(NormPlus { table: Tensor::cat(vec![gamma, alpha, beta], 0).transpose() })
    }

    /// Normalises x and applies a nonlinearity, if any. `levels`: one for all samples or one for each.
    pub fn forward(&self, x: Image, levels: &[usize], kind: Option<Nonlinearity>) -> Image {
        timed(LayerKind::Normalisation, || {
            let y = self.tensors(x, levels);
            match kind {
                Some(kind) => activate(y, kind),
                None => y,
            }
        })
    }

    /// All of it folds into one scale and one shift for each channel.
    fn tensors(&self, x: Image, levels: &[usize]) -> Image {
        let [n, c, h, w] = x.dims();
        let known = self.table.dims()[0];
        let row = |level: &usize| self.table.clone().narrow(0, level % known, 1);
        let rows = Tensor::cat(levels.iter().map(row).collect(), 0);
        let part = |index: usize| rows.clone().narrow(1, index * c, c);
        let (gamma, alpha, beta) = (part(0), part(1), part(2));
        let (variance, mean) = x.clone().reshape([n, c, h * w]).var_mean_bias(2);
        let (variance, mean): (Tensor<2>, Tensor<2>) = (variance.reshape([n, c]), mean.reshape([n, c]));
        let (spread, middle) = mean.clone().var_mean(1);
        let place = (mean.clone() - middle) / (spread + EPSILON).sqrt();
        let inverse = (variance + EPSILON).sqrt().recip();
        let shift = (place * alpha - mean * inverse.clone()) * gamma.clone() + beta;
        x * (inverse * gamma).reshape([n, c, 1, 1]) + shift.reshape([n, c, 1, 1])
    }
}
