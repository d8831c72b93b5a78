//! Every encoder-decoder family against its reference implementation, on the seeded checkpoints of `tests/golden/seq2seq`.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use engraft_hub::{Handle, Preset, Weights};
use engraft_kernels::{ClassTargets, Key};
use engraft_models::{
    CausalLmHead, Checkpoint, DECODER, DecoderStart, Encoded, EncodedCache, HeadKind, Kept,
    KeyValueCache, Mode, NamedTensor, PackedTokens, TokenBatch, Tower, Towers, Transformer,
    TransformerConfig,
};
use serde_json::{Map, Value};

use crate::reference::{
    cases, check_gradient, golden, gradients_in_order, initial, largest_difference, values, whole,
};

/// One case: the model, the inputs and the reference's outputs.
pub(crate) struct Case {
    name: String,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) encoder: Transformer,
    pub(crate) decoder: Transformer,
    pub(crate) tensors: Weights,
    about: Value,
    device: Device,
}

fn names() -> Vec<String> {
    cases(&golden("seq2seq"), 28)
}

fn about(name: &str) -> Value {
    let path = golden("seq2seq").join(name).join("case.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The cases with one of these heads.
fn with_heads(heads: &[&str]) -> Vec<String> {
    let has_one = |name: &String| heads.contains(&about(name)["head"].as_str().unwrap());
    names().into_iter().filter(has_one).collect()
}

/// Those of models that write.
fn writing() -> Vec<String> {
    with_heads(&["seq2seq_lm", "none"])
}

fn open(name: &str, device: Device) -> Case {
    open_stored(name, &golden("seq2seq").join(name), device)
}

/// The case `name`, of which a folder has the model.
pub(crate) fn open_stored(name: &str, folder: &Path, device: Device) -> Case {
    let preset = Preset::open(&Handle::Folder(folder.to_owned())).unwrap();
    let checkpoint = Checkpoint::open(preset, &Map::new(), false);
    let checkpoint = checkpoint.unwrap_or_else(|error| panic!("{name}: {error}"));
    let case = golden("seq2seq").join(name);
    let tensors = Weights::open_file(&case.join("case.safetensors")).unwrap();
    of_checkpoint(name, checkpoint, tensors, about(name), device)
}

/// The stacks of a checkpoint beside the tensors of its case.
pub(crate) fn of_checkpoint(
    name: &str,
    checkpoint: Checkpoint,
    tensors: Weights,
    about: Value,
    device: Device,
) -> Case {
    let initial = initial(&device);
    let encoder = checkpoint.encoder(&initial);
    let decoder = checkpoint.decoder(&initial);
    Case {
        name: name.to_owned(),
        encoder: encoder.unwrap_or_else(|error| panic!("{name}: {error}")),
        decoder: decoder.unwrap_or_else(|error| panic!("{name}: {error}")),
        checkpoint,
        tensors,
        about,
        device,
    }
}

impl Case {
    /// What of the states and logits differs from the reference's.
    pub(crate) fn differences(&self) -> Vec<String> {
        let encoded = self.encoded(&self.read(), Mode::Evaluate);
        let encoder = self.close("encoder_hidden", &values(encoded.hidden.clone()), 1e-4);
        let hidden = self.decoded(&encoded, &self.written(), Mode::Evaluate);
        let decoder = self.close("decoder_hidden", &values(hidden.clone()), 1e-4);
        let logits = values(self.head().forward(hidden, &self.words()));
        let logits = self.close("logits", &logits, 1e-4);
        [encoder, decoder, logits].into_iter().flatten().collect()
    }

    fn expected(&self, name: &str) -> Vec<f32> {
        self.tensors.require(name).unwrap().to_f32().unwrap()
    }

    fn sequences(&self, ids: &str, lengths: &str) -> Vec<Vec<u32>> {
        let ids = whole(&self.tensors, ids);
        let mut rest = ids.as_slice();
        let lengths = whole(&self.tensors, lengths).into_iter();
        lengths
            .map(|length| {
                let (own, after) = rest.split_at(length as usize);
                rest = after;
                own.to_vec()
            })
            .collect()
    }

    pub(crate) fn read(&self) -> Vec<Vec<u32>> {
        self.sequences("ids", "lengths")
    }

    pub(crate) fn written(&self) -> Vec<Vec<u32>> {
        self.sequences("decoder_ids", "decoder_lengths")
    }

    fn batch(
        &self,
        sequences: &[Vec<u32>],
        starts: Vec<usize>,
        config: &TransformerConfig,
    ) -> TokenBatch {
        let mut packed = PackedTokens::default();
        for ids in sequences {
            packed.push(ids, &vec![0; ids.len()]);
        }
        TokenBatch::continued(&packed, starts, config, &self.device)
    }

    pub(crate) fn encoded(&self, read: &[Vec<u32>], mode: Mode) -> Encoded {
        let batch = self.batch(read, vec![0; read.len()], self.encoder.config());
        let hidden = self.encoder.forward(&batch, mode);
        Encoded::of(&self.encoder, hidden, &batch)
    }

    pub(crate) fn decoded(&self, encoded: &Encoded, written: &[Vec<u32>], mode: Mode) -> Tensor<2> {
        let batch = self.batch(written, vec![0; written.len()], self.decoder.config());
        self.decoder.forward_after(&batch, encoded, mode)
    }

    pub(crate) fn head(&self) -> CausalLmHead {
        let head = self.checkpoint.seq2seq_lm(true, &initial(&self.device));
        head.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The transformer whose token embeddings words are written by.
    pub(crate) fn words(&self) -> Transformer {
        let name = DECODER;
        let transformer = self.decoder.clone();
        let towers = Towers::one(self.encoder.clone()).with(Tower { name, transformer });
        towers.writing().clone()
    }

    pub(crate) fn close(&self, what: &str, ours: &[f32], bound: f32) -> Option<String> {
        let error = largest_difference(ours, &self.expected(what));
        (error >= bound).then(|| format!("{}: {what} differ by {error}", self.name))
    }
}

#[test]
fn states_and_logits_of_encoder_decoders_agree_with_the_reference_library() {
    let mut failures = Vec::new();
    for name in writing() {
        let case = open(&name, Device::flex());
        failures.extend(case.differences());
        let report = case.checkpoint.report();
        assert!(report.is_complete(), "{name}: {report}");
        assert!(report.unexpected.is_empty(), "{name}: {report}");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_batch_of_pairs_equals_them_one_by_one() {
    for name in writing() {
        let case = open(&name, Device::flex());
        let (read, written) = (case.read(), case.written());
        let pairs = read.iter().zip(&written);
        let alone = pairs.flat_map(|(read, written)| {
            let encoded = case.encoded(std::slice::from_ref(read), Mode::Evaluate);
            values(case.decoded(&encoded, std::slice::from_ref(written), Mode::Evaluate))
        });
        let alone: Vec<f32> = alone.collect();
        let together = values(case.decoded(
            &case.encoded(&read, Mode::Evaluate),
            &written,
            Mode::Evaluate,
        ));
        let error = largest_difference(&together, &alone);
        assert!(error < 1e-5 * scale(&alone), "{name}: {error}");
    }
}

fn scale(values: &[f32]) -> f32 {
    values
        .iter()
        .fold(1f32, |most, value| most.max(value.abs()))
}

/// Texts of different lengths go on together, each in its slot, the first with all that is given, the rest token by token.
#[test]
fn cached_texts_go_on_as_uncached() {
    for name in writing() {
        let case = open(&name, Device::flex());
        let (read, written) = (case.read(), case.written());
        let encoded = case.encoded(&read, Mode::Evaluate);
        let whole = values(case.decoded(&encoded, &written, Mode::Evaluate));
        let width = whole.len() / written.iter().map(Vec::len).sum::<usize>();
        let config = case.decoder.config();
        let slots = [2, 0, 1];
        let mut cache = KeyValueCache::new(config, 3, 4, &case.device);
        let mut kept = EncodedCache::new(config, 3, &case.device);
        case.decoder.keep_encoded(&encoded, &slots, &mut kept);
        let table = case.words().embeddings.table();
        let mut read_so_far = [0usize; 3];
        let longest = written.iter().map(Vec::len).max().unwrap();
        for step in 0..longest {
            // Those that are at their end wait; the first step reads two tokens where there are as many.
            let going: Vec<usize> = (0..3)
                .filter(|&row| read_so_far[row] < written[row].len())
                .collect();
            if going.is_empty() {
                break;
            }
            let count = |row: usize| match step {
                0 => 2.min(written[row].len()),
                _ => 1,
            };
            let new: Vec<Vec<u32>> = going
                .iter()
                .map(|&row| written[row][read_so_far[row]..][..count(row)].to_vec())
                .collect();
            let starts = going.iter().map(|&row| read_so_far[row]).collect();
            let batch = case.batch(&new, starts, config);
            let slots: Vec<usize> = going.iter().map(|&row| slots[row]).collect();
            let encoded = Some(Kept {
                cache: &kept,
                table: table.clone(),
            });
            let hidden = case
                .decoder
                .forward_cached(&batch, &slots, &mut cache, encoded);
            let hidden = values(hidden);
            let mut at = 0;
            for &row in &going {
                let before: usize = written[..row].iter().map(Vec::len).sum();
                for token in 0..count(row) {
                    let expected = (before + read_so_far[row] + token) * width;
                    let expected = &whole[expected..][..width];
                    let error = largest_difference(&hidden[at..][..width], expected);
                    assert!(
                        error < 1e-5 * scale(expected),
                        "{name}: step {step}: {error}"
                    );
                    at += width;
                }
                read_so_far[row] += count(row);
            }
        }
    }
}

/// The labels of a case, those that do not count with a weight of 0.
fn targets(case: &Case) -> ClassTargets {
    let labels = whole(&case.tensors, "labels");
    let counts = |label: &u32| (*label as i32) >= 0;
    ClassTargets {
        weights: labels
            .iter()
            .map(|label| f32::from(counts(label)))
            .collect(),
        classes: labels
            .iter()
            .map(|label| if counts(label) { *label } else { 0 })
            .collect(),
    }
}

#[test]
fn losses_of_encoder_decoders_agree_with_the_reference_library() {
    let mut smoothed = 0;
    for name in writing() {
        let case = open(&name, Device::flex());
        let encoded = case.encoded(&case.read(), Mode::Evaluate);
        let hidden = case.decoded(&encoded, &case.written(), Mode::Evaluate);
        let targets = targets(&case);
        let count = f64::from(targets.weights.iter().sum::<f32>());
        for (key, smoothing) in [("loss", 0.0), ("loss_smoothed", 0.1)] {
            let Some(expected) = case.about[key].as_f64() else {
                continue;
            };
            let head = case.head().with_smoothing(smoothing);
            let (sum, _) = head.loss(hidden.clone(), &case.words(), targets.clone());
            let loss = f64::from(sum.into_scalar::<f32>()) / count;
            assert!(
                (loss - expected).abs() < 1e-5 * expected,
                "{name}: {key}: {loss} instead of {expected}"
            );
            smoothed += usize::from(smoothing > 0.0);
        }
    }
    assert!(smoothed >= 2, "{smoothed} cases");
}

#[test]
fn gradients_of_encoder_decoders_agree_with_the_reference_library() {
    let mut compared = Vec::new();
    for name in writing() {
        for (file, smoothing) in [("gradients", 0.0), ("gradients_smoothed", 0.1)] {
            let path = golden("seq2seq")
                .join(&name)
                .join(format!("{file}.safetensors"));
            if !path.exists() {
                continue;
            }
            let case = open(&name, Device::flex().autodiff());
            let mode = Mode::Train(Key::new(1));
            let encoded = case.encoded(&case.read(), mode);
            let hidden = case.decoded(&encoded, &case.written(), mode);
            let targets = targets(&case);
            let count = targets.weights.iter().sum::<f32>();
            let head = case.head().with_smoothing(smoothing);
            // The very tower, whose parameters are those of the graph.
            let words = if case.decoder.embeddings.tokens.is_some() {
                &case.decoder
            } else {
                &case.encoder
            };
            let (sum, _) = head.loss(hidden, words, targets);
            let grads = (sum / count).backward();
            let expected = Weights::open_file(&path).unwrap();
            let kind = HeadKind::Seq2SeqLm;
            let checkpoint = &case.checkpoint;
            let of_stack = |stack: &Transformer, part| {
                let gradients = gradients_in_order(stack, &grads);
                checkpoint.named_values(stack, part, kind, gradients)
            };
            let mut named = of_stack(&case.encoder, HeadKind::None);
            named.extend(of_stack(&case.decoder, HeadKind::Decoder));
            let gradients = gradients_in_order(&head, &grads);
            named.extend(checkpoint.named_values(&head, kind, kind, gradients));
            let mut found = 0;
            for NamedTensor { name, values, .. } in named {
                if let Some(theirs) = expected.get(&name) {
                    check_gradient(&case.name, &name, &values, &theirs.to_f32().unwrap());
                    found += 1;
                }
            }
            assert_eq!(found, expected.len(), "{name}: {file}");
            compared.push(format!("{name}/{file}"));
        }
    }
    for family in ["bart/", "t5/"] {
        let of_family = compared.iter().filter(|it| it.starts_with(family));
        assert_eq!(of_family.count(), 2, "{compared:?}");
    }
}

/// The decoder reads what the encoder has, shifted by one.
#[test]
fn classification_on_the_last_token_agrees_with_the_reference_library() {
    let names = with_heads(&["classification"]);
    assert!(!names.is_empty());
    for name in names {
        let case = open(&name, Device::flex());
        let read = case.read();
        let written = case.written();
        let shifted = read.iter().map(|ids| {
            let decoder = case.checkpoint.decoder_config().unwrap();
            let first = match decoder.start {
                DecoderStart::Token(id) => id,
                DecoderStart::LastWritten(_) => *ids.last().unwrap(),
            };
            [&[first], &ids[..ids.len() - 1]].concat()
        });
        assert_eq!(shifted.collect::<Vec<_>>(), written, "{name}");
        let encoded = case.encoded(&read, Mode::Evaluate);
        let batch = case.batch(&written, vec![0; 3], case.decoder.config());
        let hidden = case.decoder.forward_after(&batch, &encoded, Mode::Evaluate);
        let kind = HeadKind::Classification;
        let classes = case.checkpoint.stored_classes(kind).unwrap();
        let head = case
            .checkpoint
            .classifier(kind, classes, true, &initial(&case.device));
        let logits = head.unwrap().forward(hidden, &batch, Mode::Evaluate);
        let failure = case.close("logits", &values(logits), 1e-4);
        assert_eq!(failure, None);
    }
}

#[test]
fn what_is_saved_of_an_encoder_decoder_is_what_was_loaded() {
    for name in with_heads(&["seq2seq_lm"]) {
        let case = open(&name, Device::flex());
        let checkpoint = &case.checkpoint;
        let (head, kind) = (case.head(), HeadKind::Seq2SeqLm);
        let mut saved = checkpoint.named(&case.encoder, HeadKind::None, kind);
        saved.extend(checkpoint.named(&case.decoder, HeadKind::Decoder, kind));
        saved.extend(checkpoint.named(&head, kind, kind));
        saved.extend(checkpoint.named_logits_bias(&head));
        let stored = Weights::open(checkpoint.preset()).unwrap();
        for tensor in &saved {
            let Some(original) = stored.get(&tensor.name) else {
                // What is added to logits is written where nothing is, too.
                assert!(
                    tensor.values.iter().all(|value| *value == 0.0),
                    "{name}: {}",
                    tensor.name
                );
                continue;
            };
            assert_eq!(original.shape(), tensor.shape, "{name}: {}", tensor.name);
            assert_eq!(
                original.to_f32().unwrap(),
                tensor.values,
                "{name}: {}",
                tensor.name
            );
        }
        let derived = checkpoint.report().derived;
        let left = stored.names().filter(|stored| {
            // Tables that are stored under several names are one.
            let is_known = derived.iter().any(|it| it == stored) || checkpoint.has_read(stored);
            !is_known && !saved.iter().any(|it| it.name == *stored)
        });
        assert_eq!(left.collect::<Vec<_>>(), Vec::<&str>::new(), "{name}");
    }
}
