//! What all networks share that can be walked forwards and back: outputs of batches, their gradients by the images, and
//! gradients of a loss by all parameters.

use super::Context;
use super::evaluator::Evaluator;
use super::gradients::{Gradients, InOrder};
use super::maps::{Features, Maps};
use super::simd::Lanes;
use crate::network::AtOutput;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// What was kept of the evaluation of some images, in the order in which [`TwoWay::forwards`] showed it.
pub(super) type Kept = Vec<Features>;

/// What was kept is of another network.
pub(super) struct Lost;

/// A network whose layers can be walked forwards and back.
pub(super) trait TwoWay: Debug + Send + Sync + 'static {
    /// What is given besides the images of a batch, such as noise levels: for all images at once, or for each.
    type Given: Debug + Send + Sync;

    fn evaluator(&self) -> &Evaluator;

    /// It was loaded for gradients.
    fn is_differentiable(&self) -> bool;

    /// The shape of the output for images of this shape, N×C×H×W.
    fn output(&self, dims: [usize; 4]) -> [usize; 4] {
        dims
    }

    /// For some images of a batch.
    fn given_of(given: &Self::Given, images: Range<usize>) -> Self::Given;

    /// The output for some images. `keep` is shown what the way back will need.
    fn forwards(&self, context: &Context, x: Maps, given: &Self::Given, keep: &mut dyn FnMut(&Features)) -> Features;

    /// From the gradient of the output, and what was kept on the way to it, to the gradient of the images, which
    /// networks may leave out where gradients of parameters are wanted: these are added to `found`.
    fn backwards<'n>(
        &'n self,
        context: &Context,
        given: &Self::Given,
        kept: Kept,
        gradient: Maps,
        found: Option<&RefCell<Gradients<'n>>>,
    ) -> Result<Option<Maps>, Lost>;
}

/// Values of one image of a shape.
fn size([_, c, h, w]: [usize; 4]) -> usize {
    c * h * w
}

/// The output for images, N×C×H×W.
pub(super) fn output<N: TwoWay>(network: &N, x: Vec<f32>, dims: [usize; 4], given: &N::Given) -> Vec<f32> {
    let evaluator = network.evaluator();
    evaluator.evaluate(x, dims, size(network.output(dims)), evaluator.group(dims), |context, x, images| {
        network.forwards(context, x, &N::given_of(given, images), &mut |_| {})
    })
}

/// An evaluation that can be walked back.
#[derive(Debug)]
pub(super) struct Tape<N: TwoWay> {
    network: Arc<N>,
    given: N::Given,
    /// The images' shape.
    dims: [usize; 4],
    /// Images that go through together.
    group: usize,
    /// By the first image of a group.
    kept: BTreeMap<usize, Kept>,
}

impl<N: TwoWay> Tape<N> {
    /// The output for images, N×C×H×W, and what the way back needs.
    pub fn record(network: &Arc<N>, x: Vec<f32>, dims: [usize; 4], given: N::Given) -> (Vec<f32>, Self) {
        let group = network.evaluator().group(dims);
        let tapes = Mutex::new(BTreeMap::new());
        let out = network.evaluator().evaluate(x, dims, size(network.output(dims)), group, |context, x, images| {
            let (first, mut kept) = (images.start, Kept::new());
            let given = N::given_of(&given, images);
            let out = network.forwards(context, x, &given, &mut |features| kept.push(features.clone()));
            tapes.lock().unwrap_or_else(PoisonError::into_inner).insert(first, kept);
            out
        });
        let kept = tapes.into_inner().unwrap_or_else(PoisonError::into_inner);
        (out, Tape { network: network.clone(), given, dims, group, kept })
    }

    /// The images' shape, N×C×H×W.
    pub fn dims(&self) -> [usize; 4] {
        self.dims
    }

    /// From the gradient of the output to that of the images, N×C×H×W.
    pub fn back(&self, gradient: Vec<f32>) -> Vec<f32> {
        let ([_, channels, height, width], output) = (self.dims, self.network.output(self.dims));
        self.network.evaluator().evaluate(gradient, output, size(self.dims), self.group, |context, gradient, images| {
            let given = N::given_of(&self.given, images.clone());
            let kept = self.kept.get(&images.start).cloned().unwrap_or_default();
            let found = match self.network.backwards(context, &given, kept, gradient, None) {
                Ok(Some(found)) => found,
                // Nobody should take this for a gradient.
                _ => {
                    let mut lost = Maps::new(context.pool, images.len(), channels, height, width);
                    lost.lanes.fill(Lanes([f32::NAN; 16]));
                    lost
                }
            };
            Maps { channels, ..found }.into()
        })
    }
}

/// The gradients of a loss by all parameters, for images, N×C×H×W. `None` where the network was not loaded for them.
///
/// A batch goes through in groups of images, forwards and back at once, so that memory does not grow with the batch.
/// Groups and the order in which they are summed depend on the network alone: the same bits for any number of threads.
pub(super) fn gradients<'n, N: TwoWay>(
    network: &'n N,
    x: &[f32],
    dims: [usize; 4],
    given: &N::Given,
    at_output: AtOutput,
) -> Option<Gradients<'n>> {
    if !network.is_differentiable() {
        return None;
    }
    let sum = InOrder::new();
    let image = size(dims);
    network.evaluator().in_turn(dims, |context, index, images| {
        let given = N::given_of(given, images.clone());
        let dims = [images.len(), dims[1], dims[2], dims[3]];
        let x = Maps::from_planes(context.pool, &x[images.start * image..images.end * image], dims);
        let mut kept = Kept::new();
        let out = network.forwards(context, x, &given, &mut |features| kept.push(features.clone()));
        let output = network.output(dims);
        let mut values = vec![0.0; output.iter().product()];
        out.whole(context.pool).maps.to_planes(&mut values);
        drop(out);
        at_output(images, &mut values);
        let gradient = Maps::from_planes(context.pool, &values, output);
        let found = RefCell::new(Gradients::default());
        let walked = network.backwards(context, &given, kept, gradient, Some(&found));
        sum.take(context, index, walked.ok().map(|_| found.into_inner()));
    });
    sum.sum()
}
