//! Presets by the names that ComfyUI's and k-diffusion's menus have.

use super::{Group, Preset};

/// Name, summary with its paper, solver, grid, steps.
type Line = (&'static str, &'static str, &'static str, &'static str, usize);

const MENU: &[Line] = &[
    ("Euler", "Euler's method (Karras et al. 2022, algorithm 1 without its correction)", "euler", "edm", 20),
    ("Euler a", "Euler's method with ancestral noise (k-diffusion; DDPM of Ho et al. 2020)", "euler:1", "edm", 20),
    ("Heun Karras", "Heun's method on EDM's grid (Karras et al. 2022)", "heun", "edm", 20),
    ("EDM stochastic", "Heun's method with churn (Karras et al. 2022, algorithm 2)", "edm-stochastic", "edm", 32),
    ("DPM2", "DPM-Solver-2 in σ (Lu et al. 2022a)", "dpm-2", "edm", 20),
    ("DPM2 a", "DPM-Solver-2 in σ with ancestral noise (Lu et al. 2022a)", "dpm-2:1", "edm", 20),
    ("LMS", "Linear multistep method (k-diffusion; Zhang and Chen 2023, ρAB)", "lms", "edm", 20),
    ("DPM adaptive", "DPM-Solver-23 with controlled steps (Lu et al. 2022a)", "dpm-adaptive", "uniform", 1),
    (
        "DPM fast",
        "DPM-Solver-fast: third order within 20 evaluations (Lu et al. 2022a)",
        "dpm++s:3:noise:midpoint:between:20",
        "log-snr",
        7,
    ),
    ("DPM++ 2S a", "DPM-Solver++(2S) with ancestral noise (Lu et al. 2022)", "dpm++2s-a", "edm", 20),
    ("DPM++ SDE", "DPM-Solver++ with noise in both halves of a step (Lu et al. 2022)", "dpm++sde", "log-snr", 20),
    ("DPM++ SDE Karras", "DPM++ SDE on Karras' grid (Lu et al. 2022; Karras et al. 2022)", "dpm++sde", "edm", 20),
    ("DPM++ 2M", "DPM-Solver++(2M) in equal steps of log-SNR (Lu et al. 2022)", "dpm++", "log-snr", 20),
    ("DPM++ 2M Karras", "DPM-Solver++(2M) on Karras' grid (Lu et al. 2022)", "dpm++", "edm", 20),
    ("DPM++ 2M SDE", "SDE-DPM-Solver++(2M), exponential grid (Lu et al. 2022)", "sde-dpm++2m", "log-snr", 20),
    ("DPM++ 2M SDE Karras", "SDE-DPM-Solver++(2M) on Karras' grid (Lu et al. 2022)", "sde-dpm++2m", "edm", 20),
    ("DPM++ 3M SDE", "SDE-DPM-Solver++(3M), exponential grid (Lu et al. 2022)", "sde-dpm++3m", "log-snr", 20),
    ("DDIM", "Deterministic DDIM at every 50th level (Song, Meng and Ermon 2021)", "ddim", "leading", 20),
    ("PLMS", "PNDM without its Runge–Kutta steps (Liu et al. 2022)", "pndm", "leading", 20),
    ("UniPC", "UniPC of second order with B₂ (Zhao et al. 2023)", "unipc", "linspace:0:1", 20),
    ("UniPC bh1", "UniPC of third order with B₁ (Zhao et al. 2023)", "unipc:3:data:bh1", "linspace:0:1", 20),
    ("DEIS", "DEIS with three noise estimates (Zhang and Chen 2023)", "deis", "log-snr", 20),
    ("iPNDM", "iPNDM with four slopes (Liu et al. 2022; Zhang and Chen 2023)", "ipndm", "edm", 20),
    ("iPNDM v", "iPNDM_v as published (diff-sampler)", "ipndm:4:variable", "edm", 20),
    ("SA-Solver", "SA-Solver with τ = 1 (Xue et al. 2023)", "sa-solver", "log-snr", 20),
    ("Restart", "Restart with one interval (Xu et al. 2023)", "restart", "edm", 18),
];

/// The presets of these menus.
pub(super) fn presets() -> Vec<Preset> {
    let preset = |&(name, summary, solver, grid, steps): &Line| {
        let (solver, grid) = (solver.parse().ok()?, grid.parse().ok()?);
        Some(Preset {
            name: name.into(),
            summary: summary.into(),
            group: Group::Menu,
            solver,
            grid,
            steps,
            clip: false,
        })
    };
    MENU.iter().filter_map(preset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_preset() {
        assert_eq!(presets().len(), MENU.len());
    }
}
