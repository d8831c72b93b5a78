//! Moments as people read them.

use std::time::SystemTime;

use time::OffsetDateTime;

/// A moment to the second, in coordinated universal time: `2026-01-31 09:05:00 UTC`.
pub fn moment(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_moment_is_spelt_out() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(951_782_399);
        assert_eq!(moment(at), "2000-02-28 23:59:59 UTC");
    }
}
