use crate::checkpoint::{ConfigError, ExportError, FileError};
use crate::compare::CompareError;
use crate::data::DataError;
use crate::metric::MetricError;
use crate::network::WeightsError;
use crate::registry::{ChoiceError, ParameterError};
use crate::score::ScoreError;
use crate::sde::FamilyError;
use crate::task::{FlowError, RestorationError, RunError};
use crate::train::{ClassifierError, FolderError, TrainingError};

/// Why a command ended: one sentence, and a kind that decides the exit code.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something failed while running.
    #[error("{0}")]
    Running(String),
    /// Invalid usage or value.
    #[error("{0}")]
    Usage(String),
    /// A file or model could not be read, or is not what was expected.
    #[error("{0}")]
    Input(String),
    /// A file could not be written.
    #[error("{0}")]
    Output(String),
}

impl Failure {
    /// The exit code of invalid usage, which clap reports itself.
    pub const USAGE: u8 = 2;

    /// The exit code: 1 running, 2 usage, 3 input, 4 output.
    pub fn code(&self) -> u8 {
        match self {
            Failure::Running(_) => 1,
            Failure::Usage(_) => Self::USAGE,
            Failure::Input(_) => 3,
            Failure::Output(_) => 4,
        }
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Write { .. } => Failure::Output(error.to_string()),
            _ => Failure::Input(error.to_string()),
        }
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::File(error) => error.into(),
            FolderError::Data(_) => Failure::Input(error.to_string()),
            FolderError::Busy(_) => Failure::Running(error.to_string()),
            FolderError::Training(_) | FolderError::Other(_) => Failure::Usage(error.to_string()),
        }
    }
}

impl From<CompareError> for Failure {
    fn from(error: CompareError) -> Self {
        match error {
            CompareError::File(error) => error.into(),
            CompareError::Data(error) => error.into(),
            CompareError::Busy(_) | CompareError::Chart(_) | CompareError::Metric(_) => {
                Failure::Running(error.to_string())
            }
            CompareError::Mismatch { .. }
            | CompareError::Gap { .. }
            | CompareError::Overlap { .. }
            | CompareError::Damaged { .. }
            | CompareError::OtherFeatures { .. }
            | CompareError::Unlike { .. } => Failure::Input(error.to_string()),
            _ => Failure::Usage(error.to_string()),
        }
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::File(error) => error.into(),
            ExportError::Unknown { .. } => Failure::Usage(error.to_string()),
        }
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        match error {
            DataError::File(error) => error.into(),
            DataError::Metric(error) => error.into(),
            DataError::Stopped => Failure::Running(error.to_string()),
            _ => Failure::Usage(error.to_string()),
        }
    }
}

impl From<ClassifierError> for Failure {
    fn from(error: ClassifierError) -> Self {
        match error {
            ClassifierError::NotFinite { .. } | ClassifierError::Device(_) => Failure::Running(error.to_string()),
            _ => Failure::Input(error.to_string()),
        }
    }
}

impl From<MetricError> for Failure {
    fn from(error: MetricError) -> Self {
        match error {
            MetricError::NotConverged => Failure::Running(error.to_string()),
            MetricError::Range { .. } | MetricError::NoClasses | MetricError::NoFeatures => {
                Failure::Usage(error.to_string())
            }
            _ => Failure::Input(error.to_string()),
        }
    }
}

/// Errors of one kind each: their text becomes the sentence.
macro_rules! failure_from {
    ($($error:ty => $kind:ident),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Failure::$kind(error.to_string())
            }
        })*
    };
}

failure_from! {
    TrainingError => Usage,
    RunError => Usage,
    FlowError => Usage,
    RestorationError => Usage,
    FamilyError => Usage,
    ParameterError => Usage,
    ChoiceError => Usage,
    ConfigError => Input,
    WeightsError => Input,
    ScoreError => Running,
    std::io::Error => Running,
    serde_json::Error => Running,
}
