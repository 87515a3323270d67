//! One task at a time computes, and all that want to share the device's time fairly.
//!
//! Start-time fair queueing (Goyal, Vin and Cheng 1997) on two levels: priorities share the time in proportion to their
//! weights, and the tasks of one priority share theirs equally. A task has its turn from one score evaluation to the
//! next, so that gradients, the solver's arithmetic and what is read back count as its time too. A newcomer starts at
//! the present reading of the clock: it is owed nothing for the time before, and nobody waits for it to catch up.

use super::locked;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

/// How much of the device's time a task gets while others want it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Priority {
    /// Somebody waits with a hand on a slider: next in turn, and 64 parts of the time.
    Interactive,
    /// 4 parts of the time, shared by all such tasks.
    #[default]
    Foreground,
    /// Training and comparing: 1 part of the time, shared by all such tasks.
    Background,
}

impl Priority {
    /// The most urgent first.
    pub const ALL: [Priority; 3] = [Priority::Interactive, Priority::Foreground, Priority::Background];

    /// Its part of the time.
    pub fn weight(self) -> f64 {
        match self {
            Priority::Interactive => 64.0,
            Priority::Foreground => 4.0,
            Priority::Background => 1.0,
        }
    }
}

/// Virtual times in seconds: where each clock stands (at the start of the turn under way), and up to where the turns
/// that were had are paid for.
#[derive(Clone, Copy, Debug, Default)]
struct Shares {
    now: f64,
    priorities: [Paid; Priority::ALL.len()],
}

/// The account of one priority, with the clock of its tasks.
#[derive(Clone, Copy, Debug, Default)]
struct Paid {
    until: f64,
    now: f64,
}

impl Shares {
    /// The next in turn of tasks that each have a priority and have paid up to some time, in the order that they came.
    fn next(&mut self, waiting: &[(Priority, f64)]) -> Option<usize> {
        let present = Priority::ALL.into_iter().filter(|wanted| waiting.iter().any(|(of, _)| of == wanted));
        let (start, priority) = present
            .map(|priority| (self.now.max(self.priorities[priority as usize].until), priority))
            .min_by(|(a, _), (b, _)| a.total_cmp(b))?;
        self.now = start;
        let clock = &mut self.priorities[priority as usize].now;
        let of_priority = waiting.iter().enumerate().filter(|(_, (of, _))| *of == priority);
        let (index, start) = of_priority
            .map(|(index, (_, until))| (index, clock.max(*until)))
            .min_by(|(_, a), (_, b)| a.total_cmp(b))?;
        *clock = start;
        Some(index)
    }

    /// Charges the turn that [`Shares::next`] gave last: up to where its task has paid now.
    fn charge(&mut self, priority: Priority, seconds: f64) -> f64 {
        let account = &mut self.priorities[priority as usize];
        account.until = self.now + seconds / priority.weight();
        account.now + seconds
    }
}

/// Lets one task through at a time.
#[derive(Debug, Default)]
pub(super) struct Turnstile {
    state: Mutex<State>,
}

#[cfg(test)]
impl Turnstile {
    /// Whether a task waits for its turn.
    pub(super) fn is_waited_for(&self) -> bool {
        locked(&self.state).tickets.iter().any(|ticket| ticket.waits)
    }
}

#[derive(Debug, Default)]
struct State {
    shares: Shares,
    /// Those that wait are in the order that they came.
    tickets: Vec<Ticket>,
    /// Whose turn it is, and since when.
    inside: Option<(u64, Instant)>,
}

/// A task as the turnstile knows it.
#[derive(Debug)]
struct Ticket {
    task: u64,
    priority: Priority,
    paid_until: f64,
    waits: bool,
    turn: Sender<()>,
}

impl State {
    fn has_turn(&self, task: u64) -> bool {
        self.inside.is_some_and(|(inside, _)| inside == task)
    }

    fn ticket(&mut self, task: u64) -> Option<&mut Ticket> {
        self.tickets.iter_mut().find(|ticket| ticket.task == task)
    }

    /// Ends the turn under way, if it is the task's.
    fn settle(&mut self, task: u64, now: Instant) {
        let Some((_, since)) = self.inside.take_if(|(inside, _)| *inside == task) else { return };
        let used = now.duration_since(since);
        let State { shares, tickets, .. } = self;
        if let Some(ticket) = tickets.iter_mut().find(|ticket| ticket.task == task) {
            ticket.paid_until = shares.charge(ticket.priority, used.as_secs_f64());
        }
    }

    /// Gives the turn, which nobody has, to the next of those that wait, and tells it unless it is the one who `asks`.
    fn give(&mut self, asks: Option<u64>, now: Instant) {
        let waiting: Vec<usize> = (0..self.tickets.len()).filter(|&place| self.tickets[place].waits).collect();
        let accounts: Vec<(Priority, f64)> =
            waiting.iter().map(|&place| (self.tickets[place].priority, self.tickets[place].paid_until)).collect();
        let Some(ticket) = self.shares.next(&accounts).and_then(|index| self.tickets.get_mut(waiting[index])) else {
            return;
        };
        ticket.waits = false;
        self.inside = Some((ticket.task, now));
        if asks != Some(ticket.task) {
            // There is room: a task that has not noticed its turn yet is not given another.
            let _ = ticket.turn.try_send(());
        }
    }
}

/// A task's place at the turnstile. Dropping it gives up its turn.
#[derive(Debug)]
pub(super) struct Seat {
    turnstile: Arc<Turnstile>,
    task: u64,
    /// Hears that the turn has come after [`Seat::ask`] answered that it had not.
    pub(super) turn: Receiver<()>,
}

impl Seat {
    /// A place for a task, which does not wait yet.
    pub(super) fn new(turnstile: &Arc<Turnstile>, task: u64, priority: Priority) -> Seat {
        let (turn, told) = bounded(1);
        let ticket = Ticket { task, priority, paid_until: 0.0, waits: false, turn };
        locked(&turnstile.state).tickets.push(ticket);
        Seat { turnstile: turnstile.clone(), task, turn: told }
    }

    /// Ends the present turn, if it is this task's, and asks for the next one. Whether it has come already.
    pub(super) fn ask(&self) -> bool {
        let mut state = self.state();
        if self.turn.try_recv().is_ok() {
            return true;
        }
        let now = Instant::now();
        state.settle(self.task, now);
        let place = state.tickets.iter().position(|ticket| ticket.task == self.task && !ticket.waits);
        if let Some(place) = place {
            let ticket = state.tickets.remove(place);
            state.tickets.push(Ticket { waits: true, ..ticket });
        }
        if state.inside.is_none() {
            state.give(Some(self.task), now);
        }
        state.has_turn(self.task)
    }

    /// Lets others go on: this task has no use for a turn until it asks again.
    pub(super) fn leave(&self) {
        let mut state = self.state();
        let now = Instant::now();
        state.settle(self.task, now);
        if let Some(ticket) = state.ticket(self.task) {
            ticket.waits = false;
        }
        // A turn that came and was not noticed is over as well.
        let _ = self.turn.try_recv();
        if state.inside.is_none() {
            state.give(None, now);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.turnstile.state)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
        self.state().tickets.retain(|ticket| ticket.task != self.task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Priority::{Background, Foreground, Interactive};
    use std::time::Duration;

    /// Seconds that each of these tasks gets in so many turns, each of which takes it as long as it says.
    fn shared_out(shares: &mut Shares, tasks: &mut [(Priority, f64)], lengths: &[f64], turns: usize) -> Vec<f64> {
        let mut got = vec![0.0; tasks.len()];
        // As at the turnstile: who had a turn goes to the end of the queue.
        let mut queue: Vec<usize> = (0..tasks.len()).collect();
        for _ in 0..turns {
            let waiting: Vec<(Priority, f64)> = queue.iter().map(|&task| tasks[task]).collect();
            let task = queue.remove(shares.next(&waiting).unwrap());
            tasks[task].1 = shares.charge(tasks[task].0, lengths[task]);
            got[task] += lengths[task];
            queue.push(task);
        }
        got
    }

    #[test]
    fn equals_share_equally_however_long_their_turns_are() {
        let got = shared_out(&mut Shares::default(), &mut [(Foreground, 0.0); 3], &[1.0, 1.0, 4.0], 600);
        assert!((got[0] - got[2]).abs() <= 4.0 && (got[1] - got[2]).abs() <= 4.0, "{got:?}");
    }

    #[test]
    fn priorities_share_by_weight_whatever_their_number_of_tasks() {
        let mut tasks = [(Foreground, 0.0), (Foreground, 0.0), (Background, 0.0), (Interactive, 0.0)];
        let got = shared_out(&mut Shares::default(), &mut tasks, &[1.0; 4], 6900);
        assert_eq!(got, [200.0, 200.0, 100.0, 6400.0]);
        let mut tasks = [(Foreground, 0.0), (Background, 0.0), (Background, 0.0), (Background, 0.0)];
        let got = shared_out(&mut Shares::default(), &mut tasks, &[1.0; 4], 1500);
        assert_eq!(got, [1200.0, 100.0, 100.0, 100.0]);
    }

    #[test]
    fn a_newcomer_and_one_that_paused_are_owed_nothing() {
        let (mut shares, mut tasks) = (Shares::default(), [(Foreground, 0.0), (Foreground, 0.0)]);
        shared_out(&mut shares, &mut tasks, &[1.0, 1.0], 1000);
        // The second pauses for a thousand turns; then both go on beside a third.
        shared_out(&mut shares, &mut tasks[..1], &[1.0], 1000);
        let mut three = [tasks[0], tasks[1], (Foreground, 0.0)];
        let got = shared_out(&mut shares, &mut three, &[1.0; 3], 30);
        assert!(got.iter().all(|&turns| (9.0..=11.0).contains(&turns)), "{got:?}");
    }

    #[test]
    fn an_interactive_task_is_next_however_long_others_have_waited() {
        let (mut shares, mut tasks) = (Shares::default(), [(Foreground, 0.0), (Background, 0.0)]);
        shared_out(&mut shares, &mut tasks, &[1.0, 1.0], 11);
        assert_eq!(shares.next(&[tasks[0], tasks[1], (Interactive, 0.0)]), Some(2));
    }

    #[test]
    fn the_turn_goes_round_and_is_never_lost() {
        let turnstile = Arc::new(Turnstile::default());
        let [a, b, c] = [1, 2, 3].map(|task| Seat::new(&turnstile, task, Foreground));
        assert!(a.ask() && a.ask(), "nobody else wants it");
        assert!(!b.ask() && !b.ask() && !c.ask());
        b.leave();
        std::thread::sleep(Duration::from_millis(1));
        assert!(!a.ask() && c.turn.try_recv().is_ok(), "the one that left is passed over");
        assert!(!b.ask());
        drop(c);
        assert!(b.turn.try_recv().is_ok(), "it has had less than the first");
        // A turn that comes unnoticed is passed on by leaving, and had by asking.
        b.leave();
        assert!(!b.ask() && a.ask());
        std::thread::sleep(Duration::from_millis(1));
        assert!(!a.ask() && b.ask(), "what came unnoticed is had");
        drop(b);
        assert!(a.turn.try_recv().is_ok() && a.ask());
    }
}
