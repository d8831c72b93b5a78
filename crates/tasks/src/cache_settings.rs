//! Where hidden states are kept between runs, and how much of them.

use std::fmt;
use std::path::PathBuf;

use engraft_component::{Component, Context, FromNode, Kind, Node, Refusal};
use engraft_models::refuse;

use crate::error::Result;

/// Where hidden states are kept between runs, and how much of them.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(cache_storage_backend = "the cache has one form of its own"))]
pub struct CacheSettings {
    /// Keep what the encoder makes of each sequence in a folder, and compute it once for all epochs, splits and runs. For an encoder that is
    /// not trained: by `fit` with `frozen: true`, where its dropout is then off.
    #[arg(default = false)]
    pub enable_cache: bool,
    /// The folder; without it `hidden-states` in the folder `ENGRAFT_CACHE`, else in `XDG_CACHE_HOME/engraft`, else in `~/.cache/engraft`.
    pub file_cache_dir: Option<PathBuf>,
    /// Begin with nothing: remove what the folder has of this encoder.
    #[arg(default = false)]
    pub overwrite_file_cache: bool,
    /// Rows that wait in memory before they are written together.
    #[arg(default = 1000)]
    pub cache_write_buffer_size: usize,
    /// The most that the folder may hold, as `500MB`, `10GB` or `2GiB`; what was used longest ago is removed first.
    #[arg(default = ByteSize(10_000_000_000))]
    pub cache_max_size: ByteSize,
}

impl CacheSettings {
    pub(crate) fn check(&self) -> Result<()> {
        if self.cache_write_buffer_size == 0 {
            let problem = "expected a number of rows from 1, found 0";
            return Err(refuse("cache_write_buffer_size", problem).into());
        }
        if self.cache_max_size.0 == 0 {
            let refusal = refuse("cache_max_size", "a cache of 0 bytes keeps nothing");
            return Err(refusal
                .help("Give a size such as 10GB, or set enable_cache to false")
                .into());
        }
        Ok(())
    }
}

/// A number of bytes, written as `500MB`, `10GB` or `2GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u64);

/// The units, from the largest to the smallest within their kind.
const UNITS: [(&str, u64); 9] = [
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl ByteSize {
    /// None if the text is no size.
    fn parse(text: &str) -> Option<Self> {
        let end = text
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != '_')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let number: f64 = number.replace('_', "").parse().ok()?;
        let unit = match unit.trim_start() {
            "" => 1,
            unit => {
                UNITS
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(unit))?
                    .1
            }
        };
        let bytes = number * unit as f64;
        (bytes.is_finite() && bytes < u64::MAX as f64).then_some(Self(bytes as u64))
    }
}

impl fmt::Display for ByteSize {
    /// The shortest text of it: in the largest unit of which it is a whole number, else with one decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS
            .iter()
            .find(|(name, unit)| *name != "B" && self.0 >= *unit && self.0.is_multiple_of(*unit));
        if let Some((name, unit)) = whole {
            return write!(f, "{}{name}", self.0 / unit);
        }
        write!(f, "{}B", self.0)
    }
}

impl ByteSize {
    /// The size in words, as `12.3 MB`.
    pub fn rounded(self) -> String {
        let unit = UNITS[..4].iter().find(|(_, unit)| self.0 >= *unit);
        unit.map_or_else(
            || format!("{} B", self.0),
            |(name, unit)| format!("{:.1} {name}", self.0 as f64 / *unit as f64),
        )
    }
}

impl FromNode for ByteSize {
    fn from_node(node: &Node, cx: &mut Context) -> std::result::Result<Self, Refusal> {
        let size = node.as_text().and_then(Self::parse);
        size.ok_or_else(|| cx.expected(node, "a size such as 500MB, 10GB or 2GiB"))
    }

    fn to_node(&self) -> Node {
        Node::plain(self.to_string())
    }

    fn kind() -> Kind {
        Kind::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_either_kind_of_unit_and_written_so_that_they_read_back() {
        for (text, bytes) in [
            ("10GB", 10_000_000_000),
            ("10 gb", 10_000_000_000),
            ("1.5MiB", 3 << 19),
            ("1_000", 1000),
            ("64KiB", 65_536),
            ("7B", 7),
            ("0", 0),
        ] {
            assert_eq!(ByteSize::parse(text), Some(ByteSize(bytes)), "{text}");
        }
        for text in [
            "",
            "GB",
            "10XB",
            "-1GB",
            "1e3",
            "1..2MB",
            "99999999999TB",
            "nan",
            "10GBs",
        ] {
            assert_eq!(ByteSize::parse(text), None, "{text}");
        }
        for bytes in [
            0,
            1,
            999,
            1000,
            1024,
            1_500_000,
            10_000_000_000,
            1 << 40,
            123_456_789,
        ] {
            let size = ByteSize(bytes);
            assert_eq!(ByteSize::parse(&size.to_string()), Some(size));
        }
        assert_eq!(ByteSize(10_000_000_000).to_string(), "10GB");
        assert_eq!(ByteSize(12_345_678).rounded(), "12.3 MB");
        assert_eq!(ByteSize(17).rounded(), "17 B");
    }
}
