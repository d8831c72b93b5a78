//! In which order masked tokens are revealed, and what becomes of them.

use engraft_kernels::Key;
use engraft_models::PackedTokens;

use crate::output::{largest, softmax};

/// How masked tokens are revealed: in a few passes, in each the ones that the model is surest of.
#[derive(Clone, Debug)]
pub(crate) struct Reveal {
    /// Passes at most.
    pub(crate) passes: usize,
    /// Logits are divided by it before they become probabilities.
    pub(crate) temperature: f64,
    /// Whether tokens are drawn by their probabilities, where else the likeliest are taken.
    pub(crate) draws: bool,
    /// The tokens that may be written, ascending.
    pub(crate) ordinary: Vec<u32>,
}

/// A token that takes the place of a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Revealed {
    /// Which of the masks that were left, from 0.
    pub(crate) mask: usize,
    /// What it becomes.
    pub(crate) token: u32,
}

impl Reveal {
    /// What a pass reveals of a row, the surest first: `each` of its masks at most, where `logits` are those of all its masks, `[masks,
    /// vocabulary]`, and `draw` gives a number uniform in `[0, 1)` for each.
    ///
    /// Only tokens that may be written have a probability. How sure a token is, is its own probability; of equals the first comes first.
    pub(crate) fn pass(
        &self,
        logits: &[f32],
        vocabulary: usize,
        each: usize,
        draw: impl Fn(usize) -> f64,
    ) -> Vec<Revealed> {
        let masks = logits.chunks_exact(vocabulary.max(1)).enumerate();
        let mut found: Vec<(Revealed, f32)> = masks
            .map(|(mask, logits)| {
                let (token, probability) = self.candidate(logits, || draw(mask));
                (Revealed { mask, token }, probability)
            })
            .collect();
        found.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        found.truncate(each);
        found.into_iter().map(|(revealed, _)| revealed).collect()
    }

    /// Writes rows, all at once. `logits` gives those of masks that are left, `[masks, vocabulary]`, and their width, of rows that have some:
    /// their numbers, and the masks and tokens of each. `see` is shown what each pass reveals: the row, the place, its logits.
    pub(crate) fn write(
        &self,
        designs: &mut [Design],
        mut logits: impl FnMut(&[usize], Vec<(Vec<usize>, PackedTokens)>) -> (Vec<f32>, usize),
        mut see: impl FnMut(usize, usize, &[f32]),
    ) {
        for pass in 0..self.passes {
            let left = designs.iter().enumerate();
            let left = left.filter(|(_, design)| !design.masks.is_empty());
            let left: Vec<usize> = left.map(|(row, _)| row).collect();
            if left.is_empty() {
                return;
            }
            let rows = left.iter().map(|&row| &designs[row]);
            let rows = rows.map(|design| (design.masks.clone(), design.tokens()));
            let (logits, width) = logits(&left, rows.collect());
            let mut rest = logits.as_slice();
            for row in left {
                let own = designs[row].masks.len() * width;
                let (own, after) = rest.split_at(own.min(rest.len()));
                rest = after;
                for (place, mask) in designs[row].go_on(self, pass, own, width) {
                    see(row, place, &own[mask * width..(mask + 1) * width]);
                }
            }
        }
    }

    /// The token for a mask, and its probability.
    fn candidate(&self, logits: &[f32], draw: impl Fn() -> f64) -> (u32, f32) {
        let heat = self.temperature;
        let ordinary = self.ordinary.iter();
        let heated: Vec<f32> = ordinary
            .map(|&token| {
                let logit = logits.get(token as usize).copied();
                (f64::from(logit.unwrap_or(f32::NEG_INFINITY)) / heat) as f32
            })
            .collect();
        let probabilities: Vec<f32> = softmax(&heated).collect();
        let place = if self.draws {
            drawn(&probabilities, draw())
        } else {
            largest(&heated)
        };
        let token = self.ordinary.get(place).copied().unwrap_or_default();
        (token, probabilities.get(place).copied().unwrap_or_default())
    }
}

/// The first place up to which probabilities add up to more than `drawn`.
fn drawn(probabilities: &[f32], drawn: f64) -> usize {
    let mut sum = 0.0;
    let found = probabilities.iter().position(|&probability| {
        sum += f64::from(probability);
        sum > drawn
    });
    // Rounding may leave a little at the end, which is the last that can be drawn.
    let last = || probabilities.iter().rposition(|it| *it > 0.0);
    found.or_else(last).unwrap_or(0)
}

/// A row on the way from masks to tokens.
#[derive(Clone, Debug)]
pub(crate) struct Design {
    /// Its tokens.
    pub(crate) ids: Vec<u32>,
    type_ids: Vec<u32>,
    /// Where masks are left, ascending.
    pub(crate) masks: Vec<usize>,
    /// The pass that each token was revealed in, from 1; 0 of those that were given.
    pub(crate) passes: Vec<u32>,
    /// How many masks a pass reveals.
    pub(crate) each: usize,
    /// What tokens are drawn by.
    key: Key,
}

impl Design {
    /// A row of which all tokens that are `mask` are to be revealed in `passes` passes at most.
    pub(crate) fn new(
        ids: Vec<u32>,
        type_ids: Vec<u32>,
        mask: u32,
        passes: usize,
        key: Key,
    ) -> Self {
        let masks = ids.iter().enumerate().filter(|(_, id)| **id == mask);
        let masks: Vec<usize> = masks.map(|(place, _)| place).collect();
        Self {
            each: masks.len() / passes.max(1) + 1,
            passes: vec![0; ids.len()],
            masks,
            ids,
            type_ids,
            key,
        }
    }

    /// Its tokens as a batch of one row.
    fn tokens(&self) -> PackedTokens {
        let mut tokens = PackedTokens::default();
        tokens.push(&self.ids, &self.type_ids);
        tokens
    }

    /// Goes through pass number `pass`, from 0, where `logits` are those of the masks that are left, `[masks, vocabulary]`. What was revealed,
    /// the surest first: the place of each, and where its logits are.
    fn go_on(
        &mut self,
        reveal: &Reveal,
        pass: usize,
        logits: &[f32],
        vocabulary: usize,
    ) -> Vec<(usize, usize)> {
        let key = self.key.with(pass as u64);
        let masks = std::mem::take(&mut self.masks);
        let draw = |mask: usize| key.uniform(masks[mask] as u64);
        let revealed = reveal.pass(logits, vocabulary, self.each, draw);
        let mut placed = Vec::with_capacity(revealed.len());
        for Revealed { mask, token } in revealed {
            let place = masks[mask];
            self.ids[place] = token;
            self.passes[place] = pass as u32 + 1;
            placed.push((place, mask));
        }
        let is_left = |place: &usize| self.passes[*place] == 0;
        self.masks = masks.into_iter().filter(is_left).collect();
        placed
    }
}
