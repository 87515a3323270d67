use crate::network::DeviceError;
use crate::score::ScoreError;
use std::any::Any;

/// One sentence of what went wrong, one of what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub what: String,
    pub remedy: String,
}

impl Failure {
    /// From an error's sentence, which says what to do after its last semicolon; else `remedy` does.
    pub(super) fn from_sentence(sentence: &str, remedy: &str) -> Failure {
        let (what, remedy) = sentence.rsplit_once("; ").unwrap_or((sentence, remedy));
        Failure { what: capitalised(what), remedy: capitalised(remedy) }
    }

    /// From what a panic carried.
    pub(super) fn from_panic(panic: &(dyn Any + Send)) -> Failure {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        let reason = text.lines().next().unwrap_or_default();
        Failure {
            what: format!("The computation failed unexpectedly: {reason}."),
            remedy: "Run again; if it happens again, choose another device or model.".into(),
        }
    }
}

impl From<&DeviceError> for Failure {
    fn from(error: &DeviceError) -> Failure {
        let remedy = match error {
            // Then the CPU is taken by itself.
            DeviceError::Lost | DeviceError::Stuck(_) => {
                "run again: the CPU is used until the program is restarted, and a newer graphics driver may help"
            }
            DeviceError::OutOfMemory => "close other programs that use the GPU, or choose the CPU",
            DeviceError::Refused(_) => "choose the CPU; a newer graphics driver may help",
        };
        Failure { what: capitalised(&error.to_string()), remedy: capitalised(remedy) }
    }
}

impl From<ScoreError> for Failure {
    fn from(error: ScoreError) -> Failure {
        Failure::from_sentence(&error.to_string(), "run again, or choose another device")
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.what, self.remedy)
    }
}

/// The text as a sentence of its own: a capital first, a full stop last.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}
