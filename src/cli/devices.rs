//! Which devices there are, and the one a command computes on.

use super::Failure;
use crate::engine::{DeviceChoice, DeviceReport, Devices};
use burn::tensor::Device;
use burn::tensor::wgpu::{WgpuSetup, wgpu};
use serde_json::json;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer devices
  score-explorer devices --json
  score-explorer sample --device cpu")]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let adapters = adapters();
    let cpu = Devices::cpu_only().cpu.1;
    let chosen = best(&adapters);
    let (auto, why) = match chosen {
        Some(adapter) => (name(adapter), "it is a real graphics adapter"),
        None if adapters.is_empty() => (cpu.name.clone(), "there is no graphics adapter"),
        None => (cpu.name.clone(), "the only graphics adapters are drawn by the CPU, which computes faster itself"),
    };
    if args.json {
        let adapters: Vec<_> = adapters
            .iter()
            .map(|info| {
                json!({
                    "name": info.name,
                    "api": info.backend.to_string(),
                    "type": format!("{:?}", info.device_type),
                    "driver": info.driver,
                    "software": software(info),
                })
            })
            .collect();
        let all = json!({ "cpu": cpu.name, "adapters": adapters, "auto": { "device": auto, "why": why } });
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    println!("{}", cpu.name);
    for info in &adapters {
        println!("{}{}", name(info), if software(info) { ", software" } else { "" });
    }
    println!("\nauto chooses {auto}: {why}.");
    Ok(())
}

/// The devices for a choice. Graphics adapters are only looked for where the choice needs them.
///
/// # Errors
/// If a GPU is asked for and there is none, or it cannot be set up.
pub(super) fn open(choice: DeviceChoice) -> Result<Devices, Failure> {
    let mut devices = Devices::cpu_only();
    if choice == DeviceChoice::Cpu {
        return Ok(devices);
    }
    let adapters = adapters();
    let wanted = match choice {
        DeviceChoice::Gpu => !adapters.is_empty(),
        _ => best(&adapters).is_some(),
    };
    if wanted {
        let failed = |error| Failure::Running(format!("the GPU cannot be set up: {error}; try --device cpu"));
        let (device, setup) = Device::wgpu_options().init_with_setup().map_err(failed)?;
        devices.gpu = Some((device, report(&setup)));
    } else if choice == DeviceChoice::Gpu {
        return Err(Failure::Running("no graphics adapter was found; use --device cpu".into()));
    }
    Ok(devices)
}

fn report(setup: &WgpuSetup) -> DeviceReport {
    let info = setup.adapter.get_info();
    DeviceReport { name: name(&info), gpu: true, software: software(&info) }
}

/// Such as "NVIDIA H100 (vulkan)".
fn name(info: &wgpu::AdapterInfo) -> String {
    format!("{} ({})", info.name, info.backend)
}

/// Whether the adapter is really the CPU.
fn software(info: &wgpu::AdapterInfo) -> bool {
    info.device_type == wgpu::DeviceType::Cpu
}

/// The adapter that `auto` computes on, if any.
fn best(adapters: &[wgpu::AdapterInfo]) -> Option<&wgpu::AdapterInfo> {
    adapters.iter().find(|info| !software(info))
}

/// All graphics adapters of this machine, the fastest kinds first.
fn adapters() -> Vec<wgpu::AdapterInfo> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let found = now(instance.enumerate_adapters(wgpu::Backends::PRIMARY)).unwrap_or_default();
    let mut adapters: Vec<_> = found.iter().map(wgpu::Adapter::get_info).collect();
    adapters.sort_by_key(|info| match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    adapters
}

/// The value of a future that is ready at once, as wgpu's are outside browsers.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
