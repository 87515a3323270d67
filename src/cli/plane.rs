use super::Failure;
use super::choices::choice;
use super::drive::{Done, Session};
use super::options::{FamilyOptions, SolverOptions, seed, steps};
use super::output::{check_files, known, names};
use crate::app::chart_font;
use crate::checkpoint::{Animation, read_photo, read_points, write_animation, write_atomically, write_photo};
use crate::compare::Font;
use crate::engine::{
    DeviceChoice, Network, PaneShown, PlaneClouds, PlaneCourse, PlaneErrors, PlaneLearn, PlaneLearned, PlaneShown,
    PlaneSweep,
};
use crate::plane::{
    Drawing, DrawingError, Errors, Famous, Film, FilmError, Ink, Layers, LevelError, Look, Matching, Pane, Piece,
    Quality, Recipe, RenderError, Scene, SceneError, Shape, csv, lesson, lessons,
};
use crate::registry::{Choice, abouts};
use crate::sde::Range;
use crate::solver::{Grid, NORMS};
use crate::task::Steps;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  score-explorer plane --list
  score-explorer plane --lesson reverse --output reverse.png
  score-explorer plane --data swiss-roll --solver heun --steps 12 \\
      --layers density,particles,trails --output roll.gif
  score-explorer plane --data checkerboard --solver pc --corrector langevin \\
      --family ve --sigma-max 5 --steps 100 --json
  score-explorer plane --points measured.csv --time 0.3 \\
      --layers density,streamlines --output field.svg
  score-explorer plane --picture logo.png --output logo.webp
  score-explorer plane --data face --learn flow-matching --output face.png
  score-explorer plane --lesson guidance --output scene.json
  score-explorer plane scene.json --output particles.csv
  score-explorer plane --data ring --solver unipc --sweep 3,5,10,20

The data are a mixture of Gaussians, so that density, score and posterior are exact at every time. W₂ is the sliced \
Wasserstein distance of the particles from the data, in their units; that of an exact sample of as many particles is \
given beside it.")]
pub(super) struct Args {
    /// Scene file (JSON), from --output scene.json or the window
    #[arg(conflicts_with_all = ["lesson", "data", "points", "picture"])]
    scene: Option<PathBuf>,
    /// Lesson, as --list names them
    #[arg(long, value_name = "NAME", conflicts_with_all = ["data", "points", "picture"], help_heading = "Data")]
    lesson: Option<String>,
    /// Data set, as --list names them [default: two-moons]
    #[arg(long, value_name = "SLUG", value_parser = choice::<dyn Famous>, conflicts_with_all = ["points", "picture"], help_heading = "Data")]
    data: Option<Choice<dyn Famous>>,
    /// CSV file of x and y, scaled to fit the square from −1 to 1
    #[arg(long, value_name = "FILE", conflicts_with = "picture", help_heading = "Data")]
    points: Option<PathBuf>,
    /// Image whose ink becomes the density
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    picture: Option<PathBuf>,
    /// List lessons and data sets
    #[arg(long)]
    list: bool,

    #[command(flatten)]
    family: FamilyOptions,
    #[command(flatten)]
    solver: SolverOptions,
    /// Time steps of every pane
    #[arg(long, short = 'n', value_name = "N", value_parser = steps, allow_negative_numbers = true, help_heading = "Time")]
    steps: Option<Steps>,
    /// Time grid of every pane: uniform, edm[:RHO], log-snr and others [default: the solver's own]
    #[arg(long, value_parser = choice::<dyn Grid>, help_heading = "Time")]
    grid: Option<Choice<dyn Grid>>,
    /// Time that is shown, 0 (data) to 1 (noise)
    #[arg(long, short, value_name = "T", allow_negative_numbers = true, help_heading = "Time")]
    time: Option<f64>,
    /// Number of particles [default: the scene's, else 1000]
    #[arg(long, short, value_name = "N", allow_negative_numbers = true)]
    count: Option<usize>,
    /// Seed of all noise [default: the scene's, else 0]
    #[arg(long, short, value_parser = seed, allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Train a small network on the data and follow it: denoising, implicit, sliced, flow-matching or consistency
    #[arg(long, value_name = "WAY", value_parser = choice::<dyn Matching>)]
    learn: Option<Choice<dyn Matching>>,
    /// Measure W₂ with these numbers of steps
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = steps)]
    sweep: Vec<Steps>,

    /// What is drawn: density, data, score, streamlines, flow, solutions, particles, trails, errors, marginals, bridge
    /// [default: the scene's, else density,particles]
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Output")]
    layers: Option<Vec<String>>,
    /// File to write, once for each: PNG, SVG, an animation (GIF, APNG, WebP), the particles (CSV) or the scene (JSON)
    /// [default: plane.png]
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    output: Vec<PathBuf>,
    /// Pixels of a panel's side
    #[arg(long, value_name = "N", default_value = "480", allow_negative_numbers = true, help_heading = "Output")]
    size: u32,
    /// Draw on a dark ground
    #[arg(long, help_heading = "Output")]
    dark: bool,
    /// Print a JSON summary
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// Endings of what is written.
const ENDINGS: [&str; 7] = ["png", "svg", "gif", "apng", "webp", "csv", "json"];
/// An animation has so many frames, and takes so long.
const FRAMES: usize = 60;
const ANIMATION: Duration = Duration::from_secs(6);
/// The longest side of a picture's ink.
const INK: u32 = 96;

impl From<SceneError> for Failure {
    fn from(error: SceneError) -> Self {
        match error {
            SceneError::File(error) => error.into(),
            error => Failure::Usage(error.to_string()),
        }
    }
}

impl From<FilmError> for Failure {
    fn from(error: FilmError) -> Self {
        match error {
            FilmError::Scene(error) => error.into(),
            FilmError::Score(error) => Failure::Running(error.to_string()),
            FilmError::Render(error) => error.into(),
        }
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        match error {
            RenderError::Side(_) => Failure::Usage(error.to_string()),
            RenderError::Draw(_) => Failure::Running(error.to_string()),
        }
    }
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    if args.list {
        return list(args.json);
    }
    let files = args.files();
    files.iter().try_for_each(|file| known(Some(file), &ENDINGS))?;
    check_files(files.iter().map(PathBuf::as_path))?;
    let scene = args.scene()?;
    scene.plane()?;
    let look = args.look()?;
    let mut session = Session::open(DeviceChoice::Cpu)?;
    let learned = args.learned(&scene, &mut session)?;
    let network: Option<Network> = learned.as_ref().map(|learned| -> Network { learned.network.clone() });
    if !args.sweep.is_empty() {
        return args.print_sweep(&scene, network, &mut session);
    }
    let Done { output: shown, .. } = session.perform(PlaneClouds { scene: scene.clone(), network: network.clone() })?;
    let all = All::of(&scene, shown, network, &mut session)?;
    for file in &files {
        all.write(file, &look, &mut session)?;
    }
    args.print(&all, learned.as_ref(), &files)
}

/// Lessons and data sets.
fn list(json: bool) -> Result<(), Failure> {
    let titles = lessons().iter().map(|lesson| Ok((lesson.slug, lesson.scene()?.title)));
    let titles = titles.collect::<Result<Vec<_>, SceneError>>()?;
    let sets = abouts::<dyn Famous>();
    if json {
        let lessons: Vec<Value> =
            titles.iter().map(|(slug, title)| json!({ "lesson": slug, "title": title })).collect();
        let sets: Vec<Value> = sets.iter().map(|set| json!({ "data": set.slug, "summary": set.summary })).collect();
        println!("{}", json!({ "lessons": lessons, "data": sets }));
        return Ok(());
    }
    say!("Lessons (--lesson):");
    titles.iter().for_each(|(slug, title)| say!("  {slug:<20} {title}"));
    say!("Data sets (--data):");
    sets.iter().for_each(|set| say!("  {:<20} {}", set.slug, set.summary));
    Ok(())
}

impl Args {
    /// What is written.
    fn files(&self) -> Vec<PathBuf> {
        match self.output.is_empty() && !self.json && self.sweep.is_empty() {
            true => vec!["plane.png".into()],
            false => self.output.clone(),
        }
    }

    fn look(&self) -> Result<Look, Failure> {
        let [least, most] = Look::SIDES;
        if !(least..=most).contains(&self.size) {
            return Err(RenderError::Side(self.size).into());
        }
        let font = chart_font().map(Font);
        let font = font.ok_or_else(|| Failure::Running("the font is missing; build the program again".into()))?;
        Ok(Look { side: self.size, dark: self.dark, font })
    }

    /// The scene that the options describe.
    fn scene(&self) -> Result<Scene, Failure> {
        let mut scene = self.base()?;
        if self.family.is_given() {
            scene.family = self.family.of(Some(scene.family))?;
        }
        if let Some(solver) = self.solver.chosen()? {
            let pane = scene.panes.first().cloned().unwrap_or_default();
            let grid = solver.entry().grid();
            let solver = if self.solver.gives(&NORMS) { solver } else { Pane::suited(solver) };
            scene.panes = vec![Pane { solver, grid, ..pane }];
        }
        for pane in &mut scene.panes {
            pane.steps = self.steps.unwrap_or(pane.steps);
            pane.grid = self.grid.clone().unwrap_or_else(|| pane.grid.clone());
            pane.learned |= self.learn.is_some();
        }
        if let Some(matching) = &self.learn {
            let recipe = scene.learning.take().unwrap_or_default();
            scene.learning = Some(Recipe { matching: matching.clone(), ..recipe });
        }
        scene.time = self.time.unwrap_or(scene.time);
        scene.count = self.count.unwrap_or(scene.count);
        scene.seed = self.seed.unwrap_or(scene.seed);
        if let Some(names) = &self.layers {
            scene.layers = layers(names)?;
        }
        Ok(scene)
    }

    /// The scene that is changed by the options.
    fn base(&self) -> Result<Scene, Failure> {
        let drawn = |shape: Shape, title: String| {
            let drawing = Drawing { pieces: vec![Piece::new(shape)] };
            Scene { title, ..Scene::of(drawing, Scene::default().family) }
        };
        let named = |file: &Path| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(match (&self.scene, &self.lesson, &self.data, &self.points, &self.picture) {
            (Some(file), ..) => Scene::read(file)?,
            (_, Some(name), ..) => lesson(name)?,
            (_, _, Some(set), ..) => Scene {
                title: set.about().name.into(),
                ..Scene::of(Drawing::famous(set.clone()), Scene::default().family)
            },
            (_, _, _, Some(file), _) => drawn(Shape::fitted(&read_points(file, Drawing::MOST_POINTS)?), named(file)),
            (.., Some(file)) => {
                let ink = Ink::of(&read_photo(file, INK)?.image);
                let blank = || Failure::Input(format!("{file:?}: {}", DrawingError::Blank { piece: 1 }));
                drawn(Shape::Ink(ink.ok_or_else(blank)?), named(file))
            }
            _ => Scene { title: "Two moons".into(), ..Scene::default() },
        })
    }

    /// The network that panes follow, where any does.
    fn learned(&self, scene: &Scene, session: &mut Session) -> Result<Option<PlaneLearned>, Failure> {
        if !scene.panes.iter().any(|pane| pane.learned) {
            return Ok(None);
        }
        let Done { output, .. } = session.perform(PlaneLearn { scene: scene.clone() })?;
        if !self.json {
            say!("learned in {:.1} s, {} steps", output.seconds, output.step);
        }
        Ok(Some(output))
    }

    /// Measures W₂ against steps, and prints it.
    fn print_sweep(&self, scene: &Scene, network: Option<Network>, session: &mut Session) -> Result<(), Failure> {
        let sweep = PlaneSweep { scene: scene.clone(), network, steps: self.sweep.clone() };
        let Done { output: panes, .. } = session.perform(sweep)?;
        if self.json {
            let row = |row: &Quality| json!({ "steps": row.steps, "nfe": row.nfe, "w2": row.distance });
            let pane = |(pane, rows): (&Pane, &Vec<Quality>)| json!({ "solver": pane.solver.to_string(), "rows": rows.iter().map(row).collect::<Vec<_>>() });
            println!("{}", json!(scene.panes.iter().zip(&panes).map(pane).collect::<Vec<_>>()));
            return Ok(());
        }
        for (pane, rows) in scene.panes.iter().zip(&panes) {
            say!("{} on {}", pane.solver, pane.grid);
            say!("{:>7}  {:>7}  {:>8}", "steps", "NFE", "W₂");
            for row in rows {
                say!("{:>7}  {:>7.0}  {:>8}", row.steps, row.nfe, figure(row.distance));
            }
        }
        Ok(())
    }

    /// Reports on stdout what was done.
    fn print(&self, all: &All<'_>, learned: Option<&PlaneLearned>, files: &[PathBuf]) -> Result<(), Failure> {
        let panes = all.scene.panes.iter().zip(&all.shown.panes);
        if self.json {
            let pane = |((pane, shown), errors): ((&Pane, &PaneShown), Option<&Errors>)| {
                json!({
                    "solver": pane.solver.to_string(), "grid": pane.grid.to_string(), "steps": pane.steps.get(),
                    "nfe": shown.nfe, "seconds": shown.seconds, "w2": shown.distance, "w2_exact": shown.floor,
                    "flow_error": errors.map(Errors::rms), "failure": shown.failure,
                })
            };
            let errors = (0..).map(|index| all.errors.get(index).and_then(Option::as_ref));
            let learned = learned.map(|learned| {
                let error = |level: &LevelError| json!({ "ratio": level.ratio, "error": level.error });
                let errors: Vec<Value> = learned.errors.iter().map(error).collect();
                let loss = learned.losses.history.last();
                json!({ "seconds": learned.seconds, "steps": learned.step, "loss": loss, "errors": errors })
            });
            println!(
                "{}",
                json!({
                    "files": names(files), "particles": all.scene.count, "learned": learned,
                    "panes": panes.zip(errors).map(pane).collect::<Vec<_>>(),
                })
            );
            return Ok(());
        }
        files.iter().for_each(|file| say!("wrote {}", file.display()));
        for (pane, shown) in panes {
            match &shown.failure {
                Some(failure) => say!("{}: {failure}", pane.solver),
                None => say!(
                    "{} on {}: {} steps, NFE {:.0} each, {:.2} s, W₂ {} (exact sample {})",
                    pane.solver,
                    pane.grid,
                    pane.steps.get(),
                    shown.nfe.unwrap_or_default(),
                    shown.seconds,
                    figure(shown.distance),
                    figure(shown.floor)
                ),
            }
        }
        Ok(())
    }
}

/// The layers that are named, and no others.
fn layers(names: &[String]) -> Result<Layers, Failure> {
    let all = serde_json::to_value(Layers::default())?;
    let known: Vec<&String> = all.as_object().into_iter().flat_map(|all| all.keys()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        let known = known.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Failure::Usage(format!("unknown layer {unknown:?}; choose some of {known}")));
    }
    let chosen = known.iter().map(|name| ((*name).clone(), Value::Bool(names.contains(name))));
    Ok(serde_json::from_value(Value::Object(chosen.collect()))?)
}

/// A distance to four digits.
fn figure(distance: Option<f64>) -> String {
    distance.map_or_else(|| "-".into(), |distance| format!("{distance:.4}"))
}

/// All that is written of.
struct All<'a> {
    scene: &'a Scene,
    shown: Arc<PlaneShown>,
    errors: Vec<Option<Errors>>,
    film: Film,
}

impl<'a> All<'a> {
    fn of(
        scene: &'a Scene,
        shown: Arc<PlaneShown>,
        network: Option<Network>,
        session: &mut Session,
    ) -> Result<Self, Failure> {
        let course = session.answer(PlaneCourse { scene: scene.clone(), network: network.clone() })?;
        let errors = match scene.layers.errors {
            true => session.answer(PlaneErrors { scene: scene.clone(), network: network.clone() })?,
            false => Vec::new(),
        };
        let (panels, view) = (shown.panels(scene, &errors), scene.view);
        let network = network.filter(|_| scene.panes.iter().all(|pane| pane.learned));
        let film = Film { scene: scene.clone(), network, course, panels, views: Arc::new(move |_| view) };
        Ok(All { scene, shown, errors, film })
    }

    fn write(&self, file: &Path, look: &Look, session: &mut Session) -> Result<(), Failure> {
        let ending = file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let text = |text: String| write_atomically(file, |out| out.write_all(text.as_bytes()));
        match ending.as_str() {
            "json" => Ok(self.scene.write(file)?),
            "csv" => Ok(text(csv(&self.film.panels, self.scene.time))?),
            "svg" => Ok(text(self.film.svg(look)?)?),
            "gif" | "apng" | "webp" => self.animate(file, look, session),
            _ => Ok(write_photo(file, &self.film.image(look)?)?),
        }
    }

    fn animate(&self, file: &Path, look: &Look, session: &mut Session) -> Result<(), Failure> {
        let mut tell = |share: f32| {
            session.progress.writing(share);
            true
        };
        let Some(frames) = self.film.frames(look, FRAMES, &mut |share| tell(0.9 * share))? else { return Ok(()) };
        let animation = Animation { frames, range: Range::Unit, frame_time: ANIMATION / FRAMES as u32, zoom: 1 };
        Ok(write_animation(file, &animation, &mut |share| tell(0.9 + 0.1 * share))?)
    }
}
