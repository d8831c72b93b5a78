//! Scores of texts that were written, each against the text that was wanted.

mod bleu;
mod chrf;
mod edit_distance;
mod ngrams;
mod rouge;

use serde::{Deserialize, Serialize};

use self::bleu::Bleu;
use self::chrf::Chrf;
pub use self::edit_distance::edit_distance;
use self::rouge::rouge;
use super::{Mean, Metrics};

/// Scores of written texts, gathered row by row: only counts and sums are kept, and no text.
///
/// | name | what it is | range | better |
/// |---|---|---|---|
/// | `exact_match` | share of rows that are the wanted text to the letter | 0 to 1 | higher |
/// | `edit_distance` | letters put in, left out or replaced, of all rows, by the letters of all wanted texts (KerasHub's) | from 0 | lower |
/// | `chrf` | chrF2 of all rows, as sacreBLEU computes it | 0 to 100 | higher |
/// | `bleu` | BLEU of all rows, as sacreBLEU computes it: tokenizer 13a, mixed case, exponential smoothing | 0 to 100 | higher |
/// | `rouge1`, `rouge2`, `rougeL` | mean over rows of the F1 of words, of pairs of words, and of the longest common subsequence of words, as rouge-score computes them without a stemmer | 0 to 1 | higher |
///
/// Letters are Unicode scalar values. The words of ROUGE are made of `a` to `z` and `0` to `9` alone, so that it says little of other scripts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TextScores {
    rows: u64,
    exact: u64,
    /// Letters to be changed, and letters of the wanted texts.
    edits: [u64; 2],
    chrf: Chrf,
    bleu: Bleu,
    rouge: [Mean; 3],
}

impl TextScores {
    /// Takes in a row: the text that was written, and the one that was wanted.
    pub fn update(&mut self, written: &str, reference: &str) {
        self.rows += 1;
        self.exact += u64::from(written == reference);
        self.edits[0] += edit_distance(written, reference) as u64;
        self.edits[1] += reference.chars().count() as u64;
        self.chrf.update(written, reference);
        self.bleu.update(written, reference);
        for (mean, f1) in self.rouge.iter_mut().zip(rouge(written, reference)) {
            mean.add(f1, 1.0);
        }
    }

    /// The scores of all rows seen, by name and always in the same order, as [`Metrics::finish`] has them.
    pub fn values(&self) -> Vec<(String, f64)> {
        let scores = self.finish().into_iter();
        scores
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// The edit distance; 0 where all wanted texts are empty, as KerasHub has it.
    fn edit_distance(&self) -> f64 {
        match self.edits {
            [_, 0] => 0.0,
            [edits, letters] => edits as f64 / letters as f64,
        }
    }
}

impl Metrics for TextScores {
    fn rows(&self) -> usize {
        usize::try_from(self.rows).unwrap_or(usize::MAX)
    }

    /// Those of the table above, in its order; NaN when no row was seen.
    fn finish(&self) -> Vec<(&'static str, f64)> {
        let of_rows = |score: f64| if self.rows == 0 { f64::NAN } else { score };
        let [rouge1, rouge2, rouge_l] = self.rouge.map(|mean| mean.value());
        vec![
            ("exact_match", self.exact as f64 / self.rows as f64),
            ("edit_distance", of_rows(self.edit_distance())),
            ("chrf", of_rows(self.chrf.value())),
            ("bleu", of_rows(self.bleu.value())),
            ("rouge1", rouge1),
            ("rouge2", rouge2),
            ("rougeL", rouge_l),
        ]
    }
}
