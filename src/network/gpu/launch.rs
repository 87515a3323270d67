//! Kernels of one's own among those of Burn: computed after all that was asked before them.

use super::device;
use super::kernel::repeated;
use burn::tensor::{DType, Tensor};
use burn_wgpu::{CubeTensor, Wgpu};
use cubecl_ir::metadata::Info;
use cubecl_ir::settings::{Dim3, ExecutionMode, KernelSettings};
use cubecl_ir::{AddressType, ElemType, Scope, UIntKind};
use cubecl_runtime::id::KernelId;
use cubecl_runtime::kernel::{BufferIOAttr, CubeKernel, KernelDefinition, KernelMetadata, PrecompiledSource};
use cubecl_runtime::server::{CubeCount, KernelArguments, MetadataBindingInfo};
use std::fmt::Write;

/// Threads of a workgroup, a row of them.
pub(crate) const THREADS: u32 = device::THREADS;
/// Most workgroups in a row, on every device.
const ROW: u32 = 65_535;

/// A kernel whose buffers all hold `f32`: a file of `shaders/image`, with constants in front of it.
///
/// It writes `output`, reads its inputs by their names, and `told`, an `array<u32>`. Its workgroups are [`THREADS`] × 1 × 1
/// and lie in a grid of rows. Lines may be repeated as in kernels of networks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    pub name: &'static str,
    pub text: &'static str,
    pub constants: Vec<(&'static str, u32)>,
}

/// A kernel with the names of its inputs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Launched {
    source: Source,
    inputs: Vec<String>,
}

impl Launched {
    fn text(&self) -> String {
        let names = std::iter::once("output").chain(self.inputs.iter().map(String::as_str));
        let mut text = String::new();
        for (binding, name) in names.enumerate() {
            // Tensors may lie in one buffer of Burn's, which is not to be bound for reading and for writing at once.
            let _ = writeln!(text, "@group(0) @binding({binding}) var<storage, read_write> {name}: array<f32>;");
        }
        let _ = writeln!(text, "@group(0) @binding({}) var<storage, read> told: array<u32>;", self.inputs.len() + 1);
        for (name, value) in &self.source.constants {
            let _ = writeln!(text, "const {name} = {value}u;");
        }
        let number = |name: &str| Some(self.source.constants.iter().find(|(known, _)| *known == name)?.1);
        text + &repeated(&mut self.source.text.lines(), &number)
    }
}

impl KernelMetadata for Launched {
    fn name(&self) -> &'static str {
        self.source.name
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Launched>().info(self.clone()).cube_dim(Dim3 { x: THREADS, y: 1, z: 1 })
    }

    fn address_type(&self) -> ElemType {
        UIntKind::U32.into()
    }
}

impl CubeKernel for Launched {
    /// Nothing is to be compiled besides [`CubeKernel::source`].
    fn define(&self) -> KernelDefinition {
        let dim = Dim3 { x: THREADS, y: 1, z: 1 };
        let settings = KernelSettings::new(dim, ExecutionMode::Checked, AddressType::U32);
        KernelDefinition { body: Scope::root(settings.clone()), settings, info: Info::default() }
    }

    fn source(&self) -> Option<PrecompiledSource> {
        Some(PrecompiledSource { source: self.text(), entrypoint_name: "main".into(), lang: "wgsl" })
    }
}

/// Lets a kernel fill a tensor, by so many workgroups, on a device that is [known](device::is_known); `None` where values
/// are not of single precision. Inputs come with their names.
pub(crate) fn launch<const D: usize>(
    source: Source,
    inputs: &[(String, Tensor<1>)],
    output: &Tensor<D>,
    told: &[u32],
    workgroups: u32,
) -> Option<()> {
    let flat = [output.dims().iter().product::<usize>()];
    let output = of_burn(&output.clone().reshape(flat))?;
    let read = inputs.iter().map(|(_, input)| of_burn(input)).collect::<Option<Vec<_>>>()?;
    let kernel = Launched { source, inputs: inputs.iter().map(|(name, _)| name.clone()).collect() };
    let write = KernelArguments::new().with_buffer_io(output.handle.clone().binding(), BufferIOAttr::WriteOnly);
    let arguments = read.iter().fold(write, |arguments, input| {
        arguments.with_buffer_io(input.handle.clone().binding(), BufferIOAttr::ReadOnly)
    });
    let words = told.chunks(2).map(|pair| match pair {
        [low, high, ..] => u64::from(*low) | u64::from(*high) << 32,
        _ => u64::from(pair[0]),
    });
    let arguments = arguments.with_info(MetadataBindingInfo::custom(words.collect()));
    let rows = workgroups.div_ceil(ROW).max(1);
    let count = CubeCount::Static(workgroups.div_ceil(rows), rows, 1);
    output.client.launch(Box::new(kernel), count, arguments);
    Some(())
}

/// What Burn has of a tensor.
fn of_burn(x: &Tensor<1>) -> Option<CubeTensor> {
    if x.dtype() != DType::F32 {
        return None;
    }
    x.clone().try_into_primitive::<Wgpu>().ok()
}
