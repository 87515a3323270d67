//! The quantiles of the normal distribution.

/// A polynomial by its coefficients, the constant one first.
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// The number that a standard normal lies below with probability `u` in (0, 1), to about sixteen digits
/// (Wichura 1988, algorithm AS 241).
pub(super) fn quantile(u: f64) -> f64 {
    let q = u - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * polynomial(&CENTRE[0], r) / polynomial(&CENTRE[1], r);
    }
    let r = (-u.min(1.0 - u).ln()).sqrt();
    let tail = match r <= 5.0 {
        true => polynomial(&NEAR[0], r - 1.6) / polynomial(&NEAR[1], r - 1.6),
        false => polynomial(&FAR[0], r - 5.0) / polynomial(&FAR[1], r - 5.0),
    };
    tail.copysign(q)
}

#[rustfmt::skip]
const CENTRE: [[f64; 8]; 2] = [
    [3.387_132_872_796_366_5, 1.331_416_678_917_843_8e2, 1.971_590_950_306_551_3e3, 1.373_169_376_550_946e4,
     4.592_195_393_154_987e4, 6.726_577_092_700_87e4, 3.343_057_558_358_813e4, 2.509_080_928_730_122_7e3],
    [1.0, 4.231_333_070_160_091e1, 6.871_870_074_920_579e2, 5.394_196_021_424_751e3,
     2.121_379_430_158_659_7e4, 3.930_789_580_009_271e4, 2.872_908_573_572_194_3e4, 5.226_495_278_852_854e3],
];
#[rustfmt::skip]
const NEAR: [[f64; 8]; 2] = [
    [1.423_437_110_749_683_5, 4.630_337_846_156_546, 5.769_497_221_460_691, 3.647_848_324_763_204_5,
     1.270_458_252_452_368_4, 2.417_807_251_774_506e-1, 2.272_384_498_926_918_4e-2, 7.745_450_142_783_414e-4],
    [1.0, 2.053_191_626_637_759, 1.676_384_830_183_803_8, 6.897_673_349_851e-1,
     1.481_039_764_274_800_8e-1, 1.519_866_656_361_645_7e-2, 5.475_938_084_995_345e-4, 1.050_750_071_644_416_9e-9],
];
#[rustfmt::skip]
const FAR: [[f64; 8]; 2] = [
    [6.657_904_643_501_103, 5.463_784_911_164_114, 1.784_826_539_917_291_3, 2.965_605_718_285_048_7e-1,
     2.653_218_952_657_612_4e-2, 1.242_660_947_388_078_4e-3, 2.711_555_568_743_487_6e-5, 2.010_334_399_292_288_1e-7],
    [1.0, 5.998_322_065_558_88e-1, 1.369_298_809_227_358e-1, 1.487_536_129_085_061_5e-2,
     7.868_691_311_456_133e-4, 1.846_318_317_510_054_8e-5, 1.421_511_758_316_446e-7, 2.044_263_103_389_939_8e-15],
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Φ by Simpson's rule on the density from 0.
    fn distribution(x: f64) -> f64 {
        let (steps, density) = (20_000, |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt());
        let h = x / f64::from(steps);
        let inner = |i: i32| if i % 2 == 1 { 4.0 } else { 2.0 } * density(f64::from(i) * h);
        0.5 + h / 3.0 * (density(0.0) + (1..steps).map(inner).sum::<f64>() + density(x))
    }

    #[test]
    fn quantiles_are_the_inverse_of_the_distribution_function() {
        for i in 1..400 {
            let u = f64::from(i) / 400.0;
            assert!((distribution(quantile(u)) - u).abs() < 1e-13, "{u}: {}", distribution(quantile(u)) - u);
        }
        // Far tails: published one-sided quantiles, and symmetry.
        for (u, published) in
            [(1e-3, -3.090_232_306_167_813), (1e-10, -6.361_340_902_404_056), (1e-15, -7.941_345_326_170_997)]
        {
            assert!((quantile(u) - published).abs() < 1e-11, "{u}: {}", quantile(u));
        }
        assert!((quantile(0.999) + quantile(0.001)).abs() < 1e-12);
    }
}
