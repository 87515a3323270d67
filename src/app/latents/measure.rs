//! Likelihoods: of the pictures in the slots, against those of a set. The panel on the right.

use super::board::Board;
use super::{Command, Latents, figure};
use crate::Pixels;
use crate::app::Context;
use crate::app::theme::{Theme, UNIT};
use crate::app::widgets::{Combo, control_width, named, row};
use crate::engine;
use crate::task::{Estimate, Flow, Likelihood};
use egui::{Color32, DragValue, RichText, Ui, vec2};
use egui_plot::{Bar, BarChart, Plot, VLine};
use std::path::PathBuf;

/// Bins of the histogram.
const BINS: usize = 24;

/// The set that pictures are compared with.
#[derive(Debug, Default)]
pub struct Measure {
    /// `None`: Little Worlds.
    pub folder: Option<PathBuf>,
    wanted: bool,
    loading: bool,
    key: Option<Key>,
    name: String,
    pictures: Option<Pixels<f32>>,
    found: Vec<Likelihood>,
    /// The set before this one, measured in the same way: stays beside it.
    other: Option<Figures>,
}

/// What figures are of: how they are measured, and which set, of so many images of this shape.
#[derive(Clone, Debug, PartialEq)]
struct Key {
    way: (Flow, Estimate),
    folder: Option<PathBuf>,
    size: usize,
    shape: [usize; 3],
}

/// The figures of a set.
#[derive(Clone, Debug)]
struct Figures {
    name: String,
    bits: Vec<f64>,
}

impl Figures {
    /// Mean and its standard error.
    fn mean(&self) -> Option<(f64, f64)> {
        let n = self.bits.len() as f64;
        let mean = self.bits.iter().sum::<f64>() / n;
        let variance = self.bits.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (self.bits.len() > 1).then(|| (mean, (variance / n).sqrt()))
    }

    fn in_words(&self) -> String {
        let Figures { name, bits } = self;
        match self.mean() {
            Some((mean, error)) => format!("{name}: {mean:.3} ± {error:.3} bits/dim, {} images", bits.len()),
            None => name.clone(),
        }
    }
}

impl Measure {
    /// Asks for the set.
    pub fn ask(&mut self) {
        self.wanted = true;
    }

    /// Keeps what is measured and measures no more.
    pub fn stop(&mut self) {
        self.wanted = false;
    }

    /// Whether more of the set is wanted.
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Number of pictures.
    pub fn total(&self) -> usize {
        self.pictures.as_ref().map_or(0, |pictures| pictures.shape[0])
    }

    /// Forgets figures that other settings gave. Whether the set has to be read.
    pub fn renew(&mut self, flow: &Flow, estimate: &Estimate, board: &Board, size: usize) -> bool {
        let Some(shape) = board.shape.filter(|_| self.wanted && !self.loading) else { return false };
        let way = (flow.clone().measured(), *estimate);
        let key = Key { way, folder: self.folder.clone(), size, shape };
        if self.key.as_ref() != Some(&key) {
            let same_way = self.key.as_ref().is_some_and(|before| before.way == key.way);
            let same_set = self.key.as_ref().is_some_and(|before| before.folder == key.folder);
            if !same_way {
                self.other = None;
            } else if !same_set && !self.found.is_empty() {
                self.other = Some(self.figures());
            }
            self.key = Some(key);
            (self.pictures, self.found) = (None, Vec::new());
        }
        self.loading = self.pictures.is_none();
        self.loading
    }

    /// Takes in the set's pictures.
    pub fn take_set(&mut self, name: String, pixels: Pixels<f32>) {
        (self.name, self.pictures, self.loading) = (name, Some(pixels), false);
    }

    /// A set or a picture could not be read.
    pub fn refused(&mut self) {
        if self.loading {
            (self.loading, self.wanted, self.key) = (false, false, None);
        }
    }

    /// The next pictures to be measured: the first, and how many.
    pub fn next(&self, batch: usize) -> Option<(usize, usize)> {
        let left = self.total() - self.found.len().min(self.total());
        (self.wanted && left > 0).then_some((self.found.len(), left.min(batch)))
    }

    /// Measures some pictures of the set.
    pub fn task(&self, first: usize, count: usize) -> Option<engine::Likelihood> {
        let (flow, estimate) = self.key.clone()?.way;
        let pictures = self.pictures.as_ref()?;
        let values: Vec<f32> = (first..first + count).flat_map(|index| pictures.sample(index).to_vec()).collect();
        let [_, c, h, w] = pictures.shape;
        let images = Pixels { shape: [count, c, h, w], values: values.into() };
        Some(engine::Likelihood { flow, images, estimate: Estimate { first, ..estimate } })
    }

    /// Takes in figures.
    pub fn take(&mut self, found: &[Likelihood]) {
        self.found.extend_from_slice(found);
        if self.found.len() >= self.total() {
            self.wanted = false;
        }
    }

    /// bits/dim of the pictures measured so far.
    pub fn bits(&self) -> Vec<f64> {
        self.found.iter().map(|likelihood| likelihood.bits_per_dim).filter(|bits| bits.is_finite()).collect()
    }

    fn figures(&self) -> Figures {
        Figures { name: self.name.clone(), bits: self.bits() }
    }

    /// What the plot shows: the set, and the one before it.
    fn shown(&self) -> Vec<Figures> {
        let now = (!self.found.is_empty()).then(|| self.figures());
        now.into_iter().chain(self.other.clone()).collect()
    }
}

/// The panel.
pub fn ui(ui: &mut Ui, latents: &mut Latents, cx: &Context) {
    ui.spacing_mut().item_spacing.y = UNIT;
    ui.label(RichText::new("Likelihood").strong()).on_hover_text(
        "log p(x) by the instantaneous change of variables (Song et al. 2021, eq. 39), in bits per dimension: \
         the fewer, the more likely under the model",
    );
    slots(ui, latents, cx);
    ui.separator();
    set(ui, latents);
    ui.add_space(UNIT);
    plot(ui, latents);
}

fn slots(ui: &mut Ui, latents: &mut Latents, cx: &Context) {
    let mut asked = None;
    let now = latents.draft.flow(&cx.draft).ok().map(|flow| (flow.measured(), latents.draft.estimate()));
    for index in 0..latents.board.slots.len() {
        let name = Board::name(index);
        let key = latents.board.key(index);
        ui.horizontal(|ui| {
            ui.label(RichText::new(name.to_string()).strong());
            let known = key.and_then(|key| latents.board.likelihood(&key).cloned());
            let waits = key.is_some_and(|key| latents.work.to_measure.contains(&key));
            match known {
                Some((flow, estimate, likelihood)) => {
                    let old = now.as_ref().is_some_and(|now| *now != (flow.clone(), estimate));
                    let error = likelihood.standard_error.map(|error| format!(" ± {error:.3}")).unwrap_or_default();
                    let mark = if old { " (old)" } else { "" };
                    let density = if estimate.dequantise { "" } else { " at grid points" };
                    let tip = if old { "Measured with settings other than those on the left.\n" } else { "" };
                    let text = format!("{:.3}{error} bits/dim{density}{mark}", likelihood.bits_per_dim);
                    figure(ui, &text, &format!("{tip}{}", about(&flow, &estimate, &likelihood)));
                }
                None if waits => drop(ui.label(RichText::new("measuring…").weak())),
                None => drop(ui.label(RichText::new("–").weak())),
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let button = ui.add_enabled(key.is_some() && !waits, egui::Button::new("Measure"));
                let tip = "Compute log p of this image along the ODE; takes longer than encoding it";
                let button = button.on_disabled_hover_text("Add an image to this slot first.");
                if named(button, &format!("Measure {name}"), tip).clicked() {
                    asked = key;
                }
            });
        });
    }
    if let Some(key) = asked {
        latents.measure_picture(key);
    }
}

fn about(flow: &Flow, estimate: &Estimate, likelihood: &Likelihood) -> String {
    let density = match estimate.dequantise {
        true => String::new(),
        false => format!("Not dequantised: {}.\n", Estimate::AT_GRID_POINTS),
    };
    let error = match likelihood.standard_error {
        None => "no standard error from one probe: choose more probes".into(),
        Some(0.0) => "the divergence is exact".into(),
        Some(error) => format!("standard error over probes: {error:.4}"),
    };
    format!(
        "{density}{:.4} bits/dim; {error}\nlog prior {:.1} nats, ∫ div {:.1} nats\n{} score evaluations (NFE), {}",
        likelihood.bits_per_dim,
        likelihood.log_prior,
        likelihood.delta_log_p,
        likelihood.nfe,
        flow.solver.entry().title(flow.solver.settings())
    )
}

fn set(ui: &mut Ui, latents: &mut Latents) {
    let tip = "The images to compare those in the slots with";
    row(ui, "Set", tip, |ui| {
        let folder = latents.measure.folder.as_deref().and_then(|folder| folder.file_name());
        let shown = folder.map_or_else(|| "Little Worlds".into(), |name| name.to_string_lossy().into_owned());
        Combo { name: "Set", tip, width: control_width(ui) }.menu(ui, &shown, |ui| {
            if ui.selectable_label(latents.measure.folder.is_none(), "Little Worlds").clicked() {
                latents.measure.folder = None;
            }
            if ui.button("Folder of images…").clicked() {
                latents.commands.push(Command::ChooseSet);
            }
        });
    });
    let tip = "Number of images, evenly spaced through the set";
    row(ui, "Images", tip, |ui| {
        let field = DragValue::new(&mut latents.draft.set_size).range(1..=super::draft::MOST_OF_SET);
        named(ui.add_sized(vec2(64.0, 24.0), field), "Images of the set", tip);
        let busy = latents.measure.is_wanted();
        let word = if busy { "Stop" } else { "Measure the set" };
        let button = egui::Button::new(word).min_size(vec2(control_width(ui), 24.0));
        let tip = "Measure these images in the background";
        if named(ui.add(button), if busy { "Stop measuring" } else { word }, tip).clicked() {
            if busy {
                latents.measure.stop();
            } else {
                latents.work.held = None;
                latents.measure.ask();
            }
        }
    });
    let (done, total) = (latents.measure.found.len(), latents.measure.total());
    if latents.measure.is_wanted() && total > 0 {
        ui.add(egui::ProgressBar::new(done as f32 / total as f32).desired_height(6.0));
    }
}

fn plot(ui: &mut Ui, latents: &Latents) {
    let theme = Theme::of(ui);
    let sets = latents.measure.shown();
    let of_slot = |index| {
        let key = latents.board.key(index)?;
        Some((Board::name(index), latents.board.likelihood(&key)?.2.bits_per_dim))
    };
    let marks: Vec<(char, f64)> = (0..latents.board.slots.len()).filter_map(of_slot).collect();
    if sets.is_empty() && marks.is_empty() {
        let text = "Measure an image, and a set to compare it with: images unlike the training data take more \
                    bits per dimension. A second set is plotted beside the first.";
        ui.add(egui::Label::new(RichText::new(text).small().weak()).wrap());
        return;
    }
    let colours = [theme.accent, theme.series[0]];
    let tip = "Mean over the set, and its standard error";
    for (set, colour) in sets.iter().zip(colours) {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = UNIT;
            let (rect, _) = ui.allocate_exact_size(vec2(8.0, 8.0), egui::Sense::hover());
            ui.painter().rect_filled(rect, 1, colour);
            ui.add(egui::Label::new(RichText::new(set.in_words()).small()).wrap()).on_hover_text(tip);
        });
    }
    let all = || sets.iter().flat_map(|set| set.bits.iter().copied()).chain(marks.iter().map(|mark| mark.1));
    let (low, high) = all().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    let (low, width) = (low - 0.05, ((high - low + 0.1) / BINS as f64).max(0.01));
    let name = "Histogram of bits/dim";
    let shown = Plot::new("bits per dimension")
        .height((ui.available_height() - 40.0).clamp(110.0, 220.0))
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .include_y(1.0)
        .x_axis_label("bits/dim")
        .show(ui, |plot| {
            for (set, colour) in sets.iter().zip(colours) {
                let bars = bars(&set.bits, low, width, colour);
                plot.bar_chart(BarChart::new(set.name.clone(), bars).color(colour));
            }
            for (name, value) in &marks {
                plot.vline(VLine::new(format!("{name}: {value:.3} bits/dim"), *value).color(theme.warning).width(2.0));
            }
        });
    shown.response.on_hover_text("Bars: images of the sets. Lines: images in the slots.").accessible_name(name);
    let words: Vec<String> = marks.iter().map(|(name, value)| format!("{name} {value:.2}")).collect();
    ui.label(RichText::new(words.join("   ")).small().color(theme.warning));
}

/// How many values lie in each of [`BINS`] bins of one width.
fn bars(bits: &[f64], low: f64, width: f64, colour: Color32) -> Vec<Bar> {
    let mut counts = [0usize; BINS];
    for value in bits {
        counts[(((value - low) / width) as usize).min(BINS - 1)] += 1;
    }
    let place = |bin: usize| low + (bin as f64 + 0.5) * width;
    let bar = |(bin, &count): (usize, &usize)| Bar::new(place(bin), count as f64).width(0.92 * width);
    counts.iter().enumerate().map(|counted| bar(counted).fill(colour.gamma_multiply(0.7))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measures two pictures of a set as these figures.
    fn measured(measure: &mut Measure, board: &Board, flow: &Flow, folder: Option<&str>, bits: [f64; 2]) {
        measure.folder = folder.map(PathBuf::from);
        measure.ask();
        assert!(measure.renew(flow, &Estimate::default(), board, 2), "the set has to be read");
        let pixels = Pixels { shape: [2, 1, 1, 1], values: [0.0, 1.0].into() };
        measure.take_set(folder.unwrap_or("worlds").into(), pixels);
        assert!(!measure.renew(flow, &Estimate::default(), board, 2));
        let figure =
            |bits_per_dim| Likelihood { bits_per_dim, standard_error: None, log_prior: 0.0, delta_log_p: 0.0, nfe: 1 };
        measure.take(&bits.map(figure));
    }

    #[test]
    fn a_second_set_stands_beside_the_first_while_both_are_measured_alike() {
        let mut board = Board::default();
        board.shape = Some([1, 1, 1]);
        let (mut measure, flow) = (Measure::default(), Flow::default());
        measured(&mut measure, &board, &flow, None, [2.0, 3.0]);
        measured(&mut measure, &board, &flow, Some("photos"), [4.0, 6.0]);
        let shown = measure.shown();
        assert_eq!(shown.iter().map(|set| set.bits.clone()).collect::<Vec<_>>(), [vec![4.0, 6.0], vec![2.0, 3.0]]);
        // Mean of 4 and 6, whose sample variance is 2: standard error √(2/2).
        assert_eq!(shown[0].mean(), Some((5.0, 1.0)));

        let other = Flow { until: 1.0, end: 0.01, ..flow };
        measured(&mut measure, &board, &other, Some("others"), [1.0, 1.0]);
        assert_eq!(measure.shown().len(), 1, "figures of another flow cannot be compared");
        // The same set for a model of larger images is another, whose figures are not of as many dimensions.
        board.shape = Some([1, 2, 2]);
        measured(&mut measure, &board, &other, Some("others"), [5.0, 5.0]);
        assert_eq!(measure.shown().iter().map(|set| set.bits.clone()).collect::<Vec<_>>(), [vec![5.0, 5.0]]);
    }

    #[test]
    fn bars_count_every_value_once() {
        let bars = bars(&[0.0, 0.01, 0.9, 2.4], 0.0, 0.1, Color32::WHITE);
        let counts: Vec<f64> = bars.iter().map(|bar| bar.value).collect();
        assert_eq!((counts[0], counts[9], counts[BINS - 1], counts.iter().sum::<f64>()), (2.0, 1.0, 1.0, 4.0));
    }
}
