//! The graphics device that the window draws with, shared with Burn, and shaders that draw on it.

use super::Notice;
use crate::engine::{Devices, Failure};
use burn::tensor::wgpu::WgpuSetup;
use eframe::egui_wgpu::{self, RenderState, wgpu};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The devices of this process, and what a person should know of them.
pub struct Shared {
    pub devices: Devices,
    pub notice: Option<Notice>,
}

/// How eframe asks for its device: a real adapter before a software one, with all features and
/// limits that it offers, since Burn's kernels look at what the adapter offers.
pub fn window_graphics() -> egui_wgpu::WgpuConfiguration {
    let mut setup = egui_wgpu::WgpuSetupCreateNew::without_display_handle();
    setup.native_adapter_selector = Some(Arc::new(|adapters, surface| {
        let shows = |adapter: &&wgpu::Adapter| surface.is_none_or(|surface| adapter.is_surface_supported(surface));
        let best = adapters.iter().filter(shows).min_by_key(|adapter| rank(&adapter.get_info()));
        best.cloned().ok_or_else(|| "no graphics adapter can draw on this display".to_owned())
    }));
    setup.device_descriptor = Arc::new(descriptor);
    egui_wgpu::WgpuConfiguration { wgpu_setup: setup.into(), ..eframe::NativeOptions::default().wgpu_options }
}

/// Smaller is better.
fn rank(info: &wgpu::AdapterInfo) -> (u8, u8) {
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    };
    // OpenGL has no storage buffers to speak of, so a real GPU behind Vulkan comes first.
    (kind, u8::from(info.backend == wgpu::Backend::Gl))
}

fn descriptor(adapter: &wgpu::Adapter) -> wgpu::DeviceDescriptor<'static> {
    // Mappable primary buffers slow discrete cards down. Of what is experimental, networks use products of matrices.
    let experimental = wgpu::Features::all_experimental_mask() - wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
    let left_out = wgpu::Features::MAPPABLE_PRIMARY_BUFFERS | experimental;
    wgpu::DeviceDescriptor {
        label: Some("window and sampler"),
        required_features: adapter.features().difference(left_out),
        required_limits: adapter.limits(),
        // Burn pools its own memory.
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        // SAFETY: the one kernel that multiplies matrices stays inside its buffers, whatever it is told.
        experimental_features: unsafe { wgpu::ExperimentalFeatures::enabled() },
        ..Default::default()
    }
}

/// Hands the window's own device to Burn. Where that fails, the CPU computes.
pub fn share(state: Option<&RenderState>) -> Shared {
    let Some(state) = state else { return Shared { devices: Devices::cpu_only(), notice: None } };
    let info = state.adapter.get_info();
    let setup = WgpuSetup {
        instance: state.instance.clone(),
        adapter: state.adapter.clone(),
        device: state.device.clone(),
        queue: state.queue.clone(),
        backend: info.backend,
    };
    let why = match catch_unwind(AssertUnwindSafe(|| Devices::sharing(setup))) {
        Ok(Ok(devices)) => return Shared { devices, notice: None },
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the driver refused".to_owned(),
    };
    let notice = Notice::problem(Failure {
        what: format!("{} cannot be used for computation ({why}).", info.name),
        remedy: "The CPU is used instead; a newer graphics driver may help.".into(),
    });
    Shared { devices: Devices::cpu_only(), notice: Some(notice) }
}

/// A shader that paints all pixels of what it is drawn on, and the layout of what is bound to it.
pub struct PixelShader {
    pipeline: wgpu::RenderPipeline,
    pub layout: wgpu::BindGroupLayout,
    /// Its target takes linear light.
    pub linear_target: bool,
}

/// What is different between the pipelines of a shader.
struct Stages<'a> {
    vertex: &'a str,
    fragment: &'a str,
    topology: wgpu::PrimitiveTopology,
    buffers: &'a [Option<wgpu::VertexBufferLayout<'a>>],
    target: wgpu::ColorTargetState,
}

impl Stages<'_> {
    fn pipeline(
        &self,
        device: &wgpu::Device,
        label: &'static str,
        source: &str,
        layout: &wgpu::BindGroupLayout,
    ) -> wgpu::RenderPipeline {
        let label = Some(label);
        let source = wgpu::ShaderSource::Wgsl(source.into());
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label, source });
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(layout)],
            immediate_size: 0,
        });
        device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label,
            layout: Some(&layout),
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some(self.vertex),
                compilation_options: Default::default(),
                buffers: self.buffers,
            },
            primitive: wgpu::PrimitiveState { topology: self.topology, ..Default::default() },
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some(self.fragment),
                compilation_options: Default::default(),
                targets: &[Some(self.target.clone())],
            }),
            multiview_mask: None,
            cache: None,
        })
    }
}

impl PixelShader {
    /// From WGSL with functions `vertex` and `fragment`, for a target of this format. The fragments see `bindings`, from
    /// the first on.
    pub fn new(
        device: &wgpu::Device,
        label: &'static str,
        source: &str,
        bindings: &[wgpu::BindingType],
        format: wgpu::TextureFormat,
    ) -> Self {
        let entry = |(binding, &ty): (u32, &wgpu::BindingType)| {
            // Only uniforms say where something is.
            let uniform = wgpu::BufferBindingType::Uniform;
            let placed = matches!(ty, wgpu::BindingType::Buffer { ty, .. } if ty == uniform);
            let vertex = if placed { wgpu::ShaderStages::VERTEX } else { wgpu::ShaderStages::NONE };
            let visibility = wgpu::ShaderStages::FRAGMENT | vertex;
            wgpu::BindGroupLayoutEntry { binding, visibility, ty, count: None }
        };
        let entries: Vec<_> = (0..).zip(bindings).map(entry).collect();
        let layout =
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries: &entries });
        let stages = Stages {
            vertex: "vertex",
            fragment: "fragment",
            topology: wgpu::PrimitiveTopology::TriangleList,
            buffers: &[],
            target: format.into(),
        };
        let pipeline = stages.pipeline(device, label, source, &layout);
        PixelShader { pipeline, layout, linear_target: format.is_srgb() }
    }

    /// Functions `mark` and `ink` with the same bindings, for a target of the same format: each instance of `attributes` is
    /// a strip of four corners, blended over what is there.
    pub fn marks(
        &self,
        device: &wgpu::Device,
        label: &'static str,
        source: &str,
        attributes: &[wgpu::VertexAttribute],
        format: wgpu::TextureFormat,
    ) -> wgpu::RenderPipeline {
        let bytes = attributes.iter().map(|attribute| attribute.offset + attribute.format.size()).max();
        let instances = wgpu::VertexBufferLayout {
            array_stride: bytes.unwrap_or_default(),
            step_mode: wgpu::VertexStepMode::Instance,
            attributes,
        };
        let blend = Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING);
        let stages = Stages {
            vertex: "mark",
            fragment: "ink",
            topology: wgpu::PrimitiveTopology::TriangleStrip,
            buffers: &[Some(instances)],
            target: wgpu::ColorTargetState { format, blend, write_mask: wgpu::ColorWrites::ALL },
        };
        stages.pipeline(device, label, source, &self.layout)
    }

    /// Draws with what is bound.
    pub fn draw(&self, group: &wgpu::BindGroup, pass: &mut wgpu::RenderPass<'static>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, group, &[]);
        pass.draw(0..3, 0..1);
    }
}

/// A colour as a target takes it: one of linear light, or egui's own, which takes sRGB values as they are.
pub fn target_colour(colour: egui::Color32, linear: bool) -> [f32; 4] {
    if linear { egui::Rgba::from(colour).to_array() } else { colour.to_normalized_gamma_f32() }
}

/// How a buffer is bound to a [`PixelShader`].
pub const fn buffer_binding(ty: wgpu::BufferBindingType) -> wgpu::BindingType {
    wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None }
}

/// A buffer that can be written to.
pub fn buffer(device: &wgpu::Device, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size,
        usage: usage | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{DeviceChoice, End, Engine, Options, Sample, Update};
    use crate::network::DeviceError;
    use crate::task::{Count, ModelRef, Run, Steps};
    use egui_kittest::wgpu::create_render_state;
    use std::time::Duration;

    #[test]
    fn a_device_that_is_stuck_is_given_up_like_one_that_is_lost() {
        let state = create_render_state(window_graphics().wgpu_setup, egui_wgpu::RendererOptions::default());
        let engine = Engine::new(share(Some(&state)).devices, None, |_| {});
        let (steps, count) = (Steps::new(20).unwrap(), Count::new(2).unwrap());
        let run = Run { model: ModelRef::Mixture("blocks".into()), steps, count, ..Run::default() };
        let options = Options { record: 1 << 20, held: true, ..Options::on(DeviceChoice::Gpu) };
        let handle = engine.start(Sample { run, from: None }, options);
        let until = |is_last: fn(&Update<Sample>) -> bool| {
            let mut heard = Vec::new();
            while heard.last().is_none_or(|update| !is_last(update)) {
                let next = handle.wait(Duration::from_secs(60));
                heard.push(next.unwrap_or_else(|| panic!("no more was heard than {heard:?}")));
            }
            heard
        };
        until(|update| matches!(update, Update::Paused));
        handle.step(6);
        until(|update| matches!(update, Update::Paused));
        // As whoever waits for the device reports it.
        let watch = engine.devices().watch.clone().unwrap();
        watch.report(DeviceError::Stuck(Duration::from_secs(120)));
        handle.resume();
        let heard = until(|update| matches!(update, Update::Ended(_)));
        let told = |update: &Update<Sample>| match update {
            Update::Notice(notice) => {
                notice.starts_with("The graphics device did not answer for 120 s after step ")
                    && notice.ends_with("; the CPU goes on from step 6.")
            }
            _ => false,
        };
        assert!(heard.iter().any(told), "{heard:?}");
        let Some(Update::Ended(End::Finished(last))) = heard.last() else { panic!("{heard:?}") };
        assert_eq!((last.newest.step, last.timeline.len()), (20, 21));
    }
}
