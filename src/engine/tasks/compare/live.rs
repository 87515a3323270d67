use crate::Pixels;
use crate::compare::{Account, Reading};
use crate::engine::locked;
use std::sync::{Arc, Mutex};

/// What a comparison shows: the newest of every cell.
#[derive(Clone, Debug)]
pub struct CompareLive(Arc<Mutex<Standing>>);

/// The newest of every cell, in their order.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    pub cells: Vec<CellStanding>,
    /// All samples are there, and everything is measured.
    pub measuring: bool,
}

/// How far a cell is.
#[derive(Clone, Debug)]
pub struct CellStanding {
    /// Samples that are there, and that are wanted.
    pub count: u64,
    pub of: u64,
    /// Score evaluations, and seconds of computing, of each sample.
    pub evaluations: f64,
    pub seconds: f64,
    /// The distance of so many samples: the first powers of two, and all.
    pub distance: Option<(u64, Reading)>,
    /// Why it does not go on.
    pub failure: Option<String>,
    /// The first samples: images in [0, 1], or points.
    pub images: Arc<Pixels<f32>>,
}

impl CellStanding {
    fn of(account: &Account, of: u64) -> CellStanding {
        CellStanding {
            count: account.count(),
            of,
            evaluations: account.evaluations_each(),
            seconds: account.seconds / account.count().max(1) as f64,
            distance: None,
            failure: account.failure.clone(),
            images: Arc::new(account.images.clone()),
        }
    }
}

impl CompareLive {
    pub(super) fn new(rows: &[(&Account, u64)]) -> CompareLive {
        let cells = rows.iter().map(|(account, end)| CellStanding::of(account, end - account.first)).collect();
        CompareLive(Arc::new(Mutex::new(Standing { cells, measuring: false })))
    }

    /// What is shown now.
    pub fn standing(&self) -> Standing {
        locked(&self.0).clone()
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut CellStanding)) {
        if let Some(cell) = locked(&self.0).cells.get_mut(index) {
            change(cell);
        }
    }

    pub(super) fn show(&self, index: usize, account: &Account) {
        self.change(index, |cell| {
            let images = if account.images.shape == cell.images.shape {
                cell.images.clone()
            } else {
                account.images.clone().into()
            };
            *cell = CellStanding { distance: cell.distance, images, ..CellStanding::of(account, cell.of) };
        });
    }

    pub(super) fn measuring(&self) {
        locked(&self.0).measuring = true;
    }

    pub(super) fn measured(&self, index: usize, count: u64, distance: f64) {
        self.change(index, |cell| cell.distance = Some((count, Reading::plain(distance))));
    }

    pub(super) fn finished(&self, index: usize, distance: Option<Reading>, count: u64) {
        self.change(index, |cell| cell.distance = distance.map(|distance| (count, distance)));
    }
}
