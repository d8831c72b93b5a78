//! Numbers and times as people read them.

use std::time::Duration;

/// A metric in at most about seven characters: `0.8710`, `3.2e-5`.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    let size = value.abs();
    if size == 0.0 || (1e-3..1e4).contains(&size) || value.is_infinite() {
        format!("{value:.4}")
    } else {
        format!("{value:.2e}")
    }
}

/// A time as people say it: `4.2 s`, `41 s`, `3 min 05 s`, `2 h 14 min`.
pub fn duration(time: Duration) -> String {
    let whole = time.as_secs_f64().round() as u64;
    match whole {
        _ if time < Duration::from_millis(9950) => format!("{:.1} s", time.as_secs_f64()),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_say_them() {
        for (seconds, text) in [
            (0.04, "0.0 s"),
            (4.24, "4.2 s"),
            (9.96, "10 s"),
            (59.4, "59 s"),
            (59.6, "1 min 00 s"),
            (185.0, "3 min 05 s"),
            (3599.9, "1 h 00 min"),
            (8040.0, "2 h 14 min"),
        ] {
            assert_eq!(duration(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn numbers_keep_four_decimals_or_go_to_powers_of_ten() {
        for (value, text) in [
            (0.87, "0.8700"),
            (0.0, "0.0000"),
            (3.2e-5, "3.20e-5"),
            (-123456.0, "-1.23e5"),
            (f64::NAN, "nan"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
