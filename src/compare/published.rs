//! Figures that others published, each with its source: a layer of their own, never mixed with what is measured.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// A published figure: FID over 50,000 samples of CIFAR-10.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedFigure {
    /// What was sampled, and how.
    pub name: String,
    pub evaluations: f64,
    pub fid: f64,
    /// Standard deviation over runs, where it is given.
    pub std: Option<f64>,
    /// Author and year, table or figure; whether it was read off a plot.
    pub source: String,
}

/// A cell of Song et al. 2021, table 1.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TableCell {
    /// `ve` or `vp`.
    pub family: String,
    pub network: String,
    pub predictor: String,
    /// `P1000`, `P2000`, `C2000` or `PC1000`.
    pub sampler: String,
    pub nfe: f64,
    pub fid: f64,
    pub std: f64,
}

#[derive(Deserialize)]
struct File {
    table1: Table,
    few_steps: FewSteps,
    edm: Rows<Named>,
    restart: Rows<Curve>,
}

#[derive(Deserialize)]
struct Table {
    source: String,
    cells: Vec<TableCell>,
}

#[derive(Deserialize)]
struct FewSteps {
    source: String,
    nfe: Vec<f64>,
    rows: Map<String, Value>,
}

#[derive(Deserialize)]
struct Rows<Row> {
    source: String,
    #[serde(default)]
    read_off: bool,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Named {
    what: String,
    nfe: f64,
    fid: f64,
}

#[derive(Deserialize)]
struct Curve {
    what: String,
    points: Vec<[f64; 2]>,
}

/// The file that ships; a test reads it.
static FILE: LazyLock<Option<File>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../assets/comparison/published.json")).ok());

/// The cells of table 1.
pub fn table_1() -> &'static [TableCell] {
    FILE.as_ref().map_or(&[], |file| &file.table1.cells)
}

/// All figures that have a number of evaluations.
pub fn published() -> Vec<PublishedFigure> {
    let Some(file) = FILE.as_ref() else { return Vec::new() };
    let source = &file.table1.source;
    let mut all: Vec<PublishedFigure> = file
        .table1
        .cells
        .iter()
        .map(|cell| PublishedFigure {
            name: format!("{}: {} {}", cell.network, cell.sampler, cell.predictor),
            evaluations: cell.nfe,
            fid: cell.fid,
            std: Some(cell.std),
            source: source.clone(),
        })
        .collect();
    let figure = |name: &str, evaluations, fid, source: &str, read_off: bool| PublishedFigure {
        name: name.to_owned(),
        evaluations,
        fid,
        std: None,
        source: if read_off { format!("{source} (read off the plot)") } else { source.to_owned() },
    };
    for (name, fids) in &file.few_steps.rows {
        let fids = fids.as_array().map(Vec::as_slice).unwrap_or_default();
        let known = file.few_steps.nfe.iter().zip(fids).filter_map(|(nfe, fid)| Some((*nfe, fid.as_f64()?)));
        all.extend(known.map(|(nfe, fid)| figure(name, nfe, fid, &file.few_steps.source, false)));
    }
    let Rows { source, read_off, rows } = &file.edm;
    all.extend(rows.iter().map(|row| figure(&format!("EDM, {}", row.what), row.nfe, row.fid, source, *read_off)));
    let Rows { source, read_off, rows } = &file.restart;
    for Curve { what, points } in rows {
        all.extend(points.iter().map(|[nfe, fid]| figure(what, *nfe, *fid, source, *read_off)));
    }
    all
}
