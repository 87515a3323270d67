use super::Observer;
use crate::Image;
use crate::score::{ScoreError, ScoreModel};
use crate::sde::{Sde, Step};

/// To be written.
pub fn heun(
    model: &dyn ScoreModel,
    sde: &dyn Sde,
    steps: &[Step],
    x: Image,
    observer: &mut dyn Observer,
) -> Result<Image, ScoreError> {
    let _ = (model, sde, steps, x, observer);
    todo!("helper: solver")
}
