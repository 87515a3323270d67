//! The workspaces by name: their questions, keys and first words of help.

use super::keys;

/// The workspaces. A new one is a line here, and one in `App::workspace`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workspace {
    Trajectory,
    Latents,
    Inpaint,
}

impl Workspace {
    /// Each with its name and the question that it answers.
    pub const ALL: [(Workspace, &'static str, &'static str); 3] = [
        (Workspace::Trajectory, "Trajectory", "How does it get there?"),
        (Workspace::Latents, "Latents", "Where does a picture live?"),
        (Workspace::Inpaint, "Inpaint", "What else could be here?"),
    ];

    /// The keys that it obeys.
    pub fn bindings(self) -> &'static [keys::Binding] {
        match self {
            Workspace::Trajectory => &keys::BINDINGS,
            Workspace::Latents => &keys::LATENTS,
            Workspace::Inpaint => &keys::INPAINT,
        }
    }

    /// What dropping a picture does.
    pub fn promise(self) -> Option<&'static str> {
        match self {
            Workspace::Trajectory => None,
            Workspace::Latents => Some("put this picture into a slot"),
            Workspace::Inpaint => Some("paint on this photo, or with Alt, use it as the mask"),
        }
    }

    /// What the help says first.
    pub fn about(self) -> &'static str {
        match self {
            Workspace::Trajectory => {
                "Noise becomes a picture along a reverse-time SDE. Choose a model, a family and a solver at the left, \
                 press Run, and watch it get there. Any moment can be scrubbed back to and branched from."
            }
            Workspace::Latents => {
                "The probability-flow ODE carries every picture to one latent and back. Put a picture in A and one \
                 in B; the strip fills with pictures between them, and the slider decodes any other place. More \
                 slots make weighted sums; likelihoods are measured at the right."
            }
            Workspace::Inpaint => {
                "Open a photo and paint over what you would like to know. What is painted is unknown to the model, \
                 what is left is kept; the model answers with pictures of what could be there."
            }
        }
    }
}
