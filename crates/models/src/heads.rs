//! The heads that checkpoints come with.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use engraft_kernels::{
    ClassTargets, LinearCrossEntropy, gather_rows, linear, linear_cross_entropy,
};

use crate::adapters::Pooling;
use crate::batch::TokenBatch;
use crate::config::{
    CausalLmConfig, ClassifierConfig, DenseConfig, MaskedLmConfig, TransformerConfig,
};
use crate::head::{Head, HeadInput};
use crate::initial::Initial;
use crate::layers::{Linear, Norm};
use crate::mode::Mode;
use crate::names::HeadKind;
use crate::transformer::Transformer;

/// A dense layer, its activation, and for some families a norm.
#[derive(Module, Debug)]
pub struct Dense {
    /// `hidden` to its width.
    pub linear: Linear,
    /// Norm after the activation.
    pub norm: Option<Norm>,
    #[module(skip)]
    config: DenseConfig,
}

impl Dense {
    fn new(hidden: usize, config: &DenseConfig, range: f64, initial: &Initial) -> Self {
        Self {
            linear: Linear::normal([hidden, config.width], config.bias, range, initial),
            norm: config
                .norm
                .map(|norm| Norm::new(config.width, norm, initial)),
            config: config.clone(),
        }
    }

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let states = self.linear.forward(input, Mode::Evaluate);
        let states = self.config.activation.apply(states);
        match &self.norm {
            Some(norm) => norm.forward(states),
            None => states,
        }
    }
}

/// Vocabulary logits: dense, activation, norm, and a projection that reads the token embeddings if tied.
#[derive(Module, Debug)]
pub struct MaskedLmHead {
    /// `hidden` to the projection's input, where there is a layer between.
    pub dense: Option<Dense>,
    /// `[vocabulary, width]`, only where it is not the embedding itself.
    pub decoder: Option<Param<Tensor<2>>>,
    /// `[vocabulary]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl MaskedLmHead {
    pub(crate) fn new(
        config: &TransformerConfig,
        head: &MaskedLmConfig,
        initial: &Initial,
    ) -> Self {
        let range = config.initializer_range;
        let outputs = head.outputs.unwrap_or(config.vocabulary);
        let dense = head.dense.as_ref();
        Self {
            dense: dense.map(|dense| Dense::new(config.hidden, dense, range, &initial.at(0))),
            decoder: (!head.tied).then(|| {
                let shape = [outputs, head.width(config.hidden)];
                initial.at(1).normal(shape, range)
            }),
            bias: head.bias.then(|| initial.constant([outputs], 0.0)),
        }
    }

    /// `[rows, hidden]` to `[rows, vocabulary]`; `encoder` is the one that the hidden states come from.
    pub fn forward(&self, hidden: Tensor<2>, encoder: &Transformer) -> Tensor<2> {
        let decoder = match &self.decoder {
            Some(decoder) => decoder.val(),
            None => encoder.embeddings.table(),
        };
        let states = match &self.dense {
            Some(dense) => dense.forward(hidden),
            None => hidden,
        };
        linear(states, decoder, self.bias.as_ref().map(Param::val))
    }
}

impl Head for MaskedLmHead {
    fn forward(&self, input: HeadInput<'_>, _mode: Mode) -> Tensor<2> {
        self.forward(input.hidden, input.towers.first())
    }

    fn kind(&self) -> HeadKind {
        HeadKind::MaskedLm
    }
}

/// Vocabulary logits of a language model that writes: one projection, which is the token embeddings if tied.
#[derive(Module, Debug)]
pub struct CausalLmHead {
    /// `[vocabulary, width]`, only where it is not the embedding itself.
    pub decoder: Option<Param<Tensor<2>>>,
    /// What is added to the logits, `[vocabulary]`, where the checkpoint has something; it is not trained.
    #[module(skip)]
    bias: Option<Arc<[f32]>>,
    #[module(skip)]
    config: CausalLmConfig,
    #[module(skip)]
    kind: HeadKind,
    /// The share of each target that goes to all words alike, in the loss.
    #[module(skip)]
    smoothing: f64,
}

impl CausalLmHead {
    pub(crate) fn new(
        config: &TransformerConfig,
        head: CausalLmConfig,
        kind: HeadKind,
        initial: &Initial,
    ) -> Self {
        let shape = [config.vocabulary, config.output_width()];
        let decoder = || initial.normal(shape, config.initializer_range);
        Self {
            decoder: (!head.tied).then(decoder),
            bias: None,
            config: head,
            kind,
            smoothing: 0.0,
        }
    }

    /// The same whose loss takes a share of each target for all words alike (Szegedy et al., arXiv 1512.00567).
    #[must_use]
    pub fn with_smoothing(self, smoothing: f64) -> Self {
        Self { smoothing, ..self }
    }

    /// The same with something added to the logits, `[vocabulary]`.
    pub(crate) fn with_bias(self, bias: Option<Vec<f32>>) -> Self {
        Self {
            bias: bias.map(Arc::from),
            ..self
        }
    }

    /// What is added to the logits, `[vocabulary]`, if anything is.
    pub fn bias(&self) -> Option<&[f32]> {
        self.bias.as_deref()
    }

    /// `[rows, width]` to `[rows, vocabulary]`; `words` is the transformer whose token embeddings words are written by.
    pub fn forward(&self, hidden: Tensor<2>, words: &Transformer) -> Tensor<2> {
        self.logits(self.scaled(hidden), self.projection(words))
    }

    /// The loss of predicting `targets` from hidden states `[rows, width]`: the sum `[1]`, and each row's loss, without smoothing, and hit
    /// `[rows, 2]`, as [`linear_cross_entropy`] gives them. The logits never exist as a whole, but where they are capped and targets are
    /// smoothed.
    pub fn loss(
        &self,
        hidden: Tensor<2>,
        words: &Transformer,
        targets: ClassTargets,
    ) -> (Tensor<1>, Tensor<2>) {
        let call = LinearCrossEntropy {
            targets,
            soft_cap: self.config.soft_cap,
            bias: self.bias.clone(),
        };
        let (hidden, projection) = (self.scaled(hidden), self.projection(words));
        if self.smoothing == 0.0 {
            return linear_cross_entropy(hidden, projection, call);
        }
        let margin = self.margin(hidden.clone(), projection.clone(), &call.targets);
        let (sum, rows) = linear_cross_entropy(hidden, projection, call);
        (sum + margin * self.smoothing as f32, rows)
    }

    /// The sum over rows of the target's logit less the mean of all, `[1]`, each times its weight: the mean loss of all words is larger by so
    /// much than the target's.
    fn margin(
        &self,
        hidden: Tensor<2>,
        projection: Tensor<2>,
        targets: &ClassTargets,
    ) -> Tensor<1> {
        let device = hidden.device();
        let rows = targets.classes.len();
        let classes: Vec<i32> = targets.classes.iter().map(|&it| it as i32).collect();
        let classes = Tensor::from_data(TensorData::new(classes, [rows]), &device);
        let margins = self.margins(hidden, projection, classes);
        let weights = (0..rows).map(|row| targets.weight(row)).collect();
        let weights = Tensor::from_data(TensorData::new(weights, [rows, 1]), &device);
        (margins * weights).sum()
    }

    /// The margin of each row, `[rows, 1]`. Without a cap the mean of logits is the logit of the mean, so that no others are computed.
    fn margins(
        &self,
        hidden: Tensor<2>,
        projection: Tensor<2>,
        classes: Tensor<1, Int>,
    ) -> Tensor<2> {
        let bias = self.bias_column(&hidden.device());
        let own = gather_rows(projection.clone(), classes.clone());
        let own_bias = bias.clone().map(|bias| gather_rows(bias, classes));
        if self.config.soft_cap.is_none() {
            let margins = (hidden * (own - mean_row(projection))).sum_dim(1);
            return match (own_bias, bias) {
                (Some(own), Some(all)) => margins + own - mean_row(all),
                _ => margins,
            };
        }
        let mut own = (hidden.clone() * own).sum_dim(1);
        if let Some(bias) = own_bias {
            own = own + bias;
        }
        let all = self.logits(hidden, projection).transpose();
        self.capped(own) - mean_row(all).transpose()
    }

    /// What is added to the logits, `[vocabulary, 1]`.
    fn bias_column(&self, device: &Device) -> Option<Tensor<2>> {
        let bias = self.bias.as_ref()?;
        let column = TensorData::new(bias.to_vec(), [bias.len(), 1]);
        Some(Tensor::from_data(column, device))
    }

    /// `[rows, vocabulary]` of what [`Self::scaled`] gives.
    fn logits(&self, scaled: Tensor<2>, projection: Tensor<2>) -> Tensor<2> {
        let bias = self.bias.as_ref();
        let bias = bias.map(|bias| Tensor::from_data(&bias[..], &scaled.device()));
        self.capped(linear(scaled, projection, bias))
    }

    fn capped(&self, logits: Tensor<2>) -> Tensor<2> {
        match self.config.soft_cap {
            Some(cap) => (logits / cap).tanh() * cap,
            None => logits,
        }
    }

    fn scaled(&self, hidden: Tensor<2>) -> Tensor<2> {
        match self.config.scale {
            Some(scale) => hidden * scale as f32,
            None => hidden,
        }
    }

    /// `[vocabulary, width]`.
    pub fn projection(&self, words: &Transformer) -> Tensor<2> {
        match &self.decoder {
            Some(decoder) => decoder.val(),
            None => words.embeddings.table(),
        }
    }
}

impl Head for CausalLmHead {
    fn forward(&self, input: HeadInput<'_>, _mode: Mode) -> Tensor<2> {
        self.forward(input.hidden, input.towers.writing())
    }

    fn kind(&self) -> HeadKind {
        self.kind
    }

    fn class_losses(
        &self,
        input: HeadInput<'_>,
        targets: ClassTargets,
        _mode: Mode,
    ) -> (Tensor<1>, Tensor<2>) {
        self.loss(input.hidden, input.towers.writing(), targets)
    }
}

/// The mean of all rows, `[1, width]`: as a product, whose order of sums is fixed.
fn mean_row(rows: Tensor<2>) -> Tensor<2> {
    let [count, _] = rows.dims();
    Tensor::full([1, count], 1.0 / count as f32, &rows.device()).matmul(rows)
}

/// A family's own classification head: on a pooled sequence, or on every token.
#[derive(Module, Debug)]
pub struct ClassifierHead {
    /// The layer before the projection, where the family has one.
    pub dense: Option<Dense>,
    /// To the classes.
    pub projection: Linear,
    #[module(skip)]
    config: ClassifierConfig,
}

impl ClassifierHead {
    pub(crate) fn new(
        config: &TransformerConfig,
        classifier: &ClassifierConfig,
        classes: usize,
        initial: &Initial,
    ) -> Self {
        let range = config.initializer_range;
        let dense = classifier.dense.as_ref();
        let width = dense.map_or(config.output_width(), |dense| dense.width);
        Self {
            dense: dense.map(|dense| Dense::new(config.hidden, dense, range, &initial.at(0))),
            projection: Linear::normal([width, classes], classifier.bias, range, &initial.at(1)),
            config: classifier.clone(),
        }
    }

    /// A linear layer as such a head, if that is all that `classifier` has.
    pub(crate) fn of_linear(projection: Linear, classifier: &ClassifierConfig) -> Option<Self> {
        let is_alike = classifier.dense.is_none() && classifier.bias == projection.bias.is_some();
        is_alike.then(|| Self {
            dense: None,
            projection,
            config: classifier.clone(),
        })
    }

    /// `[tokens, hidden]` to `[sequences, classes]`, or `[tokens, classes]` for a head on every token.
    pub fn forward(&self, hidden: Tensor<2>, batch: &TokenBatch, mode: Mode) -> Tensor<2> {
        let states = match self.config.pooling {
            Some(pooling) => pooling.apply(hidden, batch),
            None => hidden,
        };
        self.after_pooling(states, mode)
    }

    /// `[rows, hidden]` to `[rows, classes]`, the rows being pooled if they are to be.
    pub fn after_pooling(&self, mut states: Tensor<2>, mode: Mode) -> Tensor<2> {
        states = mode.at(0).dropout(states, self.config.input_dropout);
        if let Some(dense) = &self.dense {
            states = dense.forward(states);
        }
        self.projection
            .forward(mode.at(1).dropout(states, self.config.dropout), mode)
    }
}

impl Head for ClassifierHead {
    fn forward(&self, input: HeadInput<'_>, mode: Mode) -> Tensor<2> {
        if input.is_pooled {
            self.after_pooling(input.hidden, mode)
        } else {
            self.forward(input.hidden, input.tokens, mode)
        }
    }

    fn pooling(&self) -> Option<Pooling> {
        self.config.pooling
    }

    fn kind(&self) -> HeadKind {
        match self.config.pooling {
            Some(_) => HeadKind::Classification,
            None => HeadKind::TokenClassification,
        }
    }
}

/// The pooler of BERT and RoBERTa: a dense layer and tanh on the first token.
#[derive(Module, Debug)]
pub struct Pooler {
    /// `hidden` to `hidden`.
    pub dense: Linear,
}

impl Pooler {
    pub(crate) fn new(config: &TransformerConfig, initial: &Initial) -> Self {
        Self {
            dense: Linear::normal(
                [config.hidden, config.hidden],
                true,
                config.initializer_range,
                initial,
            ),
        }
    }

    /// `[tokens, hidden]` to `[sequences, hidden]`.
    pub fn forward(&self, hidden: Tensor<2>, batch: &TokenBatch) -> Tensor<2> {
        let first = batch.first(hidden);
        self.dense.forward(first, Mode::Evaluate).tanh()
    }
}

#[cfg(test)]
mod tests {
    use engraft_kernels::Key;

    use super::*;

    /// Of biased logits, capped or not: a share of each target goes to all words alike.
    #[test]
    fn a_smoothed_loss_is_that_of_the_logits() {
        let initial = Initial {
            device: Device::flex(),
            key: Key::new(1),
        };
        let config = TransformerConfig::bert(7, 4, 1, 1);
        let words = Transformer::new(&config, &initial);
        let hidden: Tensor<2> = initial.at(9).normal([3, 4], 1.0).val();
        let targets = ClassTargets {
            classes: vec![6, 0, 3],
            weights: vec![1.0, 0.0, 0.5],
        };
        for soft_cap in [None, Some(0.3)] {
            let head = CausalLmConfig {
                tied: true,
                soft_cap,
                scale: Some(20.0),
            };
            let head = CausalLmHead::new(&config, head, HeadKind::Seq2SeqLm, &initial)
                .with_bias(Some(vec![0.2, -0.1, 0.0, 0.4, 0.1, -0.3, 0.5]))
                .with_smoothing(0.1);
            let logits = head.forward(hidden.clone(), &words);
            let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
            let rows = logits.chunks(7).zip(&targets.classes);
            let rows = rows.zip(&targets.weights);
            let losses = rows.map(|((row, &class), weight)| {
                let total = row.iter().map(|logit| logit.exp()).sum::<f32>().ln();
                let mean = row.iter().sum::<f32>() / 7.0;
                weight * (total - 0.9 * row[class as usize] - 0.1 * mean)
            });
            let expected: f32 = losses.sum();
            let (sum, _) = head.loss(hidden.clone(), &words, targets.clone());
            let found = sum.into_scalar::<f32>();
            assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
        }
    }
}
