//! File names of checkpoints with metrics in them: `{epoch}-{val_loss:.3f}`.
//!
//! The notation is Lightning's: a name in braces, with an optional format in Python's notation. With
//! automatic insertion each value is preceded by its name, so that `{epoch}-{step}` becomes
//! `epoch=3-step=120`. Characters that some file system refuses become `_`.

use engraft_component::Refusal;

use super::{is_counter, refusal, value_of};

/// A parsed file name.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
    auto_insert: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Value { name: String, format: Format },
}

/// Python's `[0][width][.precision][type]`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Format {
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    kind: Option<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Whole,
    Fixed,
    Scientific,
    Percent,
}

/// Longer numbers fit in no file name.
const WIDEST: usize = 64;

impl Template {
    /// The name of a checkpoint for which none is given.
    pub const DEFAULT: &str = "{epoch}-{step}";

    /// Reads a template; `auto_insert` puts each value's name before it.
    ///
    /// # Errors
    /// A brace without its partner, or a format that is not understood.
    pub fn parse(text: &str, auto_insert: bool) -> Result<Self, Refusal> {
        let error =
            |problem: String| refusal("ModelCheckpoint", format!("filename \"{text}\": {problem}"));
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
                plain.extend(from.chars().next());
                rest = after;
                continue;
            }
            let inner = from
                .strip_prefix('{')
                .ok_or_else(|| error("\"}\" without \"{\"".into()))?;
            let (inner, after) = inner
                .split_once('}')
                .ok_or_else(|| error("\"{\" without \"}\"".into()))?;
            let (name, format) = inner.split_once(':').unwrap_or((inner, ""));
            let format = Format::parse(format).ok_or_else(|| {
                error(format!(
                    "\"{format}\" is not a format such as .3f, .2e, 05d or .1%"
                ))
            })?;
            if name.is_empty() {
                return Err(error("\"{}\" names no metric".into()));
            }
            if format.kind == Some(Kind::Whole) && !is_counter(name) {
                return Err(error(format!(
                    "\"{name}\" is not a whole number; use .3f instead of d"
                )));
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            let name = name.to_owned();
            parts.push(Part::Value { name, format });
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts, auto_insert })
    }

    /// The metrics that the name mentions, without `epoch` and `step`.
    pub fn metrics(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value { name, .. } if !is_counter(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The file name for these values. A metric that was not measured yet shows as `nan`.
    pub fn render(&self, metrics: &[(String, f64)], epoch: u64, step: u64) -> String {
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Value {
                    name: metric,
                    format,
                } => {
                    if self.auto_insert {
                        name.push_str(metric);
                        name.push('=');
                    }
                    name.push_str(&match metric.as_str() {
                        "epoch" => format.whole(epoch),
                        "step" => format.whole(step),
                        _ => format.number(value_of(metrics, metric).unwrap_or(f64::NAN)),
                    });
                }
            }
        }
        portable(&name)
    }
}

impl Format {
    fn parse(text: &str) -> Option<Self> {
        let (text, kind) = match text.char_indices().next_back() {
            Some((at, letter)) if !letter.is_ascii_digit() => {
                let kind = match letter {
                    'd' => Kind::Whole,
                    'f' | 'F' => Kind::Fixed,
                    'e' => Kind::Scientific,
                    '%' => Kind::Percent,
                    _ => return None,
                };
                (text.get(..at)?, Some(kind))
            }
            _ => (text, None),
        };
        let (width, precision) = match text.split_once('.') {
            Some((width, precision)) => (width, Some(number(precision)?)),
            None => (text, None),
        };
        if precision.is_some() && kind == Some(Kind::Whole) {
            return None;
        }
        let zeros = width.len() > 1 && width.starts_with('0');
        let width = if width.is_empty() { 0 } else { number(width)? };
        Some(Self {
            zeros,
            width,
            precision,
            // `.3` alone means significant digits in Python, and what users mean by it is `.3f`.
            kind: kind.or(precision.map(|_| Kind::Fixed)),
        })
    }

    fn whole(self, value: u64) -> String {
        match self.kind {
            None | Some(Kind::Whole) => self.pad(value.to_string()),
            _ => self.number(value as f64),
        }
    }

    fn number(self, value: f64) -> String {
        let precision = self.precision.unwrap_or(6);
        self.pad(match self.kind {
            _ if value.is_nan() => "nan".to_owned(),
            _ if value.is_infinite() => value.to_string(),
            None | Some(Kind::Whole) => format!("{value:?}"),
            Some(Kind::Fixed) => format!("{value:.precision$}"),
            Some(Kind::Percent) => format!("{:.precision$}%", value * 100.0),
            Some(Kind::Scientific) => python_exponent(&format!("{value:.precision$e}")),
        })
    }

    fn pad(self, text: String) -> String {
        let width = self.width;
        if !self.zeros {
            return format!("{text:>width$}");
        }
        let (sign, digits) = text
            .strip_prefix('-')
            .map_or(("", text.as_str()), |digits| ("-", digits));
        let width = width.saturating_sub(sign.len());
        format!("{sign}{digits:0>width$}")
    }
}

/// Digits up to [`WIDEST`].
fn number(digits: &str) -> Option<usize> {
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
    digits
        .parse()
        .ok()
        .filter(|&number| plain && number <= WIDEST)
}

/// `4.04e-1` as Python writes it: `4.04e-01`.
fn python_exponent(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once('e') else {
        return text.to_owned();
    };
    let (sign, exponent) = exponent
        .strip_prefix('-')
        .map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// The name with every character replaced that some file system refuses or that would leave the
/// folder.
fn portable(name: &str) -> String {
    let refused = |letter: char| {
        letter.is_control()
            || matches!(letter, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
    };
    let name = name.replace(refused, "_");
    if name.trim_matches('.').trim().is_empty() {
        "_".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str, auto_insert: bool) -> String {
        let metrics = [
            ("val_loss".to_owned(), 0.40412),
            ("val/acc".to_owned(), 0.5),
        ];
        Template::parse(text, auto_insert)
            .unwrap()
            .render(&metrics, 3, 120)
    }

    #[test]
    fn names_are_lightnings_with_portable_characters() {
        // As Lightning 2.6 renders them, with ":" and "/" replaced.
        for (template, expected) in [
            (Template::DEFAULT, "epoch=3-step=120"),
            (
                "best_val:{step}-{val_loss:.3f}",
                "best_val_step=120-val_loss=0.404",
            ),
            ("{epoch:02d}", "epoch=03"),
            ("m-{val/acc:.2f}", "m-val_acc=0.50"),
            ("{epoch}-{val_loss:.2e}", "epoch=3-val_loss=4.04e-01"),
            ("{step:05d}_{val_loss:.1%}", "step=00120_val_loss=40.4%"),
            ("{val_loss:6.2f}", "val_loss=  0.40"),
            ("{val_loss}", "val_loss=0.40412"),
            ("a={epoch}", "a=epoch=3"),
            ("x", "x"),
        ] {
            assert_eq!(render(template, true), expected, "{template}");
        }
        assert_eq!(
            render("best_val:{step}-{val_loss:.3f}", false),
            "best_val_120-0.404"
        );
        assert_eq!(render(Template::DEFAULT, false), "3-120");
    }

    #[test]
    fn a_metric_not_measured_yet_does_not_pretend_to_be_zero() {
        assert_eq!(render("{train_loss:.3f}", true), "train_loss=nan");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_name_in_its_folder_or_an_error(text in "([{}:.0-9a-z/\\\\%-]|\\PC){0,24}") {
            if let Ok(template) = Template::parse(&text, false) {
                let name = template.render(&[], 3, 120);
                assert!(!name.contains(['/', '\\', ':']) && !name.trim_matches('.').is_empty(), "{name}");
            }
        }
    }

    #[test]
    fn no_name_leaves_the_folder() {
        for template in ["../{epoch}", "..", "", "a\\..\\b", "/etc"] {
            let name = render(template, false);
            assert!(
                !name.contains(['/', '\\']) && !name.trim_matches('.').is_empty(),
                "{name}"
            );
        }
        assert_eq!(render("{{x}}", false), "{x}");
    }

    #[test]
    fn a_template_that_is_not_understood_says_why() {
        for (template, part) in [
            ("{epoch", "without \"}\""),
            ("epoch}", "without \"{\""),
            ("{}", "names no metric"),
            ("{val_loss:.3g}", ".3g"),
            ("{val_loss:d}", "whole number"),
            ("{val_loss:.9999999999f}", "format"),
            ("{val_loss:é}", "format"),
        ] {
            let error = Template::parse(template, true).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains(template), "{error}");
        }
    }

    #[test]
    fn the_metrics_of_a_template_are_its_names_without_the_counters() {
        let template = Template::parse("{epoch}{val_loss:.3f}-{step}{train_loss}", true).unwrap();
        assert_eq!(
            template.metrics().collect::<Vec<_>>(),
            ["val_loss", "train_loss"]
        );
    }
}
