//! Opens models: tells how far their files are read, and stops where that is asked for.

use super::desk::Desk;
use super::loader::{LoadError, Loaded};
use super::worker::Ending;
use super::{Command, DeviceChoice, Event, Failure};
use crate::checkpoint::{FileError, ReadProgress};
use crate::task::ModelRef;
use burn::tensor::Device;
use std::rc::Rc;

impl Desk {
    /// A model on a device. Commands that come meanwhile are for whoever opens it, but for those that end the opening:
    /// these are kept where something else is to be begun by them.
    ///
    /// # Errors
    /// [`Ending::Stopped`] if a command ended it.
    pub(super) fn open(
        &self,
        model: &ModelRef,
        device: &Device,
        gpu: bool,
        ends: impl Fn(&Command) -> bool,
    ) -> Result<Rc<Loaded>, Ending> {
        self.channels.say(Event::Loading { what: model.to_string(), fraction: None });
        let tell = |share: f32| {
            self.channels.say(Event::Loading { what: model.to_string(), fraction: Some(share) });
            self.goes_on(&ends)
        };
        match self.loader.borrow_mut().open(model, device, gpu, &ReadProgress::new(&tell)) {
            Ok(loaded) => Ok(loaded),
            Err(LoadError::File(FileError::Cancelled(_))) => Err(Ending::Stopped),
            Err(error) => Err(Failure::from(error).into()),
        }
    }

    fn goes_on(&self, ends: impl Fn(&Command) -> bool) -> bool {
        loop {
            match self.hear() {
                Ok(Some(command @ (Command::Stop | Command::StopJob(_)))) if ends(&command) => return false,
                Ok(Some(command)) if ends(&command) => {
                    self.put(command);
                    return false;
                }
                Ok(Some(command)) => self.hand_back(command),
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Opens a model and says what it is. Another choice or a Stop ends it.
    pub(super) fn inspect(&self, model: ModelRef) {
        let (device, report) = self.devices.choose(DeviceChoice::Auto);
        let opened =
            self.open(&model, device, report.gpu, |command| matches!(command, Command::Stop | Command::Inspect(_)));
        let failure = match opened {
            Ok(loaded) => return self.channels.say(Event::Model(loaded.report.clone())),
            Err(Ending::Failed(failure)) => failure,
            Err(Ending::Stopped) => {
                Failure { what: format!("Opening {model} was stopped."), remedy: "Choose it again to open it.".into() }
            }
        };
        self.channels.say(Event::ModelFailed { model, failure });
    }
}
