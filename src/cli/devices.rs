//! Compute devices, and the one that a command uses.

use super::Failure;
use crate::engine::{DeviceChoice, Devices};
use burn::tensor::wgpu::wgpu;
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
        Some(adapter) => (name(adapter), "it is a hardware GPU"),
        None if adapters.is_empty() => (cpu.name.clone(), "no GPU was found"),
        None => (cpu.name.clone(), "all graphics adapters are software ones, and the CPU is faster without them"),
    };
    if args.json {
        let adapters: Vec<_> = adapters
            .iter()
            .map(|info| {
                json!({
                    "name": info.name,
                    "api": format!("{:?}", info.backend),
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
    say!("{}", cpu.name);
    for info in &adapters {
        say!("{}{}", name(info), if software(info) { ", software" } else { "" });
    }
    say!();
    say!("auto selects {auto}: {why}.");
    Ok(())
}

/// The devices for a choice. A graphics adapter is only set up where the choice would compute on it.
///
/// # Errors
/// If a GPU is required and none can be used.
pub(super) fn open(choice: DeviceChoice) -> Result<Devices, Failure> {
    if choice == DeviceChoice::Auto && best(&adapters()).is_none() {
        return Ok(Devices::cpu_only());
    }
    let devices = Devices::headless(choice);
    match (choice, &devices.gpu) {
        (DeviceChoice::Gpu | DeviceChoice::GpuHalf, None) => {
            Err(Failure::Running("no usable GPU was found; use --device cpu".into()))
        }
        _ => Ok(devices),
    }
}

/// Such as "NVIDIA H100 (Vulkan)", as runs name their device.
fn name(info: &wgpu::AdapterInfo) -> String {
    format!("{} ({:?})", info.name, info.backend)
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
    // Only what Burn computes on: the others start up slowly and write to stderr where there is no display.
    let backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let found = now(instance.enumerate_adapters(backends)).unwrap_or_default();
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
