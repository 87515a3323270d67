//! The graphics devices of this process, as wgpu has them.

use super::kernel::Kernel;
use super::matrices;
use super::watch::{DeviceError, DeviceWatch};
use burn::tensor::Device;
use burn_wgpu::WgpuSetup;
use burn_wgpu::wgpu::{self, BindingType, BufferBindingType, BufferUsages};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

/// Storage buffers of a kernel.
pub(super) const STORAGE: usize = 6;
/// Of them, the place of the one that is written.
pub(super) const WRITTEN: usize = 2;
/// Storage buffers that every device binds at once which is taken, as WebGPU demands.
pub(crate) const BUFFERS: usize = 8;
/// Bytes that a workgroup's own memory has on every device, and most that one asks for.
const WORKGROUP_BYTES: [u32; 2] = [16 << 10, 32 << 10];
/// Most threads of a workgroup on every device.
pub(super) const THREADS: u32 = 256;

/// A device, its queue, who listens to it, and the kernels that were made for it so far.
#[derive(Debug)]
pub(in crate::network) struct Gpu {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub(super) watch: Arc<DeviceWatch>,
    pub layout: wgpu::BindGroupLayout,
    /// Bound where a kernel reads nothing.
    pub nothing: wgpu::Buffer,
    /// The side of the matrices that subgroups multiply, if they do, and if that is worth while.
    offered: Option<u32>,
    matrices: OnceLock<Option<u32>>,
    pipeline_layout: wgpu::PipelineLayout,
    pipelines: Mutex<HashMap<(Kernel, bool), wgpu::ComputePipeline>>,
}

/// A device of Burn, and what lies behind it.
#[derive(Clone, Debug)]
struct Known {
    device: Device,
    gpu: Arc<Gpu>,
    precision: Precision,
}

/// How features of networks are stored. Sums are of single precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    Single,
    Half,
}

static KNOWN: Mutex<Vec<Known>> = Mutex::new(Vec::new());

/// Makes known what lies behind devices of Burn's that share a setup, so that networks on them compute by kernels of their
/// own, which store features in these precisions. Devices that cannot run these keep to Burn's. Returns who listens to the
/// setup's device from now on.
pub fn register(devices: &[(&Device, Precision)], setup: &WgpuSetup) -> Option<Arc<DeviceWatch>> {
    if !is_able(&setup.adapter, &setup.device) {
        return None;
    }
    let mut all = locked(&KNOWN);
    // wgpu's devices of two instances may be equal. Burn's never are.
    let place = |all: &[Known], device: &Device| all.iter().position(|known| known.device == *device);
    let known = devices.iter().find_map(|(device, _)| place(&all, device));
    let gpu = known.map_or_else(|| Arc::new(Gpu::new(setup)), |place| all[place].gpu.clone());
    for &(device, precision) in devices {
        if place(&all, device).is_none() {
            all.push(Known { device: device.clone(), gpu: gpu.clone(), precision });
        }
    }
    // Burn began to when it was told of the device, and the last one who does is told.
    gpu.watch.listen();
    Some(gpu.watch.clone())
}

/// What lies behind a device of Burn, if it is known. Devices with gradients are others.
pub(in crate::network) fn of(device: &Device) -> Option<(Arc<Gpu>, Precision)> {
    let all = locked(&KNOWN);
    all.iter().find(|known| known.device == *device).map(|known| (known.gpu.clone(), known.precision))
}

/// Whether kernels of one's own can be computed on a device of Burn.
pub(crate) fn is_known(device: &Device) -> bool {
    locked(&KNOWN).iter().any(|known| known.device == *device)
}

fn is_able(adapter: &wgpu::Adapter, device: &wgpu::Device) -> bool {
    let limits = device.limits();
    adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
        && limits.max_storage_buffers_per_shader_stage >= BUFFERS as u32
        && limits.max_compute_workgroup_storage_size >= WORKGROUP_BYTES[0]
        && limits.max_compute_invocations_per_workgroup >= THREADS
        && limits.max_compute_workgroup_size_x >= THREADS
}

/// What a mutex guards: nothing here is left half done by a panic.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gpu {
    fn new(setup: &WgpuSetup) -> Self {
        let (device, queue) = (setup.device.clone(), setup.queue.clone());
        let entry = |binding: usize| {
            let kind = match binding {
                0 => BufferBindingType::Uniform,
                _ => BufferBindingType::Storage { read_only: binding != WRITTEN + 1 },
            };
            wgpu::BindGroupLayoutEntry {
                binding: binding as u32,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: BindingType::Buffer { ty: kind, has_dynamic_offset: false, min_binding_size: None },
                count: None,
            }
        };
        let entries: Vec<_> = (0..=STORAGE).map(entry).collect();
        let label = Some("network");
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let nothing = buffer(&device, 64, BufferUsages::STORAGE);
        let watch = DeviceWatch::new(&device, &queue, setup.adapter.get_info().device_type);
        // On a CPU that plays a graphics device, they are never sooner done, and the trial takes long.
        let is_real = setup.adapter.get_info().device_type != wgpu::DeviceType::Cpu;
        let offered = if is_real { matrices::offered(&setup.adapter, &device) } else { None };
        let (matrices, pipelines) = (OnceLock::new(), Mutex::default());
        Gpu { device, queue, watch, layout, nothing, offered, matrices, pipeline_layout, pipelines }
    }

    /// The side of the matrices by which convolutions of half precision are products: `None` where the device has none, or
    /// where they are wrong or slow. The first time, this is tried.
    pub(super) fn matrices(&self) -> Option<u32> {
        *self.matrices.get_or_init(|| self.offered.filter(|&side| matrices::pay(self, side)))
    }

    /// Bytes of a workgroup's own memory.
    pub fn workgroup_bytes(&self) -> u32 {
        self.device.limits().max_compute_workgroup_storage_size.min(WORKGROUP_BYTES[1])
    }

    /// A kernel that is ready to run, for features of single precision or half.
    pub(super) fn pipeline(&self, kernel: &Kernel, half: bool) -> wgpu::ComputePipeline {
        let mut pipelines = locked(&self.pipelines);
        let made = pipelines.entry((kernel.clone(), half)).or_insert_with(|| {
            let label = Some(kernel.name());
            let source = wgpu::ShaderSource::Wgsl(kernel.source(half).into());
            let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor { label, source });
            self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label,
                layout: Some(&self.pipeline_layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    // What a workgroup reads of its memory, it has written.
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: None,
            })
        });
        made.clone()
    }

    /// What is made of the device's memory and kernels.
    ///
    /// # Errors
    /// If the device has too little memory, or refuses a kernel.
    pub(super) fn made<T>(&self, make: impl FnOnce() -> T) -> Result<T, DeviceError> {
        let scopes = [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::Internal]
            .map(|filter| self.device.push_error_scope(filter));
        let made = make();
        // The last one pushed is the first to go.
        let errors = scopes.into_iter().rev().filter_map(|scope| ready(scope.pop()).flatten());
        let Some(error) = errors.last() else { return Ok(made) };
        // What was refused is not taken for a kernel another time.
        locked(&self.pipelines).clear();
        Err((&error).into())
    }

    /// Waits for what was copied to memory that the host can see, and reads it.
    ///
    /// # Errors
    /// If the device fails, or finishes nothing for long.
    pub fn read<T>(
        &self,
        copy: &wgpu::Buffer,
        after: &wgpu::SubmissionIndex,
        read: impl FnOnce(&[f32]) -> T,
    ) -> Result<T, DeviceError> {
        copy.slice(..).map_async(wgpu::MapMode::Read, |_| {});
        let values = self.read_mapped(copy, after, read)?;
        copy.unmap();
        Ok(values)
    }

    /// The same of memory that was asked to be mapped before, and stays so.
    ///
    /// # Errors
    /// Those of [`Gpu::read`].
    pub fn read_mapped<T>(
        &self,
        copy: &wgpu::Buffer,
        after: &wgpu::SubmissionIndex,
        read: impl FnOnce(&[f32]) -> T,
    ) -> Result<T, DeviceError> {
        let refused = |error: String| DeviceError::Refused(error);
        self.watch.wait_for(after)?;
        self.watch.check()?;
        let bytes = copy.get_mapped_range(..).map_err(|error| refused(error.to_string()))?;
        Ok(read(bytemuck::try_cast_slice(&bytes).map_err(|error| refused(error.to_string()))?))
    }

    /// A buffer that holds these bytes.
    pub fn upload(&self, bytes: &[u8], usage: BufferUsages) -> wgpu::Buffer {
        let made = buffer(&self.device, bytes.len() as u64, usage | BufferUsages::COPY_DST);
        self.queue.write_buffer(&made, 0, bytes);
        made
    }
}

/// What a future that is ready gives.
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// A buffer of at least so many bytes.
pub(super) fn buffer(device: &wgpu::Device, size: u64, usage: BufferUsages) -> wgpu::Buffer {
    let size = size.next_multiple_of(16).max(16);
    device.create_buffer(&wgpu::BufferDescriptor { label: Some("network"), size, usage, mapped_at_creation: false })
}
