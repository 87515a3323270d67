use super::Failure;
use super::library::network;
use super::training::TrainingOptions;
use crate::data::DataSource;
use crate::task::ModelRef;
use crate::train::Training;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer finetune --model worlds-vp-small --data photos --output mine
  score-explorer finetune --model google-ddpm-church-256/ --data towers.zip \\
      --output towers --images 200000 --learning-rate 1e-5
  score-explorer finetune --model worlds/model.safetensors --data worlds:32 \\
      --output longer --weighting likelihood
  score-explorer finetune --model worlds-vp-small --data photos \\
      --image-size 64 --output larger --learning-rate 1e-3

The network, its family and how it is told its noise level are the checkpoint's, and images are brought to its size; a \
U-Net also learns images a whole number of times as large (--image-size), of which its layers see patches of at most \
4×4. A training checkpoint gives its averaged weights. The same command goes on where the training in the folder was.")]
pub(super) struct Args {
    /// Network to begin with: a name from `models` or a checkpoint
    #[arg(long, short)]
    model: ModelRef,
    #[command(flatten)]
    training: TrainingOptions,
}

impl Args {
    fn training(&self) -> Result<Training, Failure> {
        let start = self.model.absolute();
        // The same command goes on.
        let held = self.training.held()?.filter(|held| {
            held.start.as_ref() == Some(&start) && self.training.is_of(held) && self.training.is_shaped_as(held)
        });
        let base = match held {
            Some(held) => held,
            None => {
                let mut description = network(&self.model, None)?.description;
                let source = self.training.source(None)?;
                let [channels, height, _] = description.config.shape();
                let channels = source.channels.or(Some(channels));
                // Worlds have a size of their own.
                let wanted = source.size.or(source.place.size());
                let larger = wanted.and_then(|side| Some((side, description.config.enlarged([side, side])?)));
                let size = larger.as_ref().map(|&(side, _)| side).or(source.size).or(Some(height));
                larger.into_iter().for_each(|(_, config)| description.config = config);
                // It becomes another model, which its folder names.
                description.name.clear();
                Training::further(start, DataSource { size, channels, ..source }, description)
            }
        };
        self.training.over(base)
    }
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    args.training.perform(args.training()?, None)
}
