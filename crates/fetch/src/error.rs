//! What can go wrong on the way from a hub, each said in one sentence.

use std::path::PathBuf;

/// The result of the operations of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong when files of a hub are found or fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something is not in the cache, and nothing is to be fetched.
    #[error(
        "{name} is not in the cache ({what}), and nothing is fetched while offline; leave out --offline and HF_HUB_OFFLINE, or fetch it where there is a network: engraft download {name}"
    )]
    Offline {
        /// What was asked for, as a user names it.
        name: String,
        /// What is missing: a folder or files.
        what: String,
    },

    /// A hub that cannot be reached.
    #[error("cannot fetch {name}: {host} cannot be reached: {reason}")]
    Unreachable {
        /// What was asked for, as a user names it.
        name: String,
        /// The host.
        host: String,
        /// Why, and what would do.
        reason: String,
    },

    /// An answer that is no file: what the hub said, and what would do.
    #[error("cannot fetch {name}: {reason}")]
    Refused {
        /// What was asked for, as a user names it.
        name: String,
        /// Why, and what would do.
        reason: String,
        /// What kind of answer it was.
        kind: Refusal,
    },

    /// Bytes that are not those that were announced.
    #[error("cannot fetch {name}: {file}: {reason}")]
    Untrue {
        /// What was asked for, as a user names it.
        name: String,
        /// The file.
        file: String,
        /// What does not agree, and what would do.
        reason: String,
    },

    /// A token or key that cannot be one.
    #[error("{place} {reason}")]
    Credential {
        /// Where it stands.
        place: String,
        /// What is wrong, never with the token itself.
        reason: String,
    },

    /// A disk that is too full.
    #[error("{} has {} free, and {} more are to be fetched; free some space, or name a cache on another disk by HF_HOME or KAGGLEHUB_CACHE", folder.display(), size_in_words(*free), size_in_words(*needed))]
    Space {
        /// The folder of the cache.
        folder: PathBuf,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },

    /// An archive that is not unpacked.
    #[error("the archive {} is not unpacked: {reason}", archive.display())]
    Archive {
        /// The archive.
        archive: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A cache that does not hold what it should.
    #[error("{place}: {reason}")]
    Cache {
        /// The file or folder.
        place: String,
        /// What is wrong, and what would do.
        reason: String,
    },

    /// A file or folder that cannot be read or written.
    #[error("{source}{}", of_cache(source))]
    File {
        /// What failed.
        #[from]
        source: engraft_files::Error,
    },
}

/// Kinds of answers that are no files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such thing, or it is hidden from who asks.
    NotFound,
    /// Who asks is not known, or may not have it.
    Forbidden,
    /// Too many questions, or a hub in trouble.
    Later,
    /// An answer that makes no sense.
    Senseless,
}

impl Error {
    /// Whether another place may have what is not to be had here.
    pub fn is_refusal_of_hub(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. } | Self::Unreachable { .. } | Self::Untrue { .. }
        )
    }

    /// Whether there is no such thing at the hub.
    pub fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                kind: Refusal::NotFound,
                ..
            }
        )
    }
}

/// What to do about a cache that cannot be written to.
fn of_cache(error: &engraft_files::Error) -> &'static str {
    match error {
        engraft_files::Error::Io { action, .. } if *action != "read" => {
            " (caches are named by HF_HOME and KAGGLEHUB_CACHE)"
        }
        _ => "",
    }
}

/// So many bytes, in the unit that suits them, of 1000.
pub fn size_in_words(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count} bytes");
    }
    #[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    // What would be shown as 1000.0 is 1.0 of the next.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::size_in_words;

    #[test]
    fn sizes_are_said_with_few_digits() {
        for (count, said) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (999_999, "1.0 MB"),
            (437_955_512, "438.0 MB"),
            (2_147_483_648, "2.1 GB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(size_in_words(count), said);
        }
    }
}
