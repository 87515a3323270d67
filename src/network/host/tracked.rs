//! A network of the host as one node of Burn's graph of gradients.

use super::Network;
use super::network::Tape;
use crate::Image;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData, TensorReadError};
use std::sync::Arc;

/// The way back.
#[derive(Debug)]
struct Back;

impl Backward<Flex, 1> for Back {
    type State = Arc<Tape>;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let tape = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, gradients, |gradient| {
            let values = gradient.into_data().iter().collect();
            tensor(tape.back(values), tape.dims())
        });
    }
}

fn tensor(values: Vec<f32>, dims: [usize; 4]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, dims))
}

/// The network's output; see [`Network::forward`]. It can be differentiated where the images lie on a device that keeps
/// gradients, and the network was loaded for them.
pub(in crate::network) fn forward(
    network: &Arc<Network>,
    x: Image,
    features: Vec<f32>,
    rows: usize,
) -> Result<Image, TensorReadError> {
    let (dims, output) = (x.dims(), network.output(x.dims()));
    let tracked = network.gradients.then(|| x.clone().try_into_primitive::<Autodiff<Flex>>());
    let Some(Ok(tracked)) = tracked else { return network.forward(x, features, rows) };
    let (x, node) = tracked.into_parts();
    let x = x.into_data().try_into_vec_as()?;
    let output = match Back.prepare::<NoCheckpointing>([node]).compute_bound().stateful() {
        OpsKind::Tracked(node) => {
            let (values, tape) = network.taped(x, dims, features, rows);
            node.finish(Arc::new(tape), tensor(values, output))
        }
        OpsKind::UnTracked(node) => node.finish(tensor(network.values(x, dims, features, rows), output)),
    };
    Ok(Tensor::from_primitive::<Autodiff<Flex>>(output))
}
