use super::{GuidanceKind, Second};
use crate::registry::entry;

entry! {
    /// s_weak + w·(s − s_weak), where s_weak is a weaker model of the same: a smaller one, or an earlier snapshot or
    /// average of the same training (Karras et al. 2024b).
    Autoguidance {
        slug: "autoguidance",
        name: "Autoguidance",
        summary: "Away from a weaker model of the same, such as an earlier snapshot of its training",
        source: "Karras et al. 2024, Guiding a diffusion model with a bad version of itself",
    }
}

impl GuidanceKind for Autoguidance {
    fn needs_class(&self) -> bool {
        false
    }

    fn takes(&self) -> Second {
        Second::Model
    }

    fn evaluations(&self) -> usize {
        2
    }

    fn equation(&self) -> &'static str {
        "s_weak + w·(s − s_weak)"
    }
}
