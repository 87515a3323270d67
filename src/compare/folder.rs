//! A comparison on the disk: its queue, which goes on wherever it was.
//!
//! | file | what |
//! | --- | --- |
//! | `comparison.json` | the [`Comparison`] |
//! | `cells/` | the account of each cell's samples, by its name and a checksum of its settings |
//! | `images/` | the first images of each cell |
//! | `samples/` | all images of each cell, where they are kept |
//! | `results.json`, `results.csv`, `chart.svg`, `chart.png`, `report.html` | what came of it |

use super::account::Stored;
use super::{
    Account, Cell, CompareError, Comparison, FIRST, Identity, Part, Results, read_comparison, write_comparison,
};
use crate::Pixels;
use crate::checkpoint::{FileError, claim, read_arrays, write_arrays, write_json, write_picture};
use crate::sde::Range;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const WHAT: &str = "the state of a cell";
/// The note that marks such a file, with its version.
const FIELD: &str = "score-explorer-cell";
const VERSION: &str = "1";

/// A comparison's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at a path, which need not exist.
    pub fn new(path: &Path) -> Folder {
        Folder { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the comparison.
    pub fn value(&self) -> PathBuf {
        self.path.join("comparison.json")
    }

    /// The file of the results.
    pub fn results(&self) -> PathBuf {
        self.path.join("results.json")
    }

    /// The comparison that was begun there, if one was.
    ///
    /// # Errors
    /// If its file cannot be read or holds no possible one.
    pub fn comparison(&self) -> Result<Option<Comparison>, CompareError> {
        if self.value().is_file() { read_comparison(&self.value()).map(Some) } else { Ok(None) }
    }

    /// Begins a comparison there, or goes on with it, also with more samples, other cells or another reference.
    ///
    /// # Errors
    /// If the folder cannot be written, or holds one of another model, seed or features.
    pub fn begin(&self, comparison: &Comparison) -> Result<(), CompareError> {
        self.admits(comparison)?;
        self.make("cells")?;
        self.make("images")?;
        write_comparison(&self.value(), comparison)
    }

    /// Whether a comparison can go on there.
    ///
    /// # Errors
    /// If the folder holds one of another model, seed or features.
    pub fn admits(&self, comparison: &Comparison) -> Result<(), CompareError> {
        if let Some(held) = self.comparison()?
            && (&held.model.absolute(), held.seed, &held.features)
                != (&comparison.model.absolute(), comparison.seed, &comparison.features)
        {
            return Err(CompareError::Other(self.path.clone()));
        }
        Ok(())
    }

    /// Keeps other programs from computing here as long as the file is held, and removes what those that were killed left
    /// half-written.
    ///
    /// # Errors
    /// If another program computes here.
    pub fn claim(&self) -> Result<File, CompareError> {
        let cells = self.make("cells")?;
        let path = cells.join(".lock");
        let wrong = |source| FileError::Write { path: path.clone(), source };
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(wrong)?;
        claim(file, &[self.path.as_path(), &cells]).ok_or_else(|| CompareError::Busy(self.path.clone()))
    }

    fn make(&self, name: &str) -> Result<PathBuf, CompareError> {
        let folder = self.path.join(name);
        fs::create_dir_all(&folder).map_err(|source| FileError::Write { path: folder.clone(), source })?;
        Ok(folder)
    }

    /// The name of a cell's files: equal for equal settings.
    fn name(comparison: &Comparison, cell: &Cell) -> String {
        let digest = Sha256::digest(comparison.settings(cell).as_bytes());
        let sum: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let slug: String = cell.slug().chars().filter(char::is_ascii).take(60).collect();
        format!("{slug}-{sum}")
    }

    fn account_file(&self, comparison: &Comparison, cell: &Cell) -> PathBuf {
        self.path.join("cells").join(format!("{}.safetensors", Self::name(comparison, cell)))
    }

    /// The folder of a cell's first images.
    pub fn images(&self, comparison: &Comparison, cell: &Cell) -> PathBuf {
        self.path.join("images").join(Self::name(comparison, cell))
    }

    /// What was saved of a cell, and of what it is, if anything was.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, comparison: &Comparison, cell: &Cell) -> Result<Option<(Account, Saved)>, CompareError> {
        let path = self.account_file(comparison, cell);
        if !path.is_file() {
            return Ok(None);
        }
        let mut stored: Stored = read_arrays(&path, WHAT)?;
        let damaged = |what: &str| CompareError::Damaged { path: path.clone(), what: what.into() };
        let note = |name: &str| stored.0.get(name).cloned().ok_or_else(|| damaged("a note is missing"));
        if note(FIELD)? != VERSION || note("settings")? != comparison.settings(cell) {
            return Err(damaged("it is of another cell"));
        }
        let identity = serde_json::from_str(&note("identity")?).map_err(|_| damaged("its identity is unknown"))?;
        let saved = Saved { identity, machine: note("machine")? };
        let account = Account::restore("", &mut stored).map_err(|damage| damage.at(&path))?;
        Ok(Some((account, saved)))
    }

    /// Saves where a cell is.
    ///
    /// # Errors
    /// If the file cannot be written; the one before it stays.
    pub fn save(
        &self,
        comparison: &Comparison,
        cell: &Cell,
        account: &Account,
        saved: &Saved,
    ) -> Result<(), CompareError> {
        let path = self.account_file(comparison, cell);
        let mut stored = Stored::default();
        account.store("", false, &mut stored)?;
        let (mut notes, arrays) = stored;
        notes.insert(FIELD.into(), VERSION.into());
        notes.insert("settings".into(), comparison.settings(cell));
        notes.insert("identity".into(), serde_json::to_string(&saved.identity).unwrap_or_default());
        notes.insert("machine".into(), saved.machine.clone());
        Ok(write_arrays(&path, &notes, &arrays)?)
    }

    /// Writes the first images of a cell, each as a PNG of its own size.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn write_images(&self, comparison: &Comparison, cell: &Cell, account: &Account) -> Result<(), CompareError> {
        write_images(&self.images(comparison, cell), &account.images, account.first, FIRST)
    }

    /// Writes samples of a cell that are all kept, the first of which has this number.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn write_samples(
        &self,
        comparison: &Comparison,
        cell: &Cell,
        samples: &Pixels<f32>,
        first: u64,
    ) -> Result<(), CompareError> {
        let folder = self.path.join("samples").join(Self::name(comparison, cell));
        write_images(&folder, samples, first, comparison.count.get() as u64)
    }

    /// Puts a whole comparison there, as if it had been computed there.
    ///
    /// # Errors
    /// If the folder cannot be written, or holds another comparison.
    pub fn put(&self, whole: &Part) -> Result<(), CompareError> {
        let Part { comparison, identity, machine, accounts } = whole;
        self.begin(comparison)?;
        let _claim = self.claim()?;
        let models = comparison.models();
        for (cell, account) in comparison.cells.iter().zip(accounts) {
            let place = models.iter().position(|model| **model == comparison.run(cell).model);
            let saved = Saved { identity: identity.of(place.unwrap_or(0)), machine: machine.clone() };
            self.save(comparison, cell, account, &saved)?;
            if account.images.shape[1] == 1 || account.images.shape[1] == 3 {
                self.write_images(comparison, cell, account)?;
            }
        }
        Ok(())
    }

    /// What came of this comparison when it was last whole, if that is known.
    pub fn read_results(&self, comparison: &Comparison) -> Option<Results> {
        let text = fs::read_to_string(self.results()).ok()?;
        let results: Results = serde_json::from_str(&text).ok()?;
        (results.comparison.absolute() == comparison.absolute()).then_some(results)
    }

    /// Writes results as JSON.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_results(&self, results: &Results) -> Result<(), CompareError> {
        Ok(write_json(&self.results(), "the results of a comparison", results)?)
    }
}

/// Images in [0, 1] as numbered PNGs, of `of` in all.
fn write_images(folder: &Path, images: &Pixels<f32>, first: u64, of: u64) -> Result<(), CompareError> {
    fs::create_dir_all(folder).map_err(|source| FileError::Write { path: folder.into(), source })?;
    let digits = of.saturating_sub(1).to_string().len();
    for index in 0..images.shape[0] {
        let path = folder.join(format!("{:0digits$}.png", first + index as u64));
        write_picture(&path, images, index, Range::Unit, 1)?;
    }
    Ok(())
}

/// What samples were computed with.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    pub identity: Identity,
    /// The machine, in words.
    pub machine: String,
}
