//! What is measured, and how it is shown.

use super::SAMPLES;
use crate::network::{Ceilings, Demand};
use serde::Serialize;

const MIB: f64 = 1024.0 * 1024.0;
const GIGA: f64 = 1e9;

/// All that was measured. Times are in seconds, memory in bytes.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    pub(super) model: String,
    pub(super) parameters: usize,
    pub(super) device: String,
    /// From Run to the first x(t), with the model still to be opened.
    pub(super) first_state: f64,
    pub(super) run: WholeRun,
    pub(super) memory: Memory,
    pub(super) evaluations: Vec<Evaluations>,
    /// Where the time of one evaluation of a batch of 16 goes.
    pub(super) layers: Vec<LayerTime>,
    /// On a GPU only.
    pub(super) asked: Option<Asked>,
    /// On a GPU that computes the network by kernels of the program's own.
    pub(super) card: Option<Card>,
    pub(super) streaming: Streaming,
}

/// Where the time of a run of predictor and corrector goes, with recording and events.
#[derive(Debug, Serialize)]
pub(super) struct WholeRun {
    pub(super) steps: usize,
    pub(super) samples: usize,
    pub(super) evaluations: usize,
    pub(super) seconds: f64,
    pub(super) network: f64,
    /// As many draws, by themselves.
    pub(super) noise: f64,
    /// Recording and events.
    pub(super) recording: f64,
    /// All else: the solver's own arithmetic, and looking for commands.
    pub(super) solver: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Memory {
    pub(super) steps: usize,
    pub(super) samples: usize,
    pub(super) resident: Option<usize>,
    /// Most that was ever resident (Linux).
    pub(super) peak: Option<usize>,
    pub(super) recorded: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct Evaluations {
    pub(super) batch: usize,
    /// Images evaluated per second.
    pub(super) per_second: f64,
    /// In the shortest evaluation: whatever else the machine does only ever adds time.
    pub(super) best: f64,
}

/// GPU calls of one evaluation, and of one step of the predictor–corrector, which makes two.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Asked {
    #[serde(flatten)]
    pub(super) evaluation: Calls,
    pub(super) step: Calls,
}

/// What a GPU is asked to do.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Calls {
    pub(super) dispatches: f64,
    pub(super) submissions: f64,
    /// Copies to the host, which are waited for.
    pub(super) readbacks: f64,
}

/// What a graphics card can do, and how much of it one evaluation does.
#[derive(Debug, Serialize)]
pub(super) struct Card {
    pub(super) batch: usize,
    /// Bytes that copies read and write per second, as measured on this card.
    pub(super) copying: f64,
    /// Additions and multiplications of single precision per second in registers, as measured on this card.
    pub(super) arithmetic: f64,
    /// The whole evaluation, then each kind of layer by the card's own clock.
    pub(super) loads: Vec<Load>,
}

/// What is asked of a card in some time.
#[derive(Debug, Serialize)]
pub(super) struct Load {
    pub(super) kind: &'static str,
    pub(super) seconds: f64,
    /// Bytes; each value that a kernel reads or writes counts once.
    pub(super) read: u64,
    pub(super) written: u64,
    /// Additions and multiplications in sums of products.
    pub(super) operations: u64,
    /// Bytes, as a fraction of those that the card copies in the same time.
    pub(super) of_copying: f64,
    /// Operations, as a fraction of those that the card does in registers in the same time.
    pub(super) of_arithmetic: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct OnlyEvaluations {
    pub(super) evaluations: Vec<Evaluations>,
    /// With the gradient of each.
    pub(super) gradients: Vec<Evaluations>,
    /// Where the time of one evaluation of the largest batch goes; on a GPU only.
    pub(super) layers: Vec<LayerTime>,
    pub(super) training: Vec<Training>,
    /// On a GPU only.
    pub(super) asked: Option<Asked>,
    /// On a GPU that computes the network by kernels of the program's own.
    pub(super) card: Option<Card>,
    /// Most memory that was ever resident (Linux).
    pub(super) peak: Option<usize>,
}

/// Whole steps of a training.
#[derive(Debug, Serialize)]
pub(super) struct Training {
    #[serde(flatten)]
    pub(super) images: Evaluations,
    /// Where the time goes.
    pub(super) layers: Vec<LayerTime>,
}

#[derive(Debug, Serialize)]
pub(super) struct LayerTime {
    pub(super) kind: &'static str,
    pub(super) seconds: f64,
    /// Of the whole evaluation.
    pub(super) share: f64,
}

/// One run by the bare solver loop, and by the engine with recording and display.
#[derive(Debug, Serialize)]
pub(super) struct Streaming {
    pub(super) bare: f64,
    pub(super) engine: f64,
    /// What the engine adds, as a fraction of the bare run.
    pub(super) cost: f64,
}

impl OnlyEvaluations {
    pub(super) fn print(&self) {
        self.evaluations.iter().for_each(|figures| figures.print("evaluations/s"));
        self.layers.iter().for_each(|layer| layer.print("an evaluation of the largest batch"));
        self.gradients.iter().for_each(|figures| figures.print("gradients/s"));
        for Training { images, layers } in &self.training {
            images.print("images/s in training");
            layers.iter().for_each(|layer| layer.print("a step"));
        }
        self.asked.iter().for_each(Asked::print);
        self.card.iter().for_each(Card::print);
    }
}

impl LayerTime {
    fn print(&self, of: &str) {
        let LayerTime { kind, seconds, share } = self;
        println!("  {kind:<22} {:>7.2} ms, {:>4.1}% of {of}", seconds * 1e3, share * 100.0);
    }
}

impl Asked {
    fn print(&self) {
        for (what, calls) in [("evaluation", self.evaluation), ("predictor–corrector step", self.step)] {
            let Calls { dispatches, submissions, readbacks } = calls;
            println!(
                "  GPU            {dispatches:>8.1} dispatches in {submissions:.1} submissions per {what}, \
                 {readbacks:.1} waited for"
            );
        }
    }
}

impl Card {
    pub(super) fn print(&self) {
        let Card { batch, copying, arithmetic, loads } = self;
        println!(
            "  this card      {:>8.1} GB/s copied, {:.1} GFLOP/s in registers; of these, at batch {batch}",
            copying / GIGA,
            arithmetic / GIGA
        );
        loads.iter().for_each(Load::print);
    }
}

impl Load {
    /// What it comes to on a card with these ceilings.
    pub(super) fn new(kind: &'static str, seconds: f64, demand: Demand, ceilings: &Ceilings) -> Self {
        let Demand { read, written, operations } = demand;
        let of_copying = (read + written) as f64 / seconds / ceilings.bytes;
        let of_arithmetic = operations as f64 / seconds / ceilings.operations;
        Load { kind, seconds, read, written, operations, of_copying, of_arithmetic }
    }

    fn print(&self) {
        let Load { kind, seconds, read, written, operations, of_copying, of_arithmetic } = self;
        let per_second = |count: u64| count as f64 / seconds / GIGA;
        println!(
            "    {kind:<22} {:>9.3} ms {:>9.1} MB {:>8.1} GB/s {:>5.1}% {:>9.1} GFLOP/s {:>5.1}%",
            seconds * 1e3,
            (read + written) as f64 / 1e6,
            per_second(read + written),
            of_copying * 100.0,
            per_second(*operations),
            of_arithmetic * 100.0
        );
    }
}

impl Evaluations {
    fn print(&self, what: &str) {
        println!("  batch {:>2}       {:>8.1} {what}, best {:>8.1}", self.batch, self.per_second, self.best);
    }
}

impl Figures {
    pub(super) fn print(&self) {
        println!("{} ({} parameters) on {}", self.model, self.parameters, self.device);
        self.evaluations.iter().for_each(|figures| figures.print("evaluations/s"));
        self.layers.iter().for_each(|layer| layer.print(&format!("an evaluation at batch {SAMPLES}")));
        self.asked.iter().for_each(Asked::print);
        self.card.iter().for_each(Card::print);
        println!("  first x(t)     {:>8.2} s, including opening the model", self.first_state);
        let Streaming { bare, engine, cost } = &self.streaming;
        println!(
            "  overhead       {:>8.1}% ({engine:.2} s with display and recording, {bare:.2} s for the bare solver)",
            cost * 100.0
        );
        self.run.print();
        let Memory { steps, samples, resident, peak, recorded } = &self.memory;
        let mib = |bytes: &Option<usize>| bytes.map_or("?".into(), |bytes| format!("{:.0}", bytes as f64 / MIB));
        println!(
            "  memory         {:>8} MiB resident after {steps} steps of {samples} samples, peak {} MiB, {} MiB recorded",
            mib(resident),
            mib(peak),
            mib(&Some(*recorded))
        );
    }
}

impl WholeRun {
    pub(super) fn print(&self) {
        let WholeRun { steps, samples, evaluations, seconds, .. } = self;
        println!(
            "  PC{steps}         {seconds:>8.2} s for {samples} samples, {:.1} evaluations/s; of which",
            (evaluations * samples) as f64 / seconds
        );
        let parts = [
            ("network", self.network),
            ("noise", self.noise),
            ("recording and events", self.recording),
            ("solver arithmetic", self.solver),
        ];
        for (name, part) in parts {
            println!("    {name:<24} {part:>9.3} s, {:>6.2}%", part / seconds * 100.0);
        }
    }
}
