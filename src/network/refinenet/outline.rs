//! A RefineNet layer by layer, as people draw it.

use super::{RefineNetConfig, plan};
use crate::network::{Stage, StageKind};

impl RefineNetConfig {
    /// The layers in the order in which they compute.
    pub fn outline(&self) -> Vec<Stage> {
        let parameters = plan::parameters(self);
        let count = |at: &str| {
            let inside =
                parameters.iter().filter(|p| p.name.strip_prefix(at).is_some_and(|rest| rest.starts_with('.')));
            inside.map(|p| p.shape.iter().product::<usize>()).sum()
        };
        let mut side = self.image_size;
        let first = [self.channels, self.ngf];
        let mut layers = vec![layer(StageKind::Convolution, side, first, count("begin_conv"))];
        let mut kept = Vec::new();
        for stage in plan::stages(self) {
            for (index, block) in stage.blocks.iter().enumerate() {
                let kind = if block.halves() { StageKind::Resampling } else { StageKind::ResidualBlock };
                side = if block.halves() { side / 2 } else { side };
                let parameters = count(&format!("res{}.{index}", stage.name));
                layers.push(layer(kind, side, [block.input, block.output], parameters));
            }
            kept.push((layers.len() - 1, side));
        }
        let mut refinements = plan::refinements(self);
        refinements.sort_by_key(|refine| refine.place);
        for (refine, (from, side)) in refinements.iter().zip(kept.into_iter().rev()) {
            let parameters = count(&format!("refine{}", refine.name));
            let refinement = layer(StageKind::Refinement, side, [refine.input, refine.output], parameters);
            layers.push(Stage { joins: refine.fuses.then_some(from), ..refinement });
        }
        let parameters = count("normalizer") + count("end_conv");
        layers.push(layer(StageKind::Convolution, self.image_size, [self.ngf, self.channels], parameters));
        layers
    }
}

fn layer(kind: StageKind, side: usize, channels: [usize; 2], parameters: usize) -> Stage {
    Stage { kind, side, width: side, channels, parameters, joins: None }
}
