use super::RestorationError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How a measurement is imposed on samples of an unconditional model: `projection`, `null-space`, `pigdm`,
/// `pigdm:0.5`, `dps:0.3`, `exact`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Method {
    /// What was measured is replaced after every update (Song et al. 2021, appendix I).
    Projection,
    /// The estimate of x(0) is corrected by what was measured (DDNM, Wang et al. 2022).
    NullSpace,
    /// The score is guided by the measurement through the denoiser (ΠGDM, Song et al. 2023).
    PiGdm(Weight),
    /// Each update descends ‖y − A·x̂(0)‖ (DPS, Chung et al. 2023), by ζ.
    Dps(Weight),
    /// The exact posterior, of models that have one.
    Exact,
}

/// How strongly a measurement guides: from 0, not at all, to [`Weight::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Weight(f64);

impl Weight {
    pub const MAX: f64 = 100.0;

    /// # Errors
    /// Outside 0 to [`Weight::MAX`].
    pub fn new(weight: f64) -> Result<Self, RestorationError> {
        if (0.0..=Self::MAX).contains(&weight) { Ok(Weight(weight)) } else { Err(RestorationError::Weight(weight)) }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Method {
    /// Every method with its usual weight.
    pub const ALL: [Method; 5] = [Method::Projection, Method::NullSpace, Method::PI_GDM, Method::DPS, Method::Exact];
    /// ΠGDM with the weight that follows from its derivation.
    pub const PI_GDM: Method = Method::PiGdm(Weight(1.0));
    /// DPS with ζ = 3, which suits some 50 steps. (Published are 0.3 to 1, for 1000.)
    pub const DPS: Method = Method::Dps(Weight(3.0));

    /// The name people read.
    pub fn name(self) -> &'static str {
        match self {
            Method::Projection => "Projection",
            Method::NullSpace => "Null space (DDNM)",
            Method::PiGdm(_) => "ΠGDM",
            Method::Dps(_) => "DPS",
            Method::Exact => "Exact",
        }
    }

    /// The weight or ζ, of methods that have one.
    pub fn weight(self) -> Option<Weight> {
        match self {
            Method::PiGdm(weight) | Method::Dps(weight) => Some(weight),
            Method::Projection | Method::NullSpace | Method::Exact => None,
        }
    }

    /// The same method with another weight, where it has one.
    pub fn with_weight(self, weight: Weight) -> Method {
        match self {
            Method::PiGdm(_) => Method::PiGdm(weight),
            Method::Dps(_) => Method::Dps(weight),
            Method::Projection | Method::NullSpace | Method::Exact => self,
        }
    }

    /// Whether the model must be differentiable: its parameters on an autodiff device.
    pub fn is_differentiated(self) -> bool {
        matches!(self, Method::PiGdm(_) | Method::Dps(_))
    }

    fn word(self) -> &'static str {
        match self {
            Method::Projection => "projection",
            Method::NullSpace => "null-space",
            Method::PiGdm(_) => "pigdm",
            Method::Dps(_) => "dps",
            Method::Exact => "exact",
        }
    }
}

impl FromStr for Method {
    type Err = RestorationError;

    fn from_str(text: &str) -> Result<Self, RestorationError> {
        let unknown = || RestorationError::Method(text.into());
        let (word, weight) = match text.trim().split_once(':') {
            Some((word, weight)) => (word, Some(Weight::new(weight.parse().map_err(|_| unknown())?)?)),
            None => (text.trim(), None),
        };
        let method = Method::ALL.into_iter().find(|method| method.word() == word).ok_or_else(unknown)?;
        match weight {
            Some(_) if method.weight().is_none() => Err(unknown()),
            Some(weight) => Ok(method.with_weight(weight)),
            None => Ok(method),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())?;
        let usual = Method::ALL.contains(self);
        self.weight().filter(|_| !usual).map_or(Ok(()), |weight| write!(out, ":{}", weight.get()))
    }
}

impl TryFrom<String> for Method {
    type Error = RestorationError;
    fn try_from(text: String) -> Result<Self, RestorationError> {
        text.parse()
    }
}

impl From<Method> for String {
    fn from(method: Method) -> String {
        method.to_string()
    }
}
