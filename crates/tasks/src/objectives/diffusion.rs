//! Sequences written by masked discrete diffusion (Sahoo et al., arXiv 2406.07524).

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use engraft_component::Component;
use engraft_data::{Cell, Examples, Noising};
use engraft_hub::Kind;
use engraft_kernels::Key;
use engraft_models::{BoxedHead, Checkpoint, Mode, PackedTokens, TokenAdapter};
use engraft_text::Tokenizer;

use super::mlm::{check_cache, check_not_causal};
use crate::backbone::BackboneSlot;
use crate::conditions::Conditions;
use crate::diffusion::{
    Design, Reveal, SMOOTHING, Smoothed, loss_of_passes, masked, negative_log, smoothed, stratum,
    time,
};
use crate::error::{Error, Result};
use crate::head_loading::HeadLoading;
use crate::inputs::{Inputs, RowValues};
use crate::learned::Learned;
use crate::loss::{matrix, rows_of};
use crate::masking::{MaskTokens, chosen};
use crate::metrics::{Denoised, DenoisedRow, MetricError};
use crate::network::Network;
use crate::objective::{Asked, Basis, Labelled, Learns, Loss, Objective, TaskArguments};
use crate::observer::Observer;
use crate::output::{Form, Grain, RowOutput};
use crate::rows::{Draws, EncodedRow};
use crate::split::{Learning, learning};

/// Writes what is masked of a sequence, a few tokens at a time, and learns it from sequences of which more or less is masked.
///
/// To be written are the tokens for which a sequence has the mask token, such as `[MASK]`; a sequence without any is given back.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.tasks.Diffusion")]
#[component(ignored(batch_size = "the data module's batch_size is used"))]
pub struct Diffusion {
    /// The pretrained encoder, with its masked-LM head; the head starts anew where it has none.
    pub backbone: BackboneSlot,
    /// A new head on every token, which `use_legacy_adapter: false` needs.
    pub adapter: Option<TokenAdapter>,
    /// Use the checkpoint's own masked-LM head.
    #[arg(default = true)]
    pub use_legacy_adapter: bool,
    /// How weights of rows are taken, and how sequences are written.
    #[arg(flatten)]
    pub denoising: Denoising,
}

/// How rows weigh while a diffusion model learns, and how it writes.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct Denoising {
    /// Draw each token by its probability, instead of taking the likeliest.
    #[arg(default = false)]
    pub sample_seq: bool,
    /// Passes in which a sequence is written, at most; at least 1.
    #[arg(default = 4)]
    pub num_denoise_steps: usize,
    /// What logits are divided by before they become probabilities; above 0. Below 1 what is likely becomes likelier.
    #[arg(default = 1.0)]
    pub sampling_temperature: f64,
    /// Divide the weights of a batch's rows by their sum.
    #[arg(default = false)]
    pub normalize_posterior_weights: bool,
    /// Say what each sequence is after each pass while it is predicted.
    #[arg(default = false)]
    pub verbose: bool,
}

impl Denoising {
    /// Refuses passes and temperatures by which nothing could be written.
    pub(super) fn check(&self) -> Result<()> {
        if self.num_denoise_steps == 0 {
            return Err(Error::refused(
                "model.num_denoise_steps",
                "0 passes write nothing; give at least 1",
            ));
        }
        let heat = self.sampling_temperature;
        if heat.is_finite() && heat > 0.0 {
            return Ok(());
        }
        Err(Error::refused(
            "model.sampling_temperature",
            format!("expected a finite number above 0, found {heat}"),
        ))
    }

    /// Takes what only says how sequences are written.
    pub(super) fn write_as(&mut self, asked: &Self) {
        *self = Self {
            normalize_posterior_weights: self.normalize_posterior_weights,
            ..asked.clone()
        };
    }
}

impl TaskArguments for Diffusion {
    /// The sequence, what was masked of it written.
    type Prediction = String;
    const DATA_MODULE: &'static str = "DiffusionDataModule";
    const STANDS_ON: &'static [Kind] = &[Kind::Encoder];

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            adapter: None,
            use_legacy_adapter: true,
            denoising: Denoising::default(),
        }
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        let writing = Writing::new(&self.denoising, None, basis)?;
        Ok(Arc::new(writing))
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        match &self.adapter {
            Some(adapter) if !self.use_legacy_adapter => loading.token_adapter(adapter),
            _ => loading.masked_lm(),
        }
    }

    fn prediction(objective: &dyn Objective, output: RowOutput) -> String {
        written(objective, &output)
    }

    fn backbone(&self) -> &BackboneSlot {
        &self.backbone
    }

    fn backbone_mut(&mut self) -> &mut BackboneSlot {
        &mut self.backbone
    }

    fn uses_checkpoint_head(&self) -> bool {
        self.use_legacy_adapter
    }

    fn predicts_sequences(&self) -> bool {
        true
    }

    fn predict_as(&mut self, asked: &Self) {
        self.denoising.write_as(&asked.denoising);
    }

    fn check(&self) -> Result<()> {
        self.denoising.check()?;
        match (&self.adapter, self.use_legacy_adapter) {
            (None, false) => Err(Error::refused(
                "model.use_legacy_adapter",
                "false needs a new head; give model.adapter, LinearAdapter or MLPAdapter",
            )),
            (Some(_), true) => Err(Error::refused(
                "model.adapter",
                "the checkpoint's own head is used; leave the adapter out, or set use_legacy_adapter to false for a new head",
            )),
            (Some(adapter), false) => Ok(adapter.check()?),
            (None, true) => Ok(()),
        }
    }

    fn check_training(&self) -> Result<()> {
        check_cache(&self.backbone)
    }

    fn check_backbone(&self, checkpoint: &Checkpoint) -> Result<()> {
        check_not_causal("Diffusion", checkpoint)
    }
}

/// What `objective` says of a row without its text at hand.
pub(super) fn written(objective: &dyn Objective, output: &RowOutput) -> String {
    let cells = objective.cells(Form::Values, output);
    cells.first().and_then(Cell::text).unwrap_or_default()
}

/// What each draw for a row is for.
const TIME: u64 = 0;
const CHOICE: u64 = 1;
const TOKENS: u64 = 2;
const BOUND: u64 = 3;
const TARGET: u64 = 4;

/// The stream of random draws that written tokens come from.
const DESIGNS: u64 = 0xde;

/// How often a row that is scored is masked anew for its bound.
const BOUND_DRAWS: usize = 4;

/// The text of a mask that was not written.
const GAP: &str = ".";

/// Tokens written in the place of masks.
#[derive(Debug)]
pub(super) struct Writing {
    tokenizer: Tokenizer,
    tokens: MaskTokens,
    /// Width of the logits.
    vocabulary: usize,
    reveal: Reveal,
    normalizes: bool,
    says_steps: bool,
    /// What it is told of each row, where it is told anything.
    conditions: Option<Conditions>,
}

impl Writing {
    pub(super) fn new(
        denoising: &Denoising,
        conditions: Option<Conditions>,
        basis: &Basis<'_>,
    ) -> Result<Self> {
        let tokens = MaskTokens::of(basis.tokenizer, "masked diffusion")?;
        Ok(Self {
            tokenizer: basis.tokenizer.clone(),
            vocabulary: basis.checkpoint.config().transformer.vocabulary,
            reveal: Reveal {
                passes: denoising.num_denoise_steps,
                temperature: denoising.sampling_temperature,
                draws: denoising.sample_seq,
                ordinary: tokens.ordinary.clone(),
            },
            tokens,
            normalizes: denoising.normalize_posterior_weights,
            says_steps: denoising.verbose,
            conditions,
        })
    }

    /// The number of the row that a copy is of.
    fn source(&self, number: usize, copy: usize, targets: &Rows, draws: Draws) -> usize {
        if !targets.noising.randomize_targets || draws == Draws::Fixed {
            return number;
        }
        let drawn = draws.key(number).with(TARGET).uniform(copy as u64);
        ((drawn * targets.count as f64) as usize).min(targets.count.saturating_sub(1))
    }

    /// One noised copy of a row.
    fn noised(&self, row: EncodedRow, copy: usize, copies: usize, key: Key) -> Noised {
        let places = self.tokens.places(&row.encoding);
        let (ids, type_ids) = (row.encoding.ids, row.encoding.type_ids);
        let time = time(copy, copies, key.with(TIME).uniform(0));
        let count = masked(places.len(), time);
        let choice = key.with(CHOICE);
        let masks = chosen(places.clone(), count, |draw| choice.uniform(draw));
        Noised {
            ids,
            type_ids,
            places,
            masks,
            weight: 1.0 / time,
            key,
        }
    }

    /// The logits of tokens of some rows, `[sites, vocabulary]` one after the other, and the width of the vocabulary.
    fn logits(
        network: &Network,
        rows: impl IntoIterator<Item = (Vec<usize>, PackedTokens)>,
        told: Option<RowValues>,
    ) -> (Vec<f32>, usize) {
        let inputs = Inputs::at(rows).told(told);
        if inputs.is_unscored() {
            return (Vec::new(), 1);
        }
        rows_of(network.outputs(&inputs, Mode::Evaluate))
    }

    /// Writes rows, all at once; `see` as in [`Reveal::write`].
    fn write(
        &self,
        network: &Network,
        designs: &mut [Design],
        told: Option<&RowValues>,
        see: impl FnMut(usize, usize, &[f32]),
    ) {
        let logits = |left: &[usize], rows: Vec<(Vec<usize>, PackedTokens)>| {
            Self::logits(network, rows, told.map(|told| told.rows(left)))
        };
        self.reveal.write(designs, logits, see);
    }

    /// The loss of a batch that is scored, and what is scored of each row, `[rows, 4]`.
    ///
    /// What each pass reveals is scored when it is revealed: a row's loss is the sum over passes of the mean over tokens.
    fn scored(&self, network: &Network, batch: &Batch) -> (f64, Vec<[f32; 4]>) {
        let told = batch.told.as_ref();
        let mut designs: Vec<Design> = batch.rows.iter().map(|row| row.design(self)).collect();
        let mut losses = vec![Vec::new(); batch.rows.len()];
        self.write(network, &mut designs, told, |row, place, logits| {
            let noised = &batch.rows[row];
            if noised.masks.binary_search(&place).is_ok() {
                let [own, all] = negative_log(logits, noised.ids[place]);
                losses[row].push((place, (1.0 - SMOOTHING) * own + SMOOTHING * all));
            }
        });
        let bounds = self.bounds(network, batch);
        let mut sum = 0.0;
        let mut scores = Vec::with_capacity(batch.rows.len());
        for (row, noised) in batch.rows.iter().enumerate() {
            let design = &designs[row];
            sum += noised.weight * loss_of_passes(&losses[row], &design.passes);
            let told = noised.masks.iter();
            let hits = told.filter(|&&place| design.ids[place] == noised.ids[place]);
            scores.push([
                hits.count() as f32,
                noised.masks.len() as f32,
                bounds[row] as f32,
                noised.places.len() as f32,
            ]);
        }
        (sum, scores)
    }

    /// An upper bound of each row's negative log-likelihood: with `m` of its `n` tokens masked, each `m` as likely, the mean over the masked
    /// ones of `-log q` is on average a bound of a token's (Hoogeboom et al., arXiv 2110.02037), which is the objective with weights `1 / t`.
    fn bounds(&self, network: &Network, batch: &Batch) -> Vec<f64> {
        let mut bounds = vec![0.0; batch.rows.len()];
        for draw in 0..BOUND_DRAWS {
            let masks = batch.rows.iter().map(|row| {
                let key = row.key.with(BOUND).with(draw as u64);
                let count = stratum(row.places.len(), draw, BOUND_DRAWS, key.uniform(0));
                let choice = key.with(CHOICE);
                chosen(row.places.clone(), count, |draw| choice.uniform(draw))
            });
            let masks: Vec<Vec<usize>> = masks.collect();
            let rows = batch.rows.iter().zip(&masks);
            let rows = rows.map(|(row, masks)| (masks.clone(), row.fed(masks, self.tokens.mask)));
            let (logits, width) = Self::logits(network, rows, batch.told.clone());
            let mut logits = logits.chunks_exact(width);
            for ((row, masks), bound) in batch.rows.iter().zip(&masks).zip(&mut bounds) {
                let losses = masks.iter().zip(logits.by_ref());
                let losses = losses.map(|(&place, logits)| negative_log(logits, row.ids[place])[0]);
                let mean = losses.sum::<f64>() / masks.len().max(1) as f64;
                *bound += mean * row.places.len() as f64 / BOUND_DRAWS as f64;
            }
        }
        bounds
    }

    /// The text of a row of which `original` is the text, with what was written in its place.
    fn text(&self, output: &RowOutput, original: Option<&str>) -> String {
        let (ids, passes) = tokens_of(output);
        if self.tokenizer.letter_policy().is_none() {
            let text = self.tokenizer.decode(&ids, true);
            return text.unwrap_or_default();
        }
        let name = |id: u32| self.tokenizer.id_to_token(id).unwrap_or_default();
        let Some(original) = original else {
            return ids.into_iter().map(|id| self.letters(id)).collect();
        };
        let written = ids.iter().zip(&passes).filter(|(_, pass)| **pass > 0);
        let mut written: Vec<String> = written.map(|(&id, _)| name(id)).collect();
        let mask = name(self.tokens.mask);
        let gaps = original.matches(&mask).count();
        // Where a row was cut, masks of its end or of its beginning were not seen.
        let unseen = vec![GAP.to_owned(); gaps.saturating_sub(written.len())];
        if self.tokenizer.keeps_ends() {
            written.splice(..0, unseen);
        } else {
            written.extend(unseen);
        }
        let mut text = String::with_capacity(original.len());
        let mut written = written.into_iter();
        for (number, part) in original.split(&mask).enumerate() {
            if number > 0 {
                text.extend(written.next());
            }
            text.push_str(part);
        }
        text
    }

    /// The letters of a token; none of one with a role.
    fn letters(&self, id: u32) -> String {
        if id == self.tokens.mask {
            return GAP.to_owned();
        }
        if self.tokens.is_role(id) {
            return String::new();
        }
        self.tokenizer.id_to_token(id).unwrap_or_default()
    }
}

/// The tokens of a written row, and the pass that wrote each.
fn tokens_of(output: &RowOutput) -> (Vec<u32>, Vec<u32>) {
    let tokens = output.vectors();
    tokens
        .map(|token| {
            let [id, pass] = [0, 1].map(|at| token.get(at).copied().unwrap_or(0.0));
            (id as u32, pass as u32)
        })
        .unzip()
}

impl Objective for Writing {
    fn predict(&self, network: &Network, rows: Vec<EncodedRow>) -> Vec<RowOutput> {
        self.predict_asked(network, rows, &Asked::default())
    }

    /// A row's tokens, and the pass that wrote each, from 1, `[tokens, 2]`. Each row is computed by itself, so that it is the same whatever
    /// else is in its batch.
    fn predict_asked(
        &self,
        network: &Network,
        rows: Vec<EncodedRow>,
        asked: &Asked<'_>,
    ) -> Vec<RowOutput> {
        let key = Key::new(asked.seed).with(DESIGNS);
        let rows = rows.into_iter().enumerate().map(|(row, encoded)| {
            let number = asked.number(row);
            let encoding = encoded.encoding;
            let mut design = [Design::new(
                encoding.ids,
                encoding.type_ids,
                self.tokens.mask,
                self.reveal.passes,
                key.with(number as u64),
            )];
            let own = asked.labels.and_then(|labels| labels.numbers());
            let own = own.and_then(|rows| rows.get(number));
            let told = self.conditions.as_ref().zip(own);
            let told = told.map(|(conditions, own)| conditions.told([own.as_slice()]));
            self.write(network, &mut design, told.as_ref(), |_, _, _| {});
            let [design] = design;
            let tokens = design.ids.iter().zip(&design.passes);
            let values = tokens.flat_map(|(&id, &pass)| [id as f32, pass as f32]);
            RowOutput {
                row,
                shape: vec![design.ids.len(), 2],
                values: values.collect(),
            }
        });
        rows.collect()
    }

    fn check_rows(&self, examples: &Examples) -> Result<()> {
        match &self.conditions {
            Some(conditions) => conditions.of(examples).map(drop),
            None => Ok(()),
        }
    }

    fn copies(&self, row: &EncodedRow) -> bool {
        !row.encoding.ids.contains(&self.tokens.mask)
    }

    fn steps(&self, output: &RowOutput) -> Vec<String> {
        if !self.says_steps {
            return Vec::new();
        }
        let (ids, passes) = tokens_of(output);
        let last = passes.iter().copied().max().unwrap_or(0);
        let steps = (1..=last).map(|pass| {
            let so_far = ids.iter().zip(&passes).map(|(&id, &own)| {
                let id = if own > pass { self.tokens.mask } else { id };
                [id as f32, own as f32]
            });
            let so_far = RowOutput {
                values: so_far.flatten().collect(),
                ..output.clone()
            };
            format!("pass {pass} of {last}: {}", self.text(&so_far, None))
        });
        steps.collect()
    }

    fn outputs(&self) -> usize {
        self.vocabulary
    }

    fn learning(self: Arc<Self>) -> Option<Arc<dyn Learning>> {
        Some(learning(self))
    }

    fn learned(&self) -> Learned {
        let conditions = self.conditions.as_ref();
        conditions.map(Conditions::learned).unwrap_or_default()
    }

    fn grain(&self) -> Grain {
        Grain::Row
    }

    fn columns(&self, _form: Form, _width: usize) -> Vec<String> {
        vec!["prediction".to_owned()]
    }

    fn cells(&self, _form: Form, output: &RowOutput) -> Vec<Cell> {
        vec![Cell::Text(self.text(output, None))]
    }

    fn cells_of_text(&self, form: Form, output: &RowOutput, text: &dyn Fn() -> Cell) -> Vec<Cell> {
        let (_, passes) = tokens_of(output);
        let original = text();
        if passes.iter().all(|pass| *pass == 0) {
            return vec![original];
        }
        match original.text() {
            Some(original) => vec![Cell::Text(self.text(output, Some(&original)))],
            None => self.cells(form, output),
        }
    }

    fn has_largest(&self) -> bool {
        false
    }
}

/// What the rows of a split are noised by.
pub(super) struct Rows {
    noising: Noising,
    /// How many there are.
    count: usize,
    /// What the model is told of each, `[row][number]`; empty if it is told nothing.
    conditions: Vec<Vec<f64>>,
}

/// A noised copy of a row.
struct Noised {
    /// The tokens that are to be told.
    ids: Vec<u32>,
    type_ids: Vec<u32>,
    /// Where tokens may be masked, ascending.
    places: Vec<usize>,
    /// Where they are, ascending.
    masks: Vec<usize>,
    weight: f64,
    /// What else is drawn for it.
    key: Key,
}

impl Noised {
    /// Its tokens with the mask in some places, as a batch of one row.
    fn fed(&self, masks: &[usize], mask: u32) -> PackedTokens {
        let mut ids = self.ids.clone();
        masks.iter().for_each(|&place| ids[place] = mask);
        let mut tokens = PackedTokens::default();
        tokens.push(&ids, &self.type_ids);
        tokens
    }

    /// The same to be written.
    fn design(&self, writing: &Writing) -> Design {
        let mask = writing.tokens.mask;
        let mut ids = self.ids.clone();
        self.masks.iter().for_each(|&place| ids[place] = mask);
        let (passes, key) = (writing.reveal.passes, self.key.with(TOKENS));
        Design::new(ids, self.type_ids.clone(), mask, passes, key)
    }
}

/// The noised rows of a batch.
pub(super) struct Batch {
    rows: Vec<Noised>,
    told: Option<RowValues>,
    /// Whether they are learned from, in one pass; else they are written and scored.
    trains: bool,
}

impl Learns for Writing {
    type Targets = Rows;
    type BatchTargets = Batch;
    type Metrics = Denoised;

    fn targets(&self, rows: &Labelled<'_>) -> Result<Rows> {
        let conditions = self.conditions.as_ref();
        let conditions = conditions.map(|conditions| conditions.of(rows.examples));
        Ok(Rows {
            noising: rows.noising(),
            count: rows.examples.len(),
            conditions: conditions
                .transpose()?
                .map(<[_]>::to_vec)
                .unwrap_or_default(),
        })
    }

    fn digest(&self, targets: &Rows, eat: &mut dyn FnMut(&[u8])) {
        eat(format!("{:?}", targets.noising).as_bytes());
        let numbers = targets.conditions.iter().flatten();
        numbers.for_each(|number| eat(&number.to_le_bytes()));
    }

    fn read(&self, numbers: &[usize], targets: &Rows, draws: Draws) -> Option<Vec<usize>> {
        let copies = copies(targets, draws);
        (copies > 1 || targets.noising.randomize_targets).then(|| {
            let copies = 0..copies;
            let read = copies.flat_map(|copy| {
                let of = move |&number: &usize| self.source(number, copy, targets, draws);
                numbers.iter().map(of)
            });
            read.collect()
        })
    }

    fn collate(
        &self,
        numbers: &[usize],
        rows: Vec<EncodedRow>,
        targets: &Rows,
        draws: Draws,
    ) -> (Inputs, Batch) {
        let copies = copies(targets, draws);
        let of = |at: usize| {
            let count = numbers.len().max(1);
            let (number, copy) = (numbers.get(at % count).copied().unwrap_or(0), at / count);
            (number, copy)
        };
        let rows = rows.into_iter().enumerate();
        let rows = rows.map(|(at, row)| {
            let (number, copy) = of(at);
            self.noised(row, copy, copies, draws.key(number).with(copy as u64))
        });
        let mut rows: Vec<Noised> = rows.collect();
        if self.normalizes {
            let sum: f64 = rows.iter().map(|row| row.weight).sum();
            rows.iter_mut().for_each(|row| row.weight /= sum);
        }
        let told = self.conditions.as_ref().map(|conditions| {
            conditions.told((0..rows.len()).map(|at| {
                let (number, copy) = of(at);
                let source = self.source(number, copy, targets, draws);
                targets
                    .conditions
                    .get(source)
                    .map_or(&[][..], Vec::as_slice)
            }))
        });
        let mask = self.tokens.mask;
        let fed = rows
            .iter()
            .map(|row| (row.masks.clone(), row.fed(&row.masks, mask)));
        let inputs = Inputs::at(fed).told(told.clone());
        let batch = Batch {
            rows,
            told,
            trains: draws != Draws::Fixed,
        };
        (inputs, batch)
    }

    /// `sum_r w_r mean_p l[r, p]`, to be divided by the number of rows with masked tokens.
    fn loss(&self, network: &Network, inputs: &Inputs, targets: &Batch, mode: Mode) -> Loss {
        let with_masks = targets.rows.iter().filter(|row| !row.masks.is_empty());
        let weight = with_masks.count() as f64;
        if !targets.trains {
            let (sum, scores) = self.scored(network, targets);
            let device = network.device();
            let scores: Vec<f32> = scores.into_iter().flatten().collect();
            let scores = TensorData::new(scores, [targets.rows.len(), 4]);
            return Loss {
                sum: Tensor::from_data([sum as f32], &device),
                weight,
                outputs: Tensor::from_data(scores, &device),
            };
        }
        let sites = || {
            let rows = targets.rows.iter();
            rows.flat_map(|row| row.masks.iter().map(move |&place| (row, place)))
        };
        let tokens: Vec<u32> = sites().map(|(row, place)| row.ids[place]).collect();
        let weights = sites().map(|(row, _)| (row.weight / row.masks.len() as f64) as f32);
        let Smoothed { losses, plain } = smoothed(network.outputs(inputs, mode), &tokens);
        let weights = matrix(weights.collect(), 1, &losses);
        Loss {
            sum: (losses * weights).sum(),
            weight,
            outputs: plain,
        }
    }

    fn metrics(&self) -> Denoised {
        Denoised::default()
    }

    fn score(
        &self,
        metrics: &mut Denoised,
        outputs: Tensor<2>,
        targets: &Batch,
        _observer: &mut dyn Observer,
    ) -> std::result::Result<(), MetricError> {
        let (values, _) = rows_of(outputs);
        if !targets.trains {
            for [hits, masked, bound, tokens] in values.as_chunks::<4>().0 {
                metrics.update(DenoisedRow {
                    hits: *hits as usize,
                    masked: *masked as usize,
                    bound: f64::from(*bound),
                    tokens: *tokens as usize,
                });
            }
            return Ok(());
        }
        let mut sites = values.as_chunks::<2>().0.iter();
        for row in &targets.rows {
            let masked = row.masks.len();
            let own = sites.by_ref().take(masked);
            let (loss, hits) = own.fold((0.0, 0), |(loss, hits), [own, hit]| {
                (loss + f64::from(*own), hits + usize::from(*hit > 0.5))
            });
            metrics.update(DenoisedRow {
                hits,
                masked,
                bound: loss / masked.max(1) as f64 * row.places.len() as f64,
                tokens: row.places.len(),
            });
        }
        Ok(())
    }
}

/// How many noised copies of each row a batch has.
fn copies(targets: &Rows, draws: Draws) -> usize {
    match draws {
        Draws::Epoch { .. } => targets.noising.timesteps_per_sample,
        Draws::Fixed => 1,
    }
}
