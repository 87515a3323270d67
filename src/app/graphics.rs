//! The graphics device that the window draws with, shared with Burn.

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
    // Mappable primary buffers slow discrete cards down; experimental features need `unsafe`.
    let left_out = wgpu::Features::MAPPABLE_PRIMARY_BUFFERS | wgpu::Features::all_experimental_mask();
    wgpu::DeviceDescriptor {
        label: Some("window and sampler"),
        required_features: adapter.features().difference(left_out),
        required_limits: adapter.limits(),
        // Burn pools its own memory.
        memory_hints: wgpu::MemoryHints::MemoryUsage,
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
