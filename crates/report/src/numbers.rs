//! Numbers as people read them.

/// A count with its thousands apart: `12 345`.
pub(crate) fn grouped(count: u64) -> String {
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

/// A score, as the program prints it.
pub(crate) fn score(value: f64) -> String {
    match value.is_finite() {
        true => format!("{value:.4}"),
        false => "–".to_owned(),
    }
}

/// A share in per cent.
pub(crate) fn percent(share: f64) -> String {
    match share.is_finite() {
        true => format!("{:.1} %", 100.0 * share),
        false => "–".to_owned(),
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

/// A number with as many decimals as a step needs.
fn text(value: f64, step: f64) -> String {
    let value = if value.abs() < step * 1e-6 {
        0.0
    } else {
        value
    };
    let size = value.abs().max(step);
    if size >= 1e6 || (step < 1e-4 && value != 0.0) {
        return format!("{value:.2e}")
            .replace(".00e", "e")
            .replace("0e", "e");
    }
    let decimals = (0..=5).find(|&decimals| {
        let scaled = step * 10_f64.powi(decimals);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    });
    let text = format!("{value:.*}", decimals.unwrap_or(5) as usize);
    text.replace('-', "\u{2212}")
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
        assert_eq!(texts(0.0, 1e-5, false)[1], "2e-6");
        assert_eq!(texts(2.0, 2.0, false), ["2"]);
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
    }
}
