//! Where a run computes.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// Which device a person asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceChoice {
    /// The GPU where there is a real one, else the CPU.
    #[default]
    Auto,
    Gpu,
    Cpu,
}

/// A device as shown to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceReport {
    /// Such as "CPU (flex, 2 threads)" or "NVIDIA H100 (Vulkan)".
    pub name: String,
    /// Computes on a graphics adapter, real or software.
    pub gpu: bool,
    /// A graphics adapter that is really the CPU.
    pub software: bool,
}

/// The devices of this process.
#[derive(Clone, Debug)]
pub struct Devices {
    pub cpu: (Device, DeviceReport),
    pub gpu: Option<(Device, DeviceReport)>,
}

impl Devices {
    /// The CPU alone.
    pub fn cpu_only() -> Devices {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let report = DeviceReport { name: format!("CPU (flex, {threads} threads)"), gpu: false, software: false };
        Devices { cpu: (Device::flex(), report), gpu: None }
    }

    /// The device for a choice: a software adapter is never chosen by `Auto`, and `Gpu`
    /// falls back to the CPU where there is none.
    pub fn choose(&self, choice: DeviceChoice) -> &(Device, DeviceReport) {
        match (choice, &self.gpu) {
            (DeviceChoice::Gpu, Some(gpu)) => gpu,
            (DeviceChoice::Auto, Some(gpu)) if !gpu.1.software => gpu,
            _ => &self.cpu,
        }
    }
}
