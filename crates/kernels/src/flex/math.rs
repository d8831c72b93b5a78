//! Elementary functions without branches, which compilers turn into vector instructions.

/// `e^x` to 3e-7 of itself; 0 below -87, infinite above 88.7, NaN for NaN.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Adding and subtracting 1.5 * 2^23 rounds to a whole number, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first exact in few bits, so that the remainder keeps its precision.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let r = x - whole * LN2_HIGH - whole * LN2_LOW;
    // Taylor to the seventh power: on |r| < ln 2 / 2 the rest is below 1e-8.
    let series = 1.0 / 5040.0;
    let series = series * r + 1.0 / 720.0;
    let series = series * r + 1.0 / 120.0;
    let series = series * r + 1.0 / 24.0;
    let series = series * r + 1.0 / 6.0;
    let series = series * r + 0.5;
    let series = series * r + 1.0;
    let series = series * r + 1.0;
    // The power of two in two halves, so that its exponent cannot overflow.
    let exponent = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = exponent >> 1;
    let power = |exponent: i32| f32::from_bits((exponent.wrapping_add(127) as u32) << 23);
    let value = series * power(half) * power(exponent.wrapping_sub(half));
    let value = if x < -87.0 { 0.0 } else { value };
    if x > 88.72 { f32::INFINITY } else { value }
}

/// `tanh x`, with an absolute error of 2e-7.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// `1 / (1 + e^-x)`, precise in its tail as well.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The standard normal distribution function and its density at `x`.
///
/// The error function by Abramowitz and Stegun 7.1.26 (absolute error 1.5e-7), whose exponential the density shares.
#[inline(always)]
pub(super) fn normal(x: f32) -> (f32, f32) {
    const FRAC_1_SQRT_TAU: f32 = 0.398_942_3;
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let exponential = exp(-z * z);
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series = 1.061_405_4;
    let series = series * t - 1.453_152;
    let series = series * t + 1.421_413_7;
    let series = series * t - 0.284_496_74;
    let series = series * t + 0.254_829_6;
    let tail = 0.5 * series * t * exponential;
    let cumulative = if x < 0.0 { tail } else { 1.0 - tail };
    (cumulative, FRAC_1_SQRT_TAU * exponential)
}

/// The sum in sixteen lanes and a fixed tree.
#[inline(always)]
pub(super) fn sum(values: &[f32]) -> f32 {
    let (blocks, rest) = values.as_chunks::<16>();
    let mut lanes = [0.0f32; 16];
    for block in blocks {
        for (lane, &value) in lanes.iter_mut().zip(block) {
            *lane += value;
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane += value;
    }
    fold(lanes)
}

/// The sum of products, likewise.
#[inline(always)]
pub(super) fn dot(left: &[f32], right: &[f32]) -> f32 {
    let ((left, left_rest), (right, right_rest)) =
        (left.as_chunks::<16>(), right.as_chunks::<16>());
    let mut lanes = [0.0f32; 16];
    for (left, right) in left.iter().zip(right) {
        for ((lane, &left), &right) in lanes.iter_mut().zip(left).zip(right) {
            *lane += left * right;
        }
    }
    for ((lane, &left), &right) in lanes.iter_mut().zip(left_rest).zip(right_rest) {
        *lane += left * right;
    }
    fold(lanes)
}

/// The largest value; NaN if there is one, minus infinity if there is none.
#[inline(always)]
pub(super) fn maximum(values: &[f32]) -> f32 {
    let (blocks, rest) = values.as_chunks::<16>();
    let mut lanes = [f32::NEG_INFINITY; 16];
    let larger = |lane: f32, value: f32| {
        if value <= lane || lane.is_nan() {
            lane
        } else {
            value
        }
    };
    for block in blocks {
        for (lane, &value) in lanes.iter_mut().zip(block) {
            *lane = larger(*lane, value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane = larger(*lane, value);
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, larger)
}

#[inline(always)]
fn fold(lanes: [f32; 16]) -> f32 {
    let mut lanes = lanes;
    let mut width = 8;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_agree_with_the_standard_library() {
        for i in -8_700..8_800 {
            let x = i as f32 / 100.0;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) / expected - 1.0).abs();
            assert!(error < 3e-7, "{x}: {error}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1e30), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(1e3), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn the_normal_distribution_is_right_to_single_precision() {
        // From tables of the distribution function.
        for (x, expected) in [
            (0.0, 0.5),
            (1.0, 0.841_344_7),
            (-1.0, 0.158_655_25),
            (-3.0, 0.001_349_898),
            (2.5, 0.993_790_3),
        ] {
            assert!((normal(x).0 - expected).abs() < 2e-7, "{x}");
        }
        assert!((normal(0.5).1 - 0.352_065_33).abs() < 1e-7);
        assert!(normal(f32::NAN).0.is_nan());
    }

    #[test]
    fn tanh_agrees_with_the_standard_library() {
        for i in -1000..1000 {
            let x = i as f32 / 50.0;
            assert!((tanh(x) - x.tanh()).abs() < 3e-7, "{x}");
        }
    }

    #[test]
    fn reductions_cover_the_tail_and_let_nan_through() {
        let values: Vec<f32> = (0..37).map(|i| i as f32).collect();
        assert_eq!(sum(&values), 666.0);
        assert_eq!(
            dot(&values, &values),
            (0..37).map(|i| (i * i) as f32).sum::<f32>()
        );
        assert_eq!(maximum(&values), 36.0);
        assert_eq!(maximum(&[]), f32::NEG_INFINITY);
        assert!(maximum(&[1.0, f32::NAN, 2.0]).is_nan());
    }
}
