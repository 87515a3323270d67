use super::Failure;
use super::library::{inception, statistics};
use super::options::seed;
use super::progress::Progress;
use crate::checkpoint::{FileError, check_writable, open_features, write_features};
use crate::data::{DataError, DataSource, Featured, Taking};
use crate::metric::{
    FeatureRef, Figure, InceptionFeatures, Measure, Measured, MetricError, Pair, RESIZE, Resize, Sample, compares,
};
use crate::registry::{Category, Choice, find};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Below so many images, distances depend on their number.
const FEW: u64 = 2048;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer metric fd samples photos --inception pt_inception.pth
  score-explorer metric kid samples.safetensors worlds:32 --features worlds
  score-explorer metric fd a.npz b.npz --json
  score-explorer metric all samples cifar-10.tar.gz:test --features random
  score-explorer metric is samples --inception pt_inception.pth

A and B are folders or archives of images, data as of `train` (CIFAR, IDX, worlds:32), tensors of samples (safetensors with \
`x`, in [0, 1]), files of features (safetensors with `features`, N×D), or statistics (.npz with mu and sigma, m and s, or \
pool_3). A is what was generated, B the reference.

Only distances of Inception-v3's features are called FID and KID. Its file is published as \
pt_inception-2015-12-05-6726825d.pth; in the folder of models it is found by itself. Others are named after their features, such as \
FD-worlds, and compare only with themselves.")]
pub(super) struct Args {
    /// What to measure: fd, fd-infinity, kid, is, is-infinity, prdc, mind or all; settings follow, as in kid:100:1000
    #[arg(value_name = "METRIC")]
    metric: String,
    /// Generated images
    #[arg(value_name = "A")]
    generated: DataSource,
    /// Images of the reference; the Inception score needs none
    #[arg(value_name = "B")]
    reference: Option<DataSource>,
    /// Features: inception, c10, worlds, random, pixels, or the file of a classifier [default: inception]
    #[arg(long, value_name = "NAME|FILE")]
    features: Option<FeatureRef>,
    /// Weights of Inception-v3 (.pth or .safetensors)
    #[arg(long, value_name = "FILE")]
    inception: Option<PathBuf>,
    /// How images are brought to Inception's 299×299: pytorch-fid, tf1 or clean-fid
    #[arg(long, value_name = "RULE")]
    resize: Option<String>,
    /// Bring images to N×N first [default: as they are, which must be one size]
    #[arg(long, value_name = "N")]
    size: Option<usize>,
    /// Take N images of each set: of files evenly over their order, of tensors and features the first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Seed of random subsets, directions and resampled sets
    #[arg(long, default_value_t = 0, value_parser = seed)]
    seed: u64,
    /// Write the features of A as safetensors
    #[arg(long, value_name = "FILE")]
    save_features: Option<PathBuf>,
    /// Do not keep the features of B for another time
    #[arg(long)]
    no_cache: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let (measures, all) = args.measures()?;
    if let Some(file) = &args.save_features {
        super::output::known(Some(file), &["safetensors"])?;
        check_writable(file)?;
    }
    if args.reference.is_none() && measures.iter().all(|measure| measure.entry().needs_of_reference().is_some()) {
        return Err(Failure::Usage(format!("{} compares two sets; give a reference B", args.metric)));
    }
    let features = args.chosen()?;
    let a = args.featured(&features, &args.generated, None)?;
    let folder = if args.no_cache { None } else { statistics() };
    let b = args.reference.as_ref().map(|data| args.featured(&features, data, folder.as_deref())).transpose()?;
    if let (Some(file), Some(found)) = (&args.save_features, &a.sample.features) {
        let (metric, identity) = (a.metric.as_deref().unwrap_or("FD"), a.identity.as_deref().unwrap_or_default());
        write_features(file, found, a.sample.logits.as_ref(), metric, identity)?;
    }
    let mut notes = Vec::new();
    if let (Some(b), Some(reference)) = (&b, &args.reference) {
        notes.extend(comparable(&a, b, &args.generated, reference)?);
    }
    let empty = Sample::default();
    let metric = a.metric.as_deref().or(b.as_ref().and_then(|b| b.metric.as_deref())).unwrap_or("FD");
    let reference = b.as_ref().map_or(&empty, |b| &b.sample);
    let pair = Pair { generated: &a.sample, reference, metric, seed: args.seed };
    let mut progress = Progress::new();
    let mut figures = Vec::new();
    for measure in &measures {
        if all && !pair.suits(measure.entry()) {
            continue;
        }
        progress.computing(measure.about().name);
        match measure.measure(&pair) {
            Ok(found) => figures.extend(found),
            Err(error) if all => notes.push(format!("no {}: {error}", measure.about().name)),
            Err(error) => return Err(error.into()),
        }
    }
    drop(progress);
    if figures.is_empty() {
        let why = notes.pop().unwrap_or_else(|| "nothing can be measured of these; give images".into());
        return Err(Failure::Input(why));
    }
    notes.extend(few(&a, b.as_ref()));
    args.print(&figures, &a, b.as_ref(), metric, &notes)
}

/// What is wrong with a set, by its name.
fn named(name: &str, error: DataError) -> Failure {
    match error {
        DataError::Metric(MetricError::Weights(_)) | DataError::File(FileError::Metric(MetricError::Weights(_))) => {
            error.into()
        }
        DataError::Metric(error) | DataError::File(FileError::Metric(error)) => {
            Failure::Input(format!("{name}: {error}"))
        }
        error => error.into(),
    }
}

/// Where values depend on the number of images.
fn few(a: &Featured, b: Option<&Featured>) -> Option<String> {
    let counts = [Some(a), b].into_iter().flatten().filter_map(|set| set.sample.count());
    let least = counts.min().filter(|&least| least < FEW)?;
    Some(format!("{least} images are fewer than {FEW}: compare values only with others of as many images"))
}

/// Whether features of two sets are of one kind; what is not known of that.
fn comparable(
    a: &Featured,
    b: &Featured,
    named_a: &DataSource,
    named_b: &DataSource,
) -> Result<Option<String>, Failure> {
    let (place_a, place_b) = (&named_a.place, &named_b.place);
    if let (Some(a), Some(b)) = (a.shape, b.shape)
        && a != b
    {
        let words = |[channels, height, width]: [usize; 3]| format!("{channels}×{height}×{width}");
        return Err(Failure::Input(format!(
            "images of {place_a} are {} and those of {place_b} {}; bring both to one with --size",
            words(a),
            words(b)
        )));
    }
    if let (Some(a), Some(b)) = (a.sample.dims(), b.sample.dims())
        && a != b
    {
        return Err(Failure::Input(format!(
            "{place_a} has {a} features and {place_b} has {b}; use one extractor for both"
        )));
    }
    match (&a.identity, &b.identity) {
        (Some(of_a), Some(of_b)) if !compares(of_a, of_b) => Err(Failure::Input(format!(
            "{place_a} has features of {of_a:?} and {place_b} of {of_b:?}, which do not compare; use one extractor for both"
        ))),
        (Some(_), Some(_)) => Ok(None),
        (None, None) => Ok(Some("neither file says what its features are; they must be of one extractor".into())),
        (of_a, _) => {
            let silent = if of_a.is_none() { place_a } else { place_b };
            Ok(Some(format!("{silent} does not say what its features are; they must be those of the other set")))
        }
    }
}

impl Args {
    /// What is measured, and whether it is all that can be.
    fn measures(&self) -> Result<(Vec<Measured>, bool), Failure> {
        if self.metric == "all" {
            return Ok((<dyn Measure>::all().iter().map(|entry| Choice::new(*entry)).collect(), true));
        }
        let chosen: Result<Measured, _> = self.metric.parse();
        Ok((vec![chosen.map_err(|error| Failure::Usage(format!("{error}, or all")))?], false))
    }

    /// The features, with the rule of resizing.
    fn chosen(&self) -> Result<FeatureRef, Failure> {
        let mut features = self.features.clone().unwrap_or_else(|| FeatureRef::Named(Choice::new(&InceptionFeatures)));
        let Some(rule) = &self.resize else { return Ok(features) };
        let known: Vec<&str> = <dyn Resize>::all().iter().map(|rule| rule.about().slug).collect();
        let rule = find::<dyn Resize>(rule)
            .ok_or_else(|| Failure::Usage(format!("unknown rule of resizing {rule:?}; choose {}", known.join(", "))))?;
        match &mut features {
            FeatureRef::Named(choice) if choice.is(&InceptionFeatures) => {
                choice.settings_mut().set(&RESIZE, rule.about().slug)?;
            }
            _ => {
                let why = "--resize is for the features of Inception-v3 only; leave it out, or give --size";
                return Err(Failure::Usage(why.into()));
            }
        }
        Ok(features)
    }

    /// The features of a set.
    fn featured(&self, features: &FeatureRef, data: &DataSource, cache: Option<&Path>) -> Result<Featured, Failure> {
        let (progress, began) = (RefCell::new(Progress::new()), Instant::now());
        let weights = inception(self.inception.as_deref());
        let name = data.place.to_string();
        let taking = Taking {
            limit: self.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            open: &|shape| open_features(features, weights.as_deref(), shape),
            tell: &|done, of| {
                progress.borrow_mut().featuring(&name, done, of, began.elapsed());
                true
            },
            cache,
        };
        let found = DataSource { size: self.size.or(data.size), ..data.clone() }.features(&taking);
        let found = found.map_err(|error| named(&name, error))?;
        if let Some(features) = found.sample.features.as_ref().filter(|features| features.len() < 2) {
            let error = match features.len() as u64 {
                0 => MetricError::Nothing(2),
                found => MetricError::TooFew { found, least: 2 },
            };
            return Err(named(&name, error.into()));
        }
        found.warnings.iter().for_each(|warning| progress.borrow_mut().say(&format!("warning: {name}: {warning}")));
        Ok(found)
    }

    fn print(
        &self,
        figures: &[Figure],
        a: &Featured,
        b: Option<&Featured>,
        metric: &str,
        notes: &[String],
    ) -> Result<(), Failure> {
        if self.json {
            let mut found = Map::new();
            for figure in figures {
                let mut about = json!({ "name": figure.name, "value": figure.value });
                if let (Some(error), Some(fields)) = (figure.error, about.as_object_mut()) {
                    fields.insert("error".into(), json!(error));
                    fields.insert("error_of".into(), figure.error_of.into());
                    fields.extend(figure.interval().map(|interval| ("interval".into(), json!(interval))));
                }
                found.insert(figure.key.into(), about);
            }
            let set = |data: Option<&DataSource>, set: &Featured| {
                json!({
                    "data": data.map(|data| data.place.to_string()),
                    "images": set.sample.count(),
                    "features": set.sample.dims(),
                    "extractor": set.identity,
                    "seconds": set.seconds,
                    "warnings": set.warnings,
                })
            };
            let told = json!({
                "metrics": Value::Object(found),
                "frechet_distance": metric,
                "generated": set(Some(&self.generated), a),
                "reference": b.map(|b| set(self.reference.as_ref(), b)),
                "notes": notes,
            });
            println!("{}", serde_json::to_string_pretty(&told)?);
            return Ok(());
        }
        for figure in figures {
            let error = figure.error.map_or(String::new(), |error| match figure.interval() {
                Some([low, high]) => {
                    format!(", 95 % of {} to {} ({})", short(low.max(0.0)), short(high), figure.error_of)
                }
                None => format!(" ± {} ({})", short(error), figure.error_of),
            });
            say!("{} {}{error}", figure.name, short(figure.value));
        }
        let count = |set: &Featured| match set.sample.count() {
            Some(count) => format!("{count} images"),
            None => "an unknown number of images".into(),
        };
        let extractor =
            a.identity.as_deref().or(b.and_then(|b| b.identity.as_deref())).unwrap_or("an unknown extractor");
        match b {
            Some(b) => say!("{} against {}, features of {extractor}", count(a), count(b)),
            None => say!("{}, features of {extractor}", count(a)),
        }
        notes.iter().for_each(|note| say!("note: {note}"));
        Ok(())
    }
}

/// Six digits at most.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if (1e-3..1e6).contains(&size) => {
            let digits = 5 - (size.log10().floor() as i32).clamp(-3, 5);
            format!("{value:.*}", digits.clamp(0, 8) as usize)
        }
        _ => format!("{value:.5e}"),
    }
}
