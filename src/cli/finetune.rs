use super::Failure;
use super::choices::{Given, Options, flattened};
use super::library::network;
use super::training::TrainingOptions;
use crate::data::DataSource;
use crate::score::Predicts;
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
  score-explorer finetune --model worlds/model.safetensors --data worlds:32 \\
      --output bounded --predicts velocity

The network, its family and how it is told its noise level are the checkpoint's, and images are brought to its size; a \
U-Net also learns images a whole number of times as large (--image-size), of which its layers see patches of at most \
4×4. Where a network answers the noise, an error is σ/α times as large in the denoised image, of v (velocity) it is not: \
larger images are learnt with v, unless --predicts noise is given. A training checkpoint gives its averaged weights. The \
same command goes on where the training in the folder was.")]
pub(super) struct Args {
    /// Network to begin with: a name from `models` or a checkpoint
    #[arg(long, short)]
    model: ModelRef,
    #[command(flatten)]
    answer: AnswerOption,
    #[command(flatten)]
    training: TrainingOptions,
}

/// What the network is to answer.
#[derive(Debug)]
struct AnswerOption(Given);

fn answers() -> Options {
    let entries = Predicts::ALL.iter().map(|predicts| predicts.about()).collect();
    let help = "What the network answers from now on [default: what it did; v of larger images if that was the noise]";
    Options { name: "predicts", help, entries, heading: "Network", inherited: "" }
}

flattened!(AnswerOption, answers());

impl AnswerOption {
    fn given(&self) -> Option<Predicts> {
        self.0.slug().and_then(Predicts::called)
    }
}

impl Args {
    fn training(&self) -> Result<Training, Failure> {
        let start = self.model.absolute();
        // The same command goes on.
        let held = self.training.held()?.filter(|held| {
            let same_answer = self.answer.given().is_none_or(|predicts| predicts == held.network.predicts);
            held.start.as_ref() == Some(&start)
                && same_answer
                && self.training.is_of(held)
                && self.training.is_shaped_as(held)
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
                let is_larger = size != Some(height);
                larger.into_iter().for_each(|(_, config)| description.config = config);
                // It becomes another model, which its folder names.
                description.name.clear();
                let mut training = Training::further(start, DataSource { size, channels, ..source }, description);
                if is_larger {
                    training.bound_answers();
                }
                self.answer.given().into_iter().for_each(|predicts| training.answer(predicts));
                training
            }
        };
        self.training.over(base)
    }
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    args.training.perform(args.training()?, None)
}
