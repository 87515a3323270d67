use super::refused;
use super::weights::samples;
use crate::Pixels;
use crate::engine::{Context, Ending, Task};
use crate::task::ModelRef;
use crate::train::{Folder, PosthocError, posthoc};
use std::convert::Infallible;
use std::path::PathBuf;

/// Makes an average of a training's weights after it has ended, and shows samples of it.
#[derive(Clone, Debug)]
pub struct Average {
    pub folder: PathBuf,
    pub of: Averaged,
    /// Where it is written as a model; then no samples are drawn.
    pub output: Option<PathBuf>,
}

/// Which average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Averaged {
    /// That of the training's model.
    Trained,
    /// One of relative width σ_rel at a moment of the training, in images (Karras et al. 2024, section 3.2).
    Posthoc { sigma_rel: f64, images: u64 },
}

impl Task for Average {
    type Report = Infallible;
    type Message = Infallible;
    /// Samples from the same noise each time, in [0, 1] (N×C×H×W); `None` where it was written.
    type Output = Option<Pixels<f32>>;

    fn run(self, context: &Context<Self>) -> Result<Self::Output, Ending> {
        let folder = Folder::new(&self.folder);
        let (network, weights) = match self.of {
            Averaged::Trained => {
                let opened = context.read(&ModelRef::File(folder.model()))?.network;
                (opened.description, opened.weights)
            }
            Averaged::Posthoc { sigma_rel, images } => {
                let training = folder.begun().map_err(refused)?;
                let what = self.folder.display().to_string();
                let tell = |share| context.hears(&what, Some(share));
                let made = posthoc(&folder, sigma_rel, Some(images), &tell);
                context.loaded();
                let made = match made {
                    Err(PosthocError::Ended) => return Err(Ending::Stopped),
                    made => made.map_err(refused)?,
                };
                if let Some(path) = self.output {
                    made.write(&folder, &training, &path).map_err(refused)?;
                    return Ok(None);
                }
                (training.network, made.weights)
            }
        };
        samples(&network, &weights, context).map(Some)
    }
}
