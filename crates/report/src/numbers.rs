//! Numbers as people read them.

/// A count with its thousands apart: `12 345`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            // A space that no line breaks at, as narrow as a thousands separator should be.
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A score of any size, finite or not: four decimals where they say something, else powers of ten.
pub fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        0.0 | 1e-3..1e5 => format!("{value:.4}"),
        1e5..1e8 => format!("{value:.1}"),
        _ if size.is_finite() => format!("{value:.4e}"),
        _ => format!("{value}"),
    }
}

/// A score on the page.
pub(crate) fn score(value: f64) -> String {
    if value.is_finite() {
        signed(&number(value))
    } else {
        "–".to_owned()
    }
}

/// The text of a number, with signs as wide as digits.
fn signed(text: &str) -> String {
    text.replace('-', "\u{2212}")
}

/// A share in per cent.
pub(crate) fn percent(share: f64) -> String {
    if share.is_finite() {
        format!("{:.1} %", 100.0 * share)
    } else {
        "–".to_owned()
    }
}

/// Numbers at round places over a range, about `count` of them, with their texts.
pub(crate) fn ticks(low: f64, high: f64, count: usize, whole: bool) -> Vec<(f64, String)> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 {
        return vec![(low, text(low, span.abs().max(1.0)))];
    }
    let rough = span / count.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let mut step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .map(|times| times * power)
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(rough);
    if whole {
        step = step.max(1.0).round();
    }
    // The last digits of products of decimals are noise.
    let slack = step * 1e-6;
    let first = ((low - slack) / step).ceil() as i64;
    let last = ((high + slack) / step).floor() as i64;
    (first..=last)
        .map(|at| at as f64 * step)
        .map(|value| (value, text(value, step)))
        .collect()
}

/// A number with as many digits as tell it from others a step away.
fn text(value: f64, step: f64) -> String {
    /// Digits after the point of a power of ten, beyond which the whole number is easier to read.
    const MOST: i32 = 3;
    let power = step.log10().floor();
    let fits = step / 10_f64.powf(power);
    // The place of the last digit: 2.5 steps have one more.
    let last = power as i32 - i32::from((fits - fits.round()).abs() > 1e-6);
    let is_zero = value.abs() < step * 1e-6;
    if value.abs().max(step) >= 1e6 || step < 1e-4 {
        if is_zero {
            return "0".to_owned();
        }
        let digits = (value.abs().log10().floor() as i32 - last).max(0);
        if digits <= MOST {
            let text = format!("{value:.*e}", digits as usize);
            let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
            let digits = if digits.contains('.') {
                digits.trim_end_matches('0').trim_end_matches('.')
            } else {
                digits
            };
            return signed(&format!("{digits}e{power}"));
        }
    }
    let value = if is_zero { 0.0 } else { value };
    let decimals = (-last).clamp(0, 15);
    signed(&format!("{value:.*}", decimals as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(low: f64, high: f64, whole: bool) -> Vec<String> {
        let ticks = ticks(low, high, 5, whole);
        ticks.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_lie_at_round_numbers() {
        assert_eq!(
            texts(0.0, 1.0, false),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(texts(-3.0, 2.0, false), ["−3", "−2", "−1", "0", "1", "2"]);
        assert_eq!(texts(0.0, 3.0, true), ["0", "1", "2", "3"]);
        assert_eq!(texts(0.0, 1e-5, false)[..2], ["0", "2e−6"]);
        assert_eq!(texts(0.0, 1e7, false)[..2], ["0", "2e6"]);
        assert_eq!(texts(-1e-8, 0.0, false)[..2], ["−1e−8", "−8e−9"]);
        assert_eq!(texts(2.0, 2.0, false), ["2"]);
    }

    #[test]
    fn ticks_that_lie_close_are_told_apart() {
        assert_eq!(
            texts(2_000_000.0, 2_000_350.0, false),
            ["2000000", "2000100", "2000200", "2000300"]
        );
        assert_eq!(
            texts(0.123_45, 0.123_55, false),
            ["0.12346", "0.12348", "0.12350", "0.12352", "0.12354"]
        );
        assert_eq!(texts(1e6, 2e6, false)[..2], ["1e6", "1.2e6"]);
        for (low, span) in [(1e12, 1e-2), (5e7, 3.0), (-3e-9, 1e-12), (0.7, 1e-7)] {
            let mut texts = texts(low, low + span, false);
            let count = texts.len();
            texts.dedup();
            assert_eq!(texts.len(), count, "{texts:?}");
        }
    }

    #[test]
    fn scores_of_any_size_say_something_in_a_few_letters() {
        for (value, text) in [
            (0.0, "0.0000"),
            (-0.25, "−0.2500"),
            (4.8e-9, "4.8000e−9"),
            (392_402.602_2, "392402.6"),
            (1_127_245_156_114.264_6, "1.1272e12"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(score(value), text);
        }
        assert_eq!(number(f64::NAN), "NaN");
        assert_eq!(number(-0.25), "-0.2500");
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
    }
}
