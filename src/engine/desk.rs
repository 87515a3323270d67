//! The worker's desk: what it owns, and the commands that wait there.

use super::control::Channels;
use super::loader::Loader;
use super::{Command, DeviceChoice, Devices, Event, Job, JobId, JobUpdate};
use crate::score::ScoreError;
use crate::task::Evidence;
use crossbeam_channel::TryRecvError;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;

/// A job as it was asked for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) id: JobId,
    pub(super) job: Job,
    pub(super) device: DeviceChoice,
}

pub(super) struct Desk {
    pub(super) devices: Devices,
    pub(super) channels: Channels,
    pub(super) loader: RefCell<Loader>,
    /// Commands for later, in the order asked; at most one run and one job of each lane.
    waiting: RefCell<VecDeque<Command>>,
    /// Commands that an interactive job heard and that are meant for what it interrupts.
    handed_back: RefCell<VecDeque<Command>>,
    /// Jobs begun and not ended, the innermost last.
    pub(super) under_way: RefCell<Vec<JobId>>,
}

impl Desk {
    pub(super) fn new(devices: Devices, library: Option<PathBuf>, channels: Channels) -> Self {
        Desk {
            devices,
            channels,
            loader: RefCell::new(Loader::new(library)),
            waiting: RefCell::default(),
            handed_back: RefCell::default(),
            under_way: RefCell::default(),
        }
    }

    /// The next command to begin with; waits for one. `None` when all listeners are gone.
    pub(super) fn begin(&self) -> Option<Command> {
        for command in self.handed_back.take() {
            self.put(command);
        }
        self.take_interactive()
            .or_else(|| self.waiting.borrow_mut().pop_front())
            .or_else(|| self.channels.inbox.recv().ok())
    }

    /// The next command for a run or a job under way that may be interrupted. Waits for one when `held`.
    ///
    /// # Errors
    /// [`ScoreError::Stopped`] when all listeners are gone.
    pub(super) fn next(&self, held: bool) -> Result<Option<Command>, ScoreError> {
        let handed_back = self.handed_back.borrow_mut().pop_front();
        match handed_back.or_else(|| self.take_interactive()) {
            Some(command) => Ok(Some(command)),
            None if held => self.channels.inbox.recv().map(Some).map_err(|_| ScoreError::Stopped),
            None => self.hear(),
        }
    }

    /// The next command that was sent, if there is one.
    ///
    /// # Errors
    /// [`ScoreError::Stopped`] when all listeners are gone.
    pub(super) fn hear(&self) -> Result<Option<Command>, ScoreError> {
        match self.channels.inbox.try_recv() {
            Ok(command) => Ok(Some(command)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(ScoreError::Stopped),
        }
    }

    /// Leaves a command to what the present job interrupts.
    pub(super) fn hand_back(&self, command: Command) {
        self.handed_back.borrow_mut().push_back(command);
    }

    /// Keeps a command for later. A run takes the place of one that waits, a job that of one in its lane.
    pub(super) fn put(&self, command: Command) {
        match &command {
            Command::Start { .. } | Command::Branch { .. } => self.end_waiting_runs(),
            Command::Flow { job, .. } if job.lane().is_some() => {
                self.end_waiting(
                    |waiting| matches!(waiting, Command::Flow { job: other, .. } if other.lane() == job.lane()),
                );
            }
            Command::StopJob(id) => return self.end_waiting_job(*id),
            Command::Exchange { id, evidence } => return self.exchange_waiting(*id, evidence),
            Command::Stop => return self.end_waiting_runs(),
            _ => {}
        }
        self.waiting.borrow_mut().push_back(command);
    }

    pub(super) fn end_waiting_runs(&self) {
        self.end_waiting(|waiting| matches!(waiting, Command::Start { .. } | Command::Branch { .. }));
    }

    pub(super) fn end_waiting_job(&self, id: JobId) {
        self.end_waiting(|waiting| matches!(waiting, Command::Flow { id: other, .. } if *other == id));
    }

    /// A restoration that waits begins with other evidence.
    fn exchange_waiting(&self, wanted: JobId, newer: &Evidence) {
        for command in self.waiting.borrow_mut().iter_mut() {
            if let Command::Flow { id, job: Job::Restore { evidence, .. }, .. } = command
                && *id == wanted
            {
                evidence.clone_from(newer);
            }
        }
    }

    /// Takes commands off the list and says that they have ended.
    fn end_waiting(&self, ends: impl Fn(&Command) -> bool) {
        let all = self.waiting.take();
        let (ended, rest): (VecDeque<Command>, VecDeque<Command>) = all.into_iter().partition(|command| ends(command));
        self.waiting.replace(rest);
        for command in ended {
            match command {
                Command::Start { id, .. } | Command::Branch { id, .. } => self.channels.say(Event::Stopped(id)),
                Command::Flow { id, .. } => self.channels.say(Event::Job { id, update: JobUpdate::Stopped }),
                _ => {}
            }
        }
    }

    fn take_interactive(&self) -> Option<Command> {
        let mut waiting = self.waiting.borrow_mut();
        let place =
            waiting.iter().position(|command| matches!(command, Command::Flow { job, .. } if job.lane().is_some()));
        waiting.remove(place?)
    }
}
