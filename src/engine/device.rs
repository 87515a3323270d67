//! Where a run computes.

use crate::network::{Architecture, Learner, Precision, register_gpu};
use burn::tensor::Device;
use burn_wgpu::wgpu::{AdapterInfo, DeviceType};
use burn_wgpu::{WgpuInitError, WgpuSetup};
use serde::{Deserialize, Serialize};

/// Which device a person asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceChoice {
    /// The GPU where there is a real one, else the CPU.
    #[default]
    Auto,
    Gpu,
    /// The GPU, where networks store their features in half precision.
    GpuHalf,
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

impl DeviceReport {
    fn of_adapter(adapter: &AdapterInfo) -> DeviceReport {
        let software = adapter.device_type == DeviceType::Cpu;
        DeviceReport { name: format!("{} ({:?})", adapter.name, adapter.backend), gpu: true, software }
    }
}

/// The devices of this process.
#[derive(Clone, Debug)]
pub struct Devices {
    pub cpu: (Device, DeviceReport),
    pub gpu: Option<(Device, DeviceReport)>,
    /// The GPU again, for features of half precision.
    pub half: Option<(Device, DeviceReport)>,
}

impl Devices {
    /// The CPU alone.
    pub fn cpu_only() -> Devices {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let report = DeviceReport { name: format!("CPU (flex, {threads} threads)"), gpu: false, software: false };
        Devices { cpu: (Device::flex(), report), gpu: None, half: None }
    }

    /// The CPU, and the adapter of a setup that something else (the window) made and uses.
    ///
    /// # Errors
    /// If Burn cannot compute on that adapter.
    pub fn sharing(setup: WgpuSetup) -> Result<Devices, WgpuInitError> {
        let device = Device::wgpu_options().setup(setup.clone()).init()?;
        Ok(Devices::with(device, setup))
    }

    /// The CPU, and a device with the setup behind it.
    pub fn with(device: Device, setup: WgpuSetup) -> Devices {
        let report = DeviceReport::of_adapter(&setup.adapter.get_info());
        register_gpu(&device, &setup, Precision::Single);
        // Burn knows it by another name, and keeps memory apart.
        let half = Device::wgpu_options().setup(setup.clone()).init().ok().map(|device| {
            register_gpu(&device, &setup, Precision::Half);
            (device, DeviceReport { name: format!("{}, half precision", report.name), ..report.clone() })
        });
        Devices { gpu: Some((device, report)), half, ..Devices::cpu_only() }
    }

    /// The devices for a choice, without a window. The graphics adapter is looked for unless
    /// the choice is the CPU; one that cannot compute is as good as none.
    pub fn headless(choice: DeviceChoice) -> Devices {
        let cpu = Devices::cpu_only();
        if choice == DeviceChoice::Cpu {
            return cpu;
        }
        match Device::wgpu_options().init_with_setup() {
            Ok((device, setup)) => Devices::with(device, setup),
            Err(_) => cpu,
        }
    }

    /// One sentence on which device `Auto` takes, and why.
    pub fn reason(&self) -> String {
        match &self.gpu {
            Some((_, gpu)) if gpu.software => {
                format!("{}: the only graphics adapter, {}, is a software one", self.cpu.1.name, gpu.name)
            }
            Some((_, gpu)) => gpu.name.clone(),
            None => format!("{}: no graphics adapter was found", self.cpu.1.name),
        }
    }

    /// The device that a network learns on. `Auto` takes a GPU where its own kernels can teach such a network, else the CPU,
    /// whose own gradients are faster than those that a GPU finds by tensor operations: of the bundled network 128 images/s
    /// on two cores, 120 by tensor operations on an H100, 2,150 by its kernels.
    pub fn choose_to_learn(&self, choice: DeviceChoice, architecture: &Architecture) -> &(Device, DeviceReport) {
        match choice {
            DeviceChoice::Auto if !Learner::suits(architecture) => &self.cpu,
            _ => self.choose(choice),
        }
    }

    /// The device for a choice: a software adapter is never chosen by `Auto`, and a GPU falls back to the CPU where there is
    /// none.
    pub fn choose(&self, choice: DeviceChoice) -> &(Device, DeviceReport) {
        match (choice, &self.gpu, &self.half) {
            (DeviceChoice::Gpu, Some(gpu), _) => gpu,
            (DeviceChoice::GpuHalf, _, Some(half)) => half,
            (DeviceChoice::Auto, Some(gpu), _) if !gpu.1.software => gpu,
            _ => &self.cpu,
        }
    }
}
