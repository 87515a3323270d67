//! Operators as people write them.

use super::{Factor, Kernel, Motion, Operator, OperatorError, Sensing, Spread, Weights};
use std::fmt;
use std::str::FromStr;

impl FromStr for Operator {
    type Err = OperatorError;

    fn from_str(text: &str) -> Result<Self, OperatorError> {
        let unknown = || OperatorError::Unknown(text.into());
        let number = |part: &str| part.parse::<f64>().map_err(|_| unknown());
        let whole = |part: &str| part.parse::<usize>().map_err(|_| unknown());
        let parts: Vec<&str> = text.trim().split(':').collect();
        Ok(match parts[..] {
            ["inpainting"] => Operator::Inpainting,
            ["colourisation"] => Operator::Colourisation,
            ["super-resolution", factor] => Operator::SuperResolution(Factor::new(whole(factor)?)?),
            ["blur", "gaussian", std] => Operator::Blur(Kernel::Gaussian(Spread::new(number(std)?)?)),
            ["blur", "motion", length, angle] => {
                Operator::Blur(Kernel::Motion(Motion::new(number(length)?, number(angle)?)?))
            }
            ["blur", "own", size, weights] => {
                let weights: Result<Vec<f64>, _> = weights.split(',').map(number).collect();
                Operator::Blur(Kernel::Own(Weights::new(whole(size)?, weights?)?))
            }
            ["compressed-sensing", share] => Operator::CompressedSensing(Sensing::new(number(share)?, 0)?),
            ["compressed-sensing", share, seed] => {
                let seed = seed.parse().map_err(|_| unknown())?;
                Operator::CompressedSensing(Sensing::new(number(share)?, seed)?)
            }
            ["denoising"] => Operator::Denoising,
            _ => return Err(unknown()),
        })
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operator::Inpainting => out.write_str("inpainting"),
            Operator::Colourisation => out.write_str("colourisation"),
            Operator::SuperResolution(factor) => write!(out, "super-resolution:{}", factor.get()),
            Operator::Blur(Kernel::Gaussian(spread)) => write!(out, "blur:gaussian:{}", spread.get()),
            Operator::Blur(Kernel::Motion(motion)) => write!(out, "blur:motion:{}:{}", motion.length(), motion.angle()),
            Operator::Blur(Kernel::Own(weights)) => {
                let all: Vec<String> = weights.values().iter().map(f64::to_string).collect();
                write!(out, "blur:own:{}:{}", weights.size(), all.join(","))
            }
            Operator::CompressedSensing(sensing) if sensing.seed() == 0 => {
                write!(out, "compressed-sensing:{}", sensing.share())
            }
            Operator::CompressedSensing(sensing) => {
                write!(out, "compressed-sensing:{}:{}", sensing.share(), sensing.seed())
            }
            Operator::Denoising => out.write_str("denoising"),
        }
    }
}

impl TryFrom<String> for Operator {
    type Error = OperatorError;
    fn try_from(text: String) -> Result<Self, OperatorError> {
        text.parse()
    }
}

impl From<Operator> for String {
    fn from(operator: Operator) -> String {
        operator.to_string()
    }
}
