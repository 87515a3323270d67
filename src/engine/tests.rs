//! Tasks beside each other, with a score model that takes as long as it is told to.

use super::watched::Watched;
use super::{Context, DeviceChoice, Devices, End, Ending, Engine, Options, Priority, Task, TaskHandle, Update};
use crate::Image;
use crate::score::{ScoreError, ScoreModel};
use crate::sde::{Level, Moments, Range};
use burn::tensor::Device;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What an evaluation does besides being counted.
#[derive(Clone, Debug)]
enum Act {
    Nothing,
    Sleep(Duration),
    /// Sleeps, and adds to the microseconds that this has taken.
    Spend(Duration, Arc<AtomicUsize>),
    Panic,
    /// Says that it has begun, and waits to be let go on.
    Block(Sender<()>, Receiver<()>),
}

#[derive(Debug)]
struct Evaluate {
    times: usize,
    act: Act,
    counter: Arc<AtomicUsize>,
    /// Read at the first and at the last evaluation.
    other: Arc<AtomicUsize>,
}

impl Task for Evaluate {
    type Report = ();
    type Message = Infallible;
    /// The other counter at the first and at the last evaluation.
    type Output = [usize; 2];

    fn run(self, context: &Context<Self>) -> Result<[usize; 2], Ending> {
        context.begin(1, (), []);
        let model = Watched::new(&self, context, 1);
        let x = Image::zeros([1, 1, 1, 1], &Device::flex());
        let mut seen = [0; 2];
        for turn in 0..self.times {
            model.score(&x, &[Level::CLEAN])?;
            seen[usize::from(turn > 0)] = self.other.load(Ordering::SeqCst);
        }
        Ok(seen)
    }
}

impl ScoreModel for Evaluate {
    fn shape(&self) -> [usize; 3] {
        [1, 1, 1]
    }

    fn range(&self) -> Option<Range> {
        None
    }

    fn ratios(&self) -> Option<(f64, f64)> {
        None
    }

    fn moments(&self) -> Option<Moments> {
        None
    }

    fn score(&self, x: &Image, _at: &[Level]) -> Result<Image, ScoreError> {
        self.counter.fetch_add(1, Ordering::SeqCst);
        match &self.act {
            Act::Nothing => {}
            Act::Sleep(time) => std::thread::sleep(*time),
            Act::Spend(time, spent) => {
                let began = Instant::now();
                std::thread::sleep(*time);
                spent.fetch_add(began.elapsed().as_micros() as usize, Ordering::SeqCst);
            }
            Act::Panic => panic!("no such thing\nas a free lunch"),
            Act::Block(begun, go_on) => {
                begun.send(()).unwrap();
                go_on.recv().unwrap();
            }
        }
        Ok(x.clone())
    }
}

const ENDLESS: usize = usize::MAX;

fn engine() -> Engine {
    Engine::new(Devices::cpu_only(), None, |_| {})
}

fn begin(engine: &Engine, times: usize, act: Act, priority: Priority) -> (TaskHandle<Evaluate>, Arc<AtomicUsize>) {
    let counter: Arc<AtomicUsize> = Arc::default();
    let task = Evaluate { times, act, counter: counter.clone(), other: Arc::default() };
    (engine.start(task, Options { priority, ..Options::on(DeviceChoice::Cpu) }), counter)
}

fn blocking() -> (Act, Receiver<()>, Sender<()>) {
    let ((begun, begins), (go_on, goes_on)) = (bounded(0), bounded(0));
    (Act::Block(begun, goes_on), begins, go_on)
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn an_interactive_task_overtakes_between_two_evaluations() {
    let engine = engine();
    let (_long, counter) = begin(&engine, ENDLESS, Act::Sleep(Duration::from_millis(20)), Priority::Foreground);
    wait_until("the first evaluation", || counter.load(Ordering::SeqCst) > 0);
    let task = Evaluate { times: 5, act: Act::Nothing, counter: Arc::default(), other: counter };
    let handle = engine.start(task, Options { priority: Priority::Interactive, ..Options::on(DeviceChoice::Cpu) });
    let End::Finished([first, last]) = handle.end() else { panic!("it did not finish") };
    assert_eq!(first, last, "evaluations of the other came between");
}

#[test]
fn tasks_in_the_foreground_share_equally_and_one_in_the_background_gets_its_part() {
    let engine = engine();
    let tasks = [Priority::Foreground, Priority::Foreground, Priority::Background].map(|priority| {
        let spent: Arc<AtomicUsize> = Arc::default();
        (begin(&engine, ENDLESS, Act::Spend(Duration::from_millis(2), spent.clone()), priority), spent)
    });
    let spent = || [0, 1, 2].map(|task: usize| tasks[task].1.load(Ordering::SeqCst));
    wait_until("the first evaluations", || spent().iter().all(|&spent| spent > 0));
    let before = spent();
    wait_until("more evaluations", || spent()[0] + spent()[1] > before[0] + before[1] + 600_000);
    let after = spent();
    let [first, second, background] = [0, 1, 2].map(|task| after[task] - before[task]);
    // Two, two and one part of five, but for the turns that are not over yet.
    assert!(first <= 2 * second && second <= 2 * first, "{first} and {second}");
    assert!((75_000..=300_000).contains(&background), "{background} beside {first} and {second}");
}

#[test]
fn a_task_whose_handle_is_dropped_ends() {
    let engine = engine();
    let (handle, counter) = begin(&engine, ENDLESS, Act::Nothing, Priority::Foreground);
    wait_until("the first evaluation", || counter.load(Ordering::SeqCst) > 0);
    drop(handle);
    wait_until("the end", || Arc::strong_count(&counter) == 1);
}

#[test]
fn a_task_that_waits_for_its_turn_can_be_stopped_and_dropped() {
    let engine = engine();
    let (act, begins, go_on) = blocking();
    let (first, _) = begin(&engine, 1, act, Priority::Foreground);
    begins.recv().unwrap();
    let (second, stopped) = begin(&engine, 1, Act::Nothing, Priority::Foreground);
    let (third, dropped) = begin(&engine, 1, Act::Nothing, Priority::Interactive);
    second.stop();
    assert!(matches!(second.end(), End::Stopped));
    drop(third);
    wait_until("the end", || Arc::strong_count(&dropped) == 1);
    assert_eq!([stopped, dropped].map(|counter| counter.load(Ordering::SeqCst)), [0, 0]);
    go_on.send(()).unwrap();
    assert!(matches!(first.end(), End::Finished(_)));
}

#[test]
fn a_paused_task_lets_others_go_on_and_its_clock_stands() {
    let engine = engine();
    let (paused, counter) = begin(&engine, ENDLESS, Act::Nothing, Priority::Foreground);
    paused.pause();
    while !matches!(paused.wait(Duration::from_secs(60)).expect("news"), Update::Paused) {}
    let (held, elapsed) = (counter.load(Ordering::SeqCst), paused.progress().elapsed);
    assert!(matches!(begin(&engine, 100, Act::Nothing, Priority::Background).0.end(), End::Finished(_)));
    assert_eq!((counter.load(Ordering::SeqCst), paused.progress().elapsed), (held, elapsed));
    paused.resume();
    wait_until("more evaluations", || counter.load(Ordering::SeqCst) > held);
}

#[test]
fn a_panic_is_the_failure_of_its_task_and_others_live_on() {
    let engine = engine();
    let (act, begins, go_on) = blocking();
    let (other, counter) = begin(&engine, 2, act, Priority::Foreground);
    begins.recv().unwrap();
    let (broken, _) = begin(&engine, 1, Act::Panic, Priority::Interactive);
    // Else the other might have its second turn first, and nobody would let it go on.
    wait_until("the wait for a turn", || engine.shared.turnstile.is_waited_for());
    go_on.send(()).unwrap();
    let End::Failed(failure) = broken.end() else { panic!("it did not fail") };
    assert_eq!(failure.what, "The computation failed unexpectedly: no such thing.");
    begins.recv().unwrap();
    go_on.send(()).unwrap();
    assert!(matches!(other.end(), End::Finished(_)));
    assert_eq!(counter.load(Ordering::SeqCst), 2);
    assert!(matches!(begin(&engine, 3, Act::Nothing, Priority::Foreground).0.end(), End::Finished(_)));
}

#[test]
fn everything_is_heard_in_order_and_the_end_once() {
    let engine = engine();
    let task = Evaluate { times: 3, act: Act::Nothing, counter: Arc::default(), other: Arc::default() };
    let handle = engine.start(task, Options { held: true, ..Options::on(DeviceChoice::Cpu) });
    let next = || handle.wait(Duration::from_secs(60));
    assert!(matches!(next(), Some(Update::Report(()))));
    assert!(matches!(next(), Some(Update::Paused)));
    handle.resume();
    assert!(matches!(next(), Some(Update::Resumed)));
    assert!(matches!(next(), Some(Update::Ended(End::Finished(_)))));
    assert!(next().is_none());
}
