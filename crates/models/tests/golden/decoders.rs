//! Every decoder family against its reference implementation, on the seeded checkpoints of `tests/golden/decoders`.

use burn::tensor::{Device, Int, Tensor, TensorData};
use engraft_hub::{Handle, Preset, Weights};
use engraft_kernels::{ClassTargets, Key, gather_rows};
use engraft_models::{
    CausalLmHead, Checkpoint, Head, HeadInput, HeadKind, KeyValueCache, Mode, PackedTokens,
    SlotCopy, TokenBatch, Towers, Transformer,
};
use serde_json::{Map, Value};

use crate::reference::{
    cases, check_gradient, golden, gradients_in_order, initial, largest_difference, sequences,
    values,
};

/// One case: the model, the inputs and the reference's outputs.
struct Case {
    name: String,
    checkpoint: Checkpoint,
    decoder: Transformer,
    head: Option<CausalLmHead>,
    tensors: Weights,
    sequences: Vec<Vec<u32>>,
    about: Value,
    device: Device,
}

fn open(name: &str, device: Device) -> Case {
    let path = golden("decoders").join(name);
    let preset = Preset::open(&Handle::Folder(path.clone())).unwrap();
    let checkpoint = Checkpoint::open(preset, &Map::new(), false)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let about: Value =
        serde_json::from_slice(&std::fs::read(path.join("case.json")).unwrap()).unwrap();
    let tensors = Weights::open_file(&path.join("case.safetensors")).unwrap();
    let decoder = checkpoint.encoder(&initial(&device));
    let decoder = decoder.unwrap_or_else(|error| panic!("{name}: {error}"));
    let writes = about["head"].as_str() == Some("causal_lm");
    let head = writes.then(|| checkpoint.causal_lm(true, &initial(&device)).unwrap());
    Case {
        name: name.to_owned(),
        sequences: sequences(&tensors)
            .into_iter()
            .map(|(ids, _)| ids)
            .collect(),
        checkpoint,
        decoder,
        head,
        tensors,
        about,
        device,
    }
}

impl Case {
    fn batch(&self, sequences: &[Vec<u32>], starts: Vec<usize>) -> TokenBatch {
        let mut packed = PackedTokens::default();
        for ids in sequences {
            packed.push(ids, &vec![0; ids.len()]);
        }
        let config = &self.checkpoint.config().transformer;
        TokenBatch::continued(&packed, starts, config, &self.device)
    }

    fn hidden(&self, sequences: &[Vec<u32>]) -> Tensor<2> {
        let batch = self.batch(sequences, vec![0; sequences.len()]);
        self.decoder.forward(&batch, Mode::Evaluate)
    }

    fn logits(&self, hidden: Tensor<2>) -> Vec<f32> {
        values(self.head.as_ref().unwrap().forward(hidden, &self.decoder))
    }

    fn expected(&self, name: &str) -> Vec<f32> {
        self.tensors.require(name).unwrap().to_f32().unwrap()
    }

    /// The rows at which a next token is told, and these tokens.
    fn next_tokens(&self) -> (Tensor<1, Int>, ClassTargets) {
        let (mut rows, mut targets, mut start) = (Vec::new(), Vec::new(), 0);
        for ids in &self.sequences {
            for (place, &next) in ids.iter().enumerate().skip(1) {
                rows.push((start + place - 1) as i32);
                targets.push(next);
            }
            start += ids.len();
        }
        let count = rows.len();
        let rows = Tensor::from_data(TensorData::new(rows, [count]), &self.device);
        (rows, ClassTargets::new(targets))
    }

    /// The last token's logits of each sequence, uncached.
    fn last_logits(&self, sequences: &[Vec<u32>]) -> Vec<f32> {
        let batch = self.batch(sequences, vec![0; sequences.len()]);
        let hidden = self.decoder.forward(&batch, Mode::Evaluate);
        self.logits(batch.last(hidden))
    }
}

/// Whether two lists agree to 1e-5 of their largest value.
fn check_close(left: &[f32], right: &[f32], what: &str) {
    let scale = right
        .iter()
        .fold(1f32, |scale, value| scale.max(value.abs()));
    let error = largest_difference(left, right);
    assert!(error < 1e-5 * scale, "{what}: {error} of {scale}");
}

fn names() -> Vec<String> {
    cases(&golden("decoders"), 42)
}

#[test]
fn hidden_states_and_logits_of_decoders_agree_with_the_reference_library() {
    let mut failures = Vec::new();
    for name in names() {
        let case = open(&name, Device::flex());
        let hidden = case.hidden(&case.sequences);
        let error = largest_difference(&values(hidden.clone()), &case.expected("hidden"));
        if error >= 1e-4 {
            failures.push(format!("{name}: hidden states differ by {error}"));
        }
        let logits = match &case.head {
            Some(_) => case.logits(hidden),
            None => {
                let kind = HeadKind::Classification;
                let classes = case.checkpoint.stored_classes(kind).unwrap();
                let initial = initial(&case.device);
                let head = case.checkpoint.classifier(kind, classes, true, &initial);
                let batch = case.batch(&case.sequences, vec![0; case.sequences.len()]);
                values(head.unwrap().forward(hidden, &batch, Mode::Evaluate))
            }
        };
        let error = largest_difference(&logits, &case.expected("logits"));
        if error >= 1e-4 {
            failures.push(format!("{name}: logits differ by {error}"));
        }
        let report = case.checkpoint.report();
        assert!(report.is_complete(), "{name}: {report}");
        assert!(report.unexpected.is_empty(), "{name}: {report}");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_batch_of_texts_equals_them_one_by_one() {
    for name in names() {
        let case = open(&name, Device::flex());
        let together = values(case.hidden(&case.sequences));
        let alone = case.sequences.iter();
        let alone: Vec<f32> = alone
            .flat_map(|ids| values(case.hidden(std::slice::from_ref(ids))))
            .collect();
        check_close(&together, &alone, &name);
    }
}

fn ids(value: &Value) -> Vec<u32> {
    let ids = value.as_array().unwrap().iter();
    ids.map(|id| id.as_u64().unwrap() as u32).collect()
}

fn largest(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.unwrap().0 as u32
}

/// What the reference wrote after each prompt: prompt and new ids.
fn written(case: &Case) -> Vec<(Vec<u32>, Vec<u32>)> {
    let written = case.about["generate"].as_array().into_iter().flatten();
    written
        .map(|one| (ids(&one["prompt"]), ids(&one["ids"])))
        .collect()
}

/// Texts of different lengths go on together, each in its slot; those whose rotations change are read anew, as the program does.
#[test]
fn cached_texts_go_on_as_the_reference_library_writes_them_and_as_uncached() {
    for name in names() {
        let case = open(&name, Device::flex());
        let written = written(&case);
        if written.is_empty() {
            continue;
        }
        let config = &case.checkpoint.config().transformer;
        let vocabulary = config.vocabulary;
        let slots: Vec<usize> = (0..written.len()).rev().collect();
        let mut cache = KeyValueCache::new(config, slots.len(), 4, &case.device);
        let mut texts: Vec<Vec<u32>> = written.iter().map(|(prompt, _)| prompt.clone()).collect();
        let steps = written[0].1.len();
        for step in 0..steps {
            let reads_anew = |text: &Vec<u32>| {
                let changes =
                    |rotary: &engraft_models::Rotary| rotary.changes(text.len() - 1, text.len());
                config.rotary.as_ref().is_some_and(changes)
            };
            let whole = step == 0 || texts.iter().any(reads_anew);
            let (new, starts): (Vec<Vec<u32>>, Vec<usize>) = if whole {
                slots.iter().for_each(|&slot| cache.clear(slot));
                (texts.clone(), vec![0; texts.len()])
            } else {
                let new = texts.iter().map(|text| text[text.len() - 1..].to_vec());
                (
                    new.collect(),
                    texts.iter().map(|text| text.len() - 1).collect(),
                )
            };
            let batch = case.batch(&new, starts);
            let hidden = case
                .decoder
                .forward_cached(&batch, &slots, &mut cache, None);
            let logits = case.logits(batch.last(hidden));
            let uncached = case.last_logits(&texts);
            check_close(&logits, &uncached, &format!("{name}: step {step}"));
            for (text, logits) in texts.iter_mut().zip(logits.chunks(vocabulary)) {
                text.push(largest(logits));
            }
        }
        for (text, (prompt, expected)) in texts.iter().zip(&written) {
            assert_eq!(text[prompt.len()..], expected[..], "{name}");
        }
    }
}

#[test]
fn losses_of_decoders_agree_with_the_reference_library() {
    let mut compared = 0;
    for name in names() {
        let case = open(&name, Device::flex());
        let (Some(head), Some(expected)) = (&case.head, case.about["loss"].as_f64()) else {
            continue;
        };
        let (rows, targets) = case.next_tokens();
        let count = targets.classes.len();
        let hidden = gather_rows(case.hidden(&case.sequences), rows);
        let (sum, told) = head.loss(hidden, &case.decoder, targets);
        let loss = f64::from(sum.into_scalar::<f32>()) / count as f64;
        assert!(
            (loss - expected).abs() < 1e-5 * expected,
            "{name}: {loss} instead of {expected}"
        );
        let told = values(told);
        let mean = told.chunks(2).map(|row| f64::from(row[0])).sum::<f64>() / count as f64;
        assert!((mean - loss).abs() < 1e-6 * loss, "{name}");
        compared += 1;
    }
    assert!(compared >= 4, "{compared} cases");
}

/// The same head with the losses that any head has, from all of its logits.
#[derive(Debug)]
struct ByLogits(CausalLmHead);

impl Head for ByLogits {
    fn forward(&self, input: HeadInput<'_>, mode: Mode) -> Tensor<2> {
        Head::forward(&self.0, input, mode)
    }
}

#[test]
fn losses_without_logits_are_those_of_any_head() {
    let mut compared = 0;
    for name in names() {
        let case = open(&name, Device::flex().autodiff());
        let Some(head) = case.head.clone() else {
            continue;
        };
        let (rows, mut targets) = case.next_tokens();
        // The first of every three is not counted, and the third by half.
        let weights = [0.0, 1.0, 0.5].into_iter().cycle();
        targets.weights = weights.take(targets.classes.len()).collect();
        let hidden = gather_rows(case.hidden(&case.sequences), rows).into_data();
        let tokens = case.batch(&case.sequences, vec![0; case.sequences.len()]);
        let towers = Towers::one(case.decoder.clone());
        let losses = |head: &dyn Head| {
            let hidden = Tensor::from_data(hidden.clone(), &case.device).require_grad();
            let input = HeadInput {
                hidden: hidden.clone(),
                of_row: &[],
                tokens: &tokens,
                is_pooled: false,
                towers: &towers,
                others: &[],
                sites: None,
                conditions: None,
            };
            let (sum, of_rows) = head.class_losses(input, targets.clone(), Mode::Evaluate);
            let grads = sum.backward();
            let mut gradients = vec![hidden.grad(&grads).map(values)];
            gradients.extend(gradients_in_order(&case.decoder, &grads));
            gradients.extend(gradients_in_order(&case.head, &grads));
            (values(sum), values(of_rows), gradients)
        };
        let (sum, of_rows, gradients) = losses(&head);
        let (plain_sum, plain_of_rows, plain_gradients) = losses(&ByLogits(head));
        check_close(&sum, &plain_sum, &name);
        check_close(&of_rows, &plain_of_rows, &name);
        let hits = |of_rows: &[f32]| of_rows.chunks(2).map(|row| row[1]).collect::<Vec<_>>();
        assert_eq!(hits(&of_rows), hits(&plain_of_rows), "{name}");
        let learns = |gradients: &[Option<Vec<f32>>]| gradients.iter().flatten().count();
        assert_eq!(
            learns(&gradients),
            2,
            "{name}: hidden states and projection"
        );
        assert_eq!(learns(&plain_gradients), 2, "{name}");
        for (gradient, plain) in gradients.iter().zip(&plain_gradients) {
            let (gradient, plain) = (gradient.as_deref(), plain.as_deref());
            check_close(
                gradient.unwrap_or_default(),
                plain.unwrap_or_default(),
                &name,
            );
        }
        compared += 1;
    }
    assert!(compared >= 30, "{compared} cases");
}

/// Experts that are stored in one tensor are saved in several, as published files have them.
#[test]
fn what_is_saved_of_a_decoder_is_what_was_loaded() {
    for name in names().iter().filter(|name| *name != "mixtral_window") {
        let case = open(name, Device::flex());
        let checkpoint = &case.checkpoint;
        let kind = match case.head {
            Some(_) => HeadKind::CausalLm,
            None => HeadKind::Classification,
        };
        let mut saved = checkpoint.named(&case.decoder, HeadKind::None, kind);
        match &case.head {
            Some(head) => saved.extend(checkpoint.named(head, kind, kind)),
            None => {
                let initial = initial(&case.device);
                let head = checkpoint.classifier(kind, 3, true, &initial).unwrap();
                saved.extend(checkpoint.named(&head, kind, kind));
            }
        }
        let derived = checkpoint.report().derived.len();
        let stored = Weights::open(checkpoint.preset()).unwrap();
        assert_eq!(saved.len() + derived, stored.len(), "{name}");
        for tensor in saved {
            let bare = tensor.name.strip_prefix(checkpoint.prefix());
            let original = stored
                .get(&tensor.name)
                .or(stored.get(bare.unwrap_or_default()));
            let original = original.unwrap_or_else(|| panic!("{name}: {}", tensor.name));
            assert_eq!(original.shape(), tensor.shape, "{name}: {}", tensor.name);
            assert_eq!(
                original.to_f32().unwrap(),
                tensor.values,
                "{name}: {}",
                tensor.name
            );
        }
    }
}

#[test]
fn gradients_of_decoders_agree_with_the_reference_library() {
    let has_gradients = |name: &String| {
        golden("decoders")
            .join(name)
            .join("gradients.safetensors")
            .exists()
    };
    let names: Vec<String> = names().into_iter().filter(has_gradients).collect();
    assert!(names.len() >= 4, "golden gradients are missing: {names:?}");
    for name in names {
        let case = open(&name, Device::flex().autodiff());
        let hidden = case.decoder.forward(
            &case.batch(&case.sequences, vec![0; case.sequences.len()]),
            Mode::Train(Key::new(1)),
        );
        let (rows, targets) = case.next_tokens();
        let count = targets.classes.len();
        let head = case.head.as_ref().unwrap();
        let (sum, _) = head.loss(gather_rows(hidden, rows), &case.decoder, targets);
        let loss = sum / count as f64;
        let grads = loss.backward();
        let expected =
            Weights::open_file(&golden("decoders").join(&name).join("gradients.safetensors"))
                .unwrap();
        let kind = HeadKind::CausalLm;
        let mut compared = 0;
        let mut compare = |named: Vec<engraft_models::NamedTensor>| {
            for tensor in named {
                let theirs = expected.require(&tensor.name).unwrap().to_f32().unwrap();
                check_gradient(&case.name, &tensor.name, &tensor.values, &theirs);
                compared += 1;
            }
        };
        let body = gradients_in_order(&case.decoder, &grads);
        compare(
            case.checkpoint
                .named_values(&case.decoder, HeadKind::None, kind, body),
        );
        let projection = gradients_in_order(head, &grads);
        compare(case.checkpoint.named_values(head, kind, kind, projection));
        assert_eq!(compared, expected.len(), "{}", case.name);
    }
}

/// Slots that others take over, and several tokens at once of which the last are taken back, give what the text gives uncached.
#[test]
fn slots_are_copied_and_go_back_without_a_trace() {
    for name in names() {
        let case = open(&name, Device::flex());
        let config = &case.checkpoint.config().transformer;
        let reads_anew = |length: usize| {
            let rotary = config.rotary.as_ref();
            rotary.is_some_and(|rotary| (1..length).any(|at| rotary.changes(at, at + 1)))
        };
        let texts: Vec<Vec<u32>> = written(&case)
            .into_iter()
            .map(|(prompt, new)| [prompt, new].concat())
            .filter(|text| text.len() > 12 && !reads_anew(text.len()))
            .collect();
        let Some(text) = texts.iter().max_by_key(|text| text.len()) else {
            continue;
        };
        let other: Vec<u32> = text.iter().rev().copied().collect();
        let read = |cache: &mut KeyValueCache, slot: usize, text: &[u32], end: usize| {
            let start = cache.length(slot);
            let batch = case.batch(&[text[start..end].to_vec()], vec![start]);
            let hidden = case.decoder.forward_cached(&batch, &[slot], cache, None);
            case.logits(hidden)
        };
        let vocabulary = config.vocabulary;
        let uncached = |text: &[u32]| case.last_logits(&[text.to_vec()]);
        let last = |logits: &[f32]| logits[logits.len() - vocabulary..].to_vec();
        let half = text.len() / 2;

        // One token after the other, in a slot that was another text's.
        let mut cache = KeyValueCache::new(config, 2, 4, &case.device);
        cache.reserve(3);
        let mixed = [&text[..2], &other[2..]].concat();
        for (slot, text) in [(0, text), (2, &mixed)] {
            read(&mut cache, slot, text, 2);
            for end in 3..=half {
                read(&mut cache, slot, text, end);
            }
        }
        let (from, to, shared) = (0, 2, 2);
        cache.copy(&[SlotCopy { from, to, shared }]);
        cache.copy(&[SlotCopy {
            from,
            to: 1,
            shared: 0,
        }]);
        for slot in [1, 2] {
            for end in half + 1..=text.len() {
                let logits = read(&mut cache, slot, text, end);
                let what = format!("{name}: slot {slot}, token {end}");
                check_close(&last(&logits), &uncached(&text[..end]), &what);
            }
        }

        // Several tokens at once, of which some are taken back.
        let mut cache = KeyValueCache::that_goes_back(config, 1, 4, &case.device);
        read(&mut cache, 0, text, 3);
        let wrong = [&text[..half], &other[half..]].concat();
        let logits = read(&mut cache, 0, &wrong, text.len());
        for (row, end) in logits.chunks(vocabulary).zip(4..) {
            check_close(
                row,
                &uncached(&wrong[..end]),
                &format!("{name}: token {end}"),
            );
        }
        cache.truncate(0, half);
        let logits = read(&mut cache, 0, text, text.len());
        check_close(
            &last(&logits),
            &uncached(text),
            &format!("{name}: taken back"),
        );
    }
}
