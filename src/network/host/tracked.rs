//! A network of the host as one node of Burn's graph of gradients.

use super::on_values;
use super::two_way::{Tape, TwoWay, output};
use crate::Image;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData, TensorReadError};
use std::marker::PhantomData;
use std::sync::Arc;

/// The way back.
#[derive(Debug)]
struct Back<N>(PhantomData<N>);

impl<N: TwoWay> Backward<Flex, 1> for Back<N> {
    type State = Arc<Tape<N>>;

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

/// The network's output for images, N×C×H×W. It can be differentiated where the images lie on a device that keeps
/// gradients, and the network was loaded for them.
pub(super) fn forward<N: TwoWay>(network: &Arc<N>, x: Image, given: N::Given) -> Result<Image, TensorReadError> {
    let (dims, to) = (x.dims(), network.output(x.dims()));
    let tracked = network.is_differentiable().then(|| x.clone().try_into_primitive::<Autodiff<Flex>>());
    let Some(Ok(tracked)) = tracked else {
        return on_values(x, to, |x, dims| output(&**network, x, dims, &given));
    };
    let (x, node) = tracked.into_parts();
    let x = x.into_data().try_into_vec_as()?;
    let output = match Back::<N>(PhantomData).prepare::<NoCheckpointing>([node]).compute_bound().stateful() {
        OpsKind::Tracked(node) => {
            let (values, tape) = Tape::record(network, x, dims, given);
            node.finish(Arc::new(tape), tensor(values, to))
        }
        OpsKind::UnTracked(node) => node.finish(tensor(output(&**network, x, dims, &given), to)),
    };
    Ok(Tensor::from_primitive::<Autodiff<Flex>>(output))
}
