//! Saving what came of a comparison.

use super::Work;
use crate::Pixels;
use crate::app::saving::{SaveJob, SavePanel, save_buttons};
use crate::app::widgets::{Combo, control_width, modal, row};
use crate::app::{Context, chart_font};
use crate::checkpoint::{write_atomically, write_photo};
use crate::compare::{Chart, CompareError, Cost, Font, Results, chart_png, chart_svg, csv, html};
use egui::Ui;
use std::path::Path;

/// What is saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum What {
    #[default]
    Page,
    Table,
    Values,
    Vector,
    Image,
}

impl What {
    const ALL: [What; 5] = [What::Page, What::Table, What::Values, What::Vector, What::Image];

    fn name(self) -> &'static str {
        match self {
            What::Page => "Report (one HTML page)",
            What::Table => "Table (CSV)",
            What::Values => "All figures (JSON)",
            What::Vector => "Chart (SVG)",
            What::Image => "Chart (PNG)",
        }
    }

    fn ending(self) -> &'static str {
        match self {
            What::Page => "html",
            What::Table => "csv",
            What::Values => "json",
            What::Vector => "svg",
            What::Image => "png",
        }
    }

    fn write(
        self,
        path: &Path,
        results: &Results,
        images: &[Option<Pixels<f32>>],
        chart: (Cost, bool),
    ) -> Result<(), CompareError> {
        let (cost, published) = chart;
        let font = Font(chart_font().ok_or_else(|| CompareError::Chart("its font is missing".into()))?);
        let chart = Chart { results, cost, published, font };
        let text = match self {
            What::Page => html(results, images, font)?,
            What::Table => csv(results),
            What::Values => serde_json::to_string_pretty(results).unwrap_or_default(),
            What::Vector => chart_svg(&chart)?,
            What::Image => return Ok(write_photo(path, &chart_png(&chart)?)?),
        };
        Ok(write_atomically(path, |out| out.write_all(text.as_bytes()))?)
    }
}

/// The panel.
pub struct Export {
    panel: SavePanel,
    what: What,
}

impl Default for Export {
    fn default() -> Self {
        Export { panel: SavePanel::new(0.0), what: What::default() }
    }
}

impl Export {
    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.panel.open
    }

    /// Opens it.
    pub fn open(&mut self, work: &Work, cx: &Context) {
        self.panel.open = true;
        self.suggest(work, cx);
    }

    fn suggest(&mut self, work: &Work, cx: &Context) {
        self.panel.suggest(&cx.saver, &format!("{}.{}", work.name(), self.what.ending()));
    }

    /// Shows it, if it is open.
    pub fn ui(&mut self, ui: &Ui, work: Option<&Work>, chart: (Cost, bool), cx: &mut Context) {
        let Some((work, results)) = work.and_then(|work| Some((work, work.results.as_ref()?))) else {
            self.panel.open = false;
            return;
        };
        let mut open = self.panel.open;
        if !open {
            return;
        }
        modal(ui, "Export results", &mut open, 420.0, |ui| {
            ui.heading("Export results");
            let tip = "The page has the chart, the table, images, and the command that makes it again";
            let before = self.what;
            row(ui, "What", tip, |ui| {
                let combo = Combo { name: "What", tip, width: control_width(ui) };
                combo.show(ui, &mut self.what, &What::ALL, |what| what.name().into(), |_| None);
            });
            if before != self.what {
                self.suggest(work, cx);
            }
            self.panel.place_row(ui, cx);
            ui.add_space(8.0);
            let job = self.panel.path().map(|path| {
                let (what, results) = (self.what, results.clone());
                let images: Vec<_> = work.standing.cells.iter().map(|cell| Some((*cell.images).clone())).collect();
                SaveJob::new(path, "saving the results", move |path, _| what.write(path, &results, &images, chart))
            });
            save_buttons(ui, "Save", job, cx)
        });
        self.panel.open = open;
    }
}
