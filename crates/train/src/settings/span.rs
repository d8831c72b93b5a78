//! Spans of time: `00:12:00:00` is twelve hours.

use std::time::Duration;

use engraft_component::{Component, Context, FromNode, Kind, Mapping, Node, Refusal};

/// A span of time: `DD:HH:MM:SS`, `HH:MM:SS`, or a mapping of `days`, `hours`, `minutes` and `seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpan(pub Duration);

/// A span in parts, which are added up.
#[derive(Clone, Debug, PartialEq, Component)]
struct Parts {
    /// Weeks.
    #[arg(default = 0.0)]
    weeks: f64,
    /// Days.
    #[arg(default = 0.0)]
    days: f64,
    /// Hours.
    #[arg(default = 0.0)]
    hours: f64,
    /// Minutes.
    #[arg(default = 0.0)]
    minutes: f64,
    /// Seconds.
    #[arg(default = 0.0)]
    seconds: f64,
}

const MINUTE: f64 = 60.0;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;

impl Parts {
    fn seconds(&self) -> f64 {
        let whole = self.weeks * 7.0 + self.days;
        whole * DAY + self.hours * HOUR + self.minutes * MINUTE + self.seconds
    }
}

impl FromNode for TimeSpan {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        let seconds = match node.as_map() {
            Some(_) => Some(Parts::from_node(node, cx)?.seconds()),
            None => node.as_text().and_then(clock_seconds),
        };
        let span = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        span.filter(|span| !span.is_zero())
            .map(Self)
            .ok_or_else(|| {
                cx.expected(
                    node,
                    "a span of time above 0 as DD:HH:MM:SS, such as 00:12:00:00, or {hours: 12}",
                )
            })
    }

    fn to_node(&self) -> Node {
        let seconds = self.0.as_secs();
        if self.0.subsec_nanos() > 0 {
            let mut parts = Mapping::default();
            parts.set("seconds", self.0.as_secs_f64().to_node());
            return Node::map(parts);
        }
        let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
        Node::text(format!(
            "{days:02}:{hours:02}:{minutes:02}:{:02}",
            seconds % 60
        ))
    }

    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::Text, Kind::Map(Box::new(Kind::Number))])
    }
}

/// Seconds of `DD:HH:MM:SS` or `HH:MM:SS`.
fn clock_seconds(text: &str) -> Option<f64> {
    let parts: Option<Vec<u32>> = text
        .split(':')
        .map(|part| part.trim().parse().ok())
        .collect();
    let (days, rest) = match parts?[..] {
        [days, hours, minutes, seconds] => (days, [hours, minutes, seconds]),
        [hours, minutes, seconds] => (0, [hours, minutes, seconds]),
        _ => return None,
    };
    let [hours, minutes, seconds] = rest.map(f64::from);
    Some(f64::from(days) * DAY + hours * HOUR + minutes * MINUTE + seconds)
}

#[cfg(test)]
mod tests {
    use engraft_component::read_yaml;

    use super::*;

    fn read(text: &str) -> Result<Duration, String> {
        let node = read_yaml(text.as_bytes(), "a.yaml").unwrap();
        let span = TimeSpan::from_node(&node, &mut Context::new());
        span.map(|span| span.0).map_err(|error| error.to_string())
    }

    #[test]
    fn a_span_is_a_clock_s_text_or_parts_that_are_added() {
        for (text, seconds) in [
            ("00:12:00:00", 43_200.0),
            ("'01:02:03:04'", 93_784.0),
            ("00:00:90", 90.0),
            ("{hours: 1, minutes: 30}", 5_400.0),
            ("{weeks: 1}", 604_800.0),
            ("{seconds: 0.5}", 0.5),
        ] {
            assert_eq!(read(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_span_is_refused_with_the_forms() {
        for text in [
            "12",
            "00:00:00:00",
            "soon",
            "1:2",
            "{minutes: -1}",
            "null",
            "{seconds: nan}",
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains("DD:HH:MM:SS"), "{error}");
        }
        let error = read("{hour: 1}").unwrap_err();
        assert!(error.contains("Did you mean \"hours\""), "{error}");
    }

    #[test]
    fn a_span_is_written_so_that_it_reads_back_the_same() {
        for text in ["03:04:05:06", "{seconds: 0.25}"] {
            let span = TimeSpan(read(text).unwrap());
            assert_eq!(
                TimeSpan::from_node(&span.to_node(), &mut Context::new()),
                Ok(span)
            );
        }
    }
}
