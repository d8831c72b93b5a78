//! What one call of disentangled attention computes, beside its tensors.

use crate::{Attention, Dropout, Segments};

/// Attention whose scores also compare contents with relative positions (DeBERTa, arXiv 2006.03654 and 2111.09543):
///
/// `score(i, j) = scale (q_i · k_j + q_i · position_key[d] + k_j · position_query[d])` with `d` the row of `i - j`.
#[derive(Clone, Debug, PartialEq)]
pub struct Disentangled {
    /// Boundaries of the sequences, each of which attends to itself.
    pub segments: Segments,
    /// Number of heads.
    pub heads: usize,
    /// Factor of the sum; `1 / sqrt(dim (1 + tables))` in the paper.
    pub scale: f32,
    /// Half the rows of the position tables.
    pub span: usize,
    /// How far positions share rows; without it each distance has its own.
    pub buckets: Option<LogBuckets>,
    /// Dropout of the attention probabilities.
    pub dropout: Option<Dropout>,
}

/// Signed logarithmic buckets: distances up to half of `count` have one each, larger ones share wider ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBuckets {
    /// Number of buckets on either side (`position_buckets`), at least 2.
    pub count: usize,
    /// The distance after the last one told apart (`max_relative_positions`).
    pub max_distance: usize,
}

impl LogBuckets {
    /// The bucket of a signed distance; an odd function of it.
    ///
    /// In single precision, as the reference computes it, so that distances on a border fall to the same side.
    pub fn of(&self, relative: i64) -> i64 {
        let middle = (self.count / 2) as i64;
        let distance = relative.abs();
        if distance <= middle {
            return relative;
        }
        let steps = (middle - 1) as f32;
        let far = (self.max_distance as f64 - 1.0) / middle as f64;
        let ratio = (distance as f32 / middle as f32).ln() / (far as f32).ln();
        ((ratio * steps).ceil() as i64 + middle) * relative.signum()
    }
}

impl Disentangled {
    /// The row of the position tables for `relative = query position - key position`.
    pub fn row(&self, relative: i64) -> usize {
        let bucket = self.buckets.map_or(relative, |rule| rule.of(relative));
        let span = self.span as i64;
        bucket.saturating_add(span).min(2 * span - 1).max(0) as usize
    }

    /// Whether a position table of so many rows is one, and not the single row that stands in for an absent one.
    pub(crate) fn is_table(rows: usize) -> bool {
        rows > 1
    }

    /// The same call without positions.
    pub(crate) fn contents(&self) -> Attention {
        Attention {
            dropout: self.dropout,
            ..Attention::new(self.segments.clone(), self.heads, self.scale)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_buckets_are_those_of_the_reference_on_either_side() {
        // From `make_log_bucket_position` of transformers 5.23.
        let cases: [(LogBuckets, &[(i64, i64)]); 3] = [
            (
                LogBuckets {
                    count: 256,
                    max_distance: 512,
                },
                &[
                    (0, 0),
                    (1, 1),
                    (127, 127),
                    (128, 128),
                    (129, 129),
                    (179, 159),
                    (180, 160),
                    (251, 190),
                    (252, 191),
                    (352, 221),
                    (353, 222),
                    (494, 252),
                    (495, 253),
                    (510, 255),
                    (511, 255),
                    (512, 256),
                    (693, 283),
                    (694, 284),
                    (972, 314),
                    (973, 315),
                    (1000, 317),
                ],
            ),
            (
                LogBuckets {
                    count: 32,
                    max_distance: 128,
                },
                &[
                    (0, 0),
                    (1, 1),
                    (15, 15),
                    (16, 16),
                    (17, 17),
                    (31, 21),
                    (32, 22),
                    (63, 26),
                    (64, 27),
                    (126, 31),
                    (127, 31),
                    (128, 32),
                    (253, 36),
                    (254, 37),
                    (505, 41),
                    (506, 42),
                    (1000, 46),
                ],
            ),
            (
                LogBuckets {
                    count: 8,
                    max_distance: 20,
                },
                &[
                    (0, 0),
                    (1, 1),
                    (3, 3),
                    (4, 4),
                    (5, 5),
                    (6, 5),
                    (7, 6),
                    (11, 6),
                    (12, 7),
                    (18, 7),
                    (19, 7),
                    (20, 8),
                    (31, 8),
                    (32, 9),
                    (53, 9),
                    (54, 10),
                    (90, 10),
                    (91, 11),
                    (151, 11),
                    (152, 12),
                    (255, 12),
                    (256, 13),
                    (428, 13),
                    (429, 14),
                    (720, 14),
                    (721, 15),
                    (1000, 15),
                ],
            ),
        ];
        for (rule, expected) in cases {
            for &(distance, bucket) in expected {
                assert_eq!(rule.of(distance), bucket, "{distance}");
                assert_eq!(rule.of(-distance), -bucket, "-{distance}");
            }
        }
    }

    #[test]
    fn rows_stop_at_both_ends_of_the_tables() {
        let call = Disentangled {
            segments: Segments::from_lengths([9]),
            heads: 1,
            scale: 1.0,
            span: 3,
            buckets: None,
            dropout: None,
        };
        let rows: Vec<usize> = (-5..=5).map(|relative| call.row(relative)).collect();
        assert_eq!(rows, [0, 0, 0, 1, 2, 3, 4, 5, 5, 5, 5]);
    }
}
