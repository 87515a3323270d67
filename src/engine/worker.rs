use super::{Command, Devices, Event, Snapshot};
use crossbeam_channel::{Receiver, Sender};
use std::path::PathBuf;
use std::sync::Arc;

pub(super) struct Worker;

impl Worker {
    pub(super) fn new(
        _devices: Devices,
        _library: Option<PathBuf>,
        _inbox: Receiver<Command>,
        _outbox: Sender<Event>,
        _latest: Sender<Arc<Snapshot>>,
        _replaced: Receiver<Arc<Snapshot>>,
        _wake: Box<dyn Fn() + Send>,
    ) -> Self {
        Worker
    }

    pub(super) fn serve(self) {
        todo!()
    }
}
