use serde::{Deserialize, Serialize};

/// Which number a network is given for its noise level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelConvention {
    /// 999·t, at any time.
    Time,
    /// σ(t), at any time.
    Sigma,
    /// ln(σ(t))/4, at any time (c_noise of Karras et al. 2022, table 1).
    LogSigma,
    /// The index of one of N geometric noise levels, the largest σ first (SMLD).
    SmldIndex,
    /// The index of one of DDPM's N steps, the smallest β first.
    DdpmIndex,
    /// 1000·σ/(α + σ), a thousand times the share of noise on a straight line (diffusers' flow matching).
    FlowTime,
}

impl LabelConvention {
    /// Whether networks that are told this answer the score itself, or something that their preconditioning makes one.
    pub fn answers_scores(self) -> bool {
        matches!(self, LabelConvention::Sigma | LabelConvention::LogSigma | LabelConvention::SmldIndex)
    }
}
