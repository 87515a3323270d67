//! A RefineNet's parameters as the layers want them, in published order.

use super::blocks::{Conv, Fusion, Pool, Poolings, RefineBlock, ResBlock, Shortcut, Units};
use crate::network::WeightsError;
use crate::network::host::dilated::Dilated;
use crate::network::host::kernels::Purpose;
use crate::network::host::norm_plus::NormPlus;
use crate::network::host::pointwise::{Order, Origin, Pointwise};
use crate::network::layers::{Loader, Pair};
use crate::network::refinenet::RefineNetConfig;
use crate::network::refinenet::plan::{Block, INPUT_UNITS, POOLINGS, Refine};

/// Makes layers for maps of the present size.
pub(super) struct Builder<'a, 'b> {
    pub loader: &'b mut Loader<'a, RefineNetConfig>,
    /// Height and width.
    pub side: usize,
    pub purpose: Purpose,
}

impl Builder<'_, '_> {
    pub fn norm(&mut self) -> Result<NormPlus, WeightsError> {
        NormPlus::load(self.loader)
    }

    /// A norm where the network is conditional.
    fn conditional_norm(&mut self) -> Result<Option<NormPlus>, WeightsError> {
        self.loader.config.conditional.then(|| self.norm()).transpose()
    }

    pub fn convolution(&mut self, inputs: usize, dilation: usize) -> Result<Dilated, WeightsError> {
        Ok(Dilated::new(self.loader.pair()?, inputs, dilation, self.side, self.purpose))
    }

    /// A convolution without bias, which keeps the channels.
    fn unbiased(&mut self, channels: usize) -> Result<Dilated, WeightsError> {
        let (slot, weight) = self.loader.next()?;
        let of = Pair { slot, weight: &weight.values, bias: &[] };
        Ok(Dilated::new(of, channels, 1, self.side, self.purpose))
    }

    fn pointwise(&mut self, inputs: usize) -> Result<Pointwise, WeightsError> {
        let Pair { slot, weight, bias } = self.loader.pair()?;
        let origin = Origin::whole(slot, Order::OutIn, &[inputs], bias.len(), 1.0);
        Ok(Pointwise::new(&[weight, bias], origin, self.purpose))
    }

    /// The size after it is the present one from then on.
    pub fn res_block(&mut self, block: Block) -> Result<ResBlock, WeightsError> {
        let Block { input, dilation, first, .. } = block;
        let convolution = self.convolution(input, dilation)?;
        let norm = Some(self.norm()?);
        let second = Conv { norm, convolution: self.convolution(block.inner(), dilation)? };
        let shortcut = match first {
            _ if block.halves() => {
                self.side /= 2;
                Shortcut::Halving(self.pointwise(input)?)
            }
            true => Shortcut::Convolution(self.convolution(input, dilation)?),
            false => Shortcut::Identity,
        };
        let first = Conv { norm: Some(self.norm()?), convolution };
        Ok(ResBlock { convs: [first, second], shortcut })
    }

    fn units(&mut self, count: usize, channels: usize) -> Result<Units, WeightsError> {
        let mut conv = || Ok(Conv { norm: self.conditional_norm()?, convolution: self.unbiased(channels)? });
        let units: Result<_, WeightsError> = (0..count).map(|_| Ok([conv()?, conv()?])).collect();
        Ok(Units(units?))
    }

    /// `sides`: of all stages, from the lowest resolution.
    pub fn refine_block(&mut self, refine: &Refine, sides: &[usize]) -> Result<RefineBlock, WeightsError> {
        let Refine { place, input, output, .. } = *refine;
        let side_of = |place: usize| sides.get(place).copied().unwrap_or(1);
        self.side = side_of(place);
        let fine = self.units(INPUT_UNITS, input)?;
        self.side = side_of(place.saturating_sub(1));
        let coarse_units = refine.fuses.then(|| self.units(INPUT_UNITS, input)).transpose()?;
        self.side = side_of(place);
        let output_units = self.units(refine.units, output)?;
        let fusion = match coarse_units {
            Some(units) => {
                let fine = self.convolution(input, 1)?;
                self.side = side_of(place.saturating_sub(1));
                let coarse = self.convolution(input, 1)?;
                self.side = side_of(place);
                let fine = Conv { norm: self.conditional_norm()?, convolution: fine };
                Some(Fusion { units, fine, coarse: Conv { norm: self.conditional_norm()?, convolution: coarse } })
            }
            None => None,
        };
        let poolings = self.poolings(output)?;
        Ok(RefineBlock { fine, fusion, poolings, output: output_units })
    }

    fn poolings(&mut self, channels: usize) -> Result<Poolings, WeightsError> {
        let convolutions: Vec<_> = (0..POOLINGS).map(|_| self.unbiased(channels)).collect::<Result<_, _>>()?;
        let with_norm = |convolution| Ok(Conv { norm: self.conditional_norm()?, convolution });
        let convs = convolutions.into_iter().map(with_norm).collect::<Result<_, WeightsError>>()?;
        let pool = if self.loader.config.conditional { Pool::Mean } else { Pool::Largest };
        Ok(Poolings { convs, pool })
    }
}
