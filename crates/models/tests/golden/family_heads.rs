//! A linear head of ours that a family has too is the family's own, by its names and its outputs.

use std::collections::BTreeMap;

use burn::tensor::Device;
use engraft_hub::Weights;
use engraft_models::{
    Adapter, AdapterHead, Checkpoint, HeadKind, LinearMeanPoolAdapter, Mode, PackedTokens, Problem,
    TokenAdapter, TokenBatch,
};
use serde_json::Map;

use crate::reference::{cases, golden, initial, largest_difference, sequences, values};
use crate::tied::{preset, write};

const CLASSES: usize = 3;

/// The names under which a head of ours is saved as the family's, where it is one: saved with its encoder it is read again with the same
/// outputs.
fn saved_as(checkpoint: &Checkpoint, head: &AdapterHead, cases: &Weights) -> Option<String> {
    let device = Device::flex();
    let own = checkpoint.as_family_head(head)?;
    let kind = engraft_models::Head::kind(&own);
    let mut packed = PackedTokens::default();
    for (ids, types) in sequences(cases) {
        packed.push(&ids, &types);
    }
    let batch = TokenBatch::new(&packed, &checkpoint.config().transformer, &device);
    let encoder = checkpoint.encoder(&initial(&device)).unwrap();
    let hidden = encoder.forward(&batch, Mode::Evaluate);
    let expected = values(head.forward(hidden, &batch, Mode::Evaluate));

    let folder = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c"].map(str::to_owned);
    let config = checkpoint.config_json(kind, Problem::SingleLabel, Some(&names));
    let bytes = serde_json::to_vec(&config).unwrap();
    std::fs::write(folder.path().join("config.json"), bytes).unwrap();
    let tensors = checkpoint.named(&own, kind, kind);
    let saved: Vec<String> = tensors.iter().map(|tensor| tensor.name.clone()).collect();
    let all = [
        checkpoint.named(&encoder, HeadKind::None, kind),
        checkpoint.named_constants(kind).unwrap(),
        tensors,
    ];
    let all = all.into_iter().flatten();
    write(
        folder.path(),
        all.map(|tensor| (tensor.name, tensor.shape, tensor.values)),
    );
    let again = Checkpoint::open(preset(folder.path()), &Map::new(), false).unwrap();
    assert_eq!(again.stored_classes(kind), Some(CLASSES));
    assert_eq!(again.config().labels.as_deref(), Some(&names[..]));
    let hidden = again.encoder(&initial(&device)).unwrap();
    let hidden = hidden.forward(&batch, Mode::Evaluate);
    let found = again.classifier(kind, CLASSES, true, &initial(&device));
    let found = values(found.unwrap().forward(hidden, &batch, Mode::Evaluate));
    let error = largest_difference(&found, &expected);
    assert!(error < 1e-6, "{}: {error}", checkpoint.preset().name());
    assert!(again.report().unexpected.is_empty());
    Some(format!(
        "{} {}",
        checkpoint.architecture(kind),
        saved.join(" ")
    ))
}

#[test]
fn a_linear_layer_on_tokens_or_on_the_last_of_a_decoder_is_the_familys_own_head() {
    let mut found = BTreeMap::new();
    for (folder, at_least) in [("models", 59), ("decoders", 42)] {
        for name in cases(&golden(folder), at_least) {
            let path = golden(folder).join(&name);
            let checkpoint = Checkpoint::open(preset(&path), &Map::new(), false).unwrap();
            let config = &checkpoint.config().transformer;
            let (width, causal) = (config.output_width(), config.causal);
            let tensors = Weights::open_file(&path.join("case.safetensors")).unwrap();
            let start = initial(&Device::flex());
            let tokens = TokenAdapter::default().build(width, CLASSES, &start);
            let rows = Adapter::for_backbone(causal).build(width, CLASSES, &start);
            for (what, head) in [("tokens", tokens), ("rows", rows)] {
                let saved = saved_as(&checkpoint, &head, &tensors);
                let line = saved.unwrap_or_else(|| "stays ours".to_owned());
                let key = (checkpoint.family(), what);
                let earlier = found.insert(key, line.clone());
                assert!(earlier.is_none_or(|earlier| earlier == line), "{name}");
            }
            let mean = Adapter::from(LinearMeanPoolAdapter {}).build(width, CLASSES, &start);
            assert!(checkpoint.as_family_head(&mean).is_none(), "{name}");
        }
    }
    let lines: Vec<String> = found
        .into_iter()
        .map(|((family, what), line)| format!("{family}, {what}: {line}"))
        .collect();
    assert_eq!(lines.join("\n"), EXPECTED.trim());
}

const EXPECTED: &str = "
albert, rows: stays ours
albert, tokens: AlbertForTokenClassification classifier.weight classifier.bias
bert, rows: stays ours
bert, tokens: BertForTokenClassification classifier.weight classifier.bias
bloom, rows: BloomForSequenceClassification score.weight
bloom, tokens: BloomForTokenClassification classifier.weight classifier.bias
deberta-v2, rows: stays ours
deberta-v2, tokens: DebertaV2ForTokenClassification classifier.weight classifier.bias
distilbert, rows: stays ours
distilbert, tokens: DistilBertForTokenClassification classifier.weight classifier.bias
electra, rows: stays ours
electra, tokens: ElectraForTokenClassification classifier.weight classifier.bias
esm, rows: stays ours
esm, tokens: EsmForTokenClassification classifier.weight classifier.bias
falcon, rows: FalconForSequenceClassification score.weight
falcon, tokens: FalconForTokenClassification classifier.weight classifier.bias
fm4bio, rows: stays ours
fm4bio, tokens: stays ours
gemma, rows: GemmaForSequenceClassification score.weight
gemma, tokens: GemmaForTokenClassification score.weight score.bias
gemma2, rows: Gemma2ForSequenceClassification score.weight
gemma2, tokens: Gemma2ForTokenClassification score.weight score.bias
gemma3, rows: Gemma3TextForSequenceClassification score.weight
gemma3, tokens: stays ours
gpt2, rows: GPT2ForSequenceClassification score.weight
gpt2, tokens: GPT2ForTokenClassification classifier.weight classifier.bias
gpt_neox, rows: GPTNeoXForSequenceClassification score.weight
gpt_neox, tokens: GPTNeoXForTokenClassification classifier.weight classifier.bias
llama, rows: LlamaForSequenceClassification score.weight
llama, tokens: LlamaForTokenClassification score.weight score.bias
mistral, rows: MistralForSequenceClassification score.weight
mistral, tokens: MistralForTokenClassification score.weight score.bias
mixtral, rows: MixtralForSequenceClassification score.weight
mixtral, tokens: MixtralForTokenClassification score.weight score.bias
modernbert, rows: stays ours
modernbert, tokens: stays ours
mt5, rows: stays ours
mt5, tokens: MT5ForTokenClassification classifier.weight classifier.bias
opt, rows: OPTForSequenceClassification score.weight
opt, tokens: stays ours
phi3, rows: Phi3ForSequenceClassification score.weight
phi3, tokens: Phi3ForTokenClassification score.weight score.bias
qwen2, rows: Qwen2ForSequenceClassification score.weight
qwen2, tokens: Qwen2ForTokenClassification score.weight score.bias
qwen3, rows: Qwen3ForSequenceClassification score.weight
qwen3, tokens: Qwen3ForTokenClassification score.weight score.bias
qwen3_moe, rows: Qwen3MoeForSequenceClassification score.weight
qwen3_moe, tokens: Qwen3MoeForTokenClassification score.weight score.bias
rnabert, rows: stays ours
rnabert, tokens: RNABertForTokenClassification classifier.weight classifier.bias
roberta, rows: stays ours
roberta, tokens: RobertaForTokenClassification classifier.weight classifier.bias
smollm3, rows: SmolLM3ForSequenceClassification score.weight
smollm3, tokens: SmolLM3ForTokenClassification score.weight score.bias
t5, rows: stays ours
t5, tokens: T5ForTokenClassification classifier.weight classifier.bias
umt5, rows: stays ours
umt5, tokens: UMT5ForTokenClassification classifier.weight classifier.bias
xlm-roberta, rows: stays ours
xlm-roberta, tokens: XLMRobertaForTokenClassification classifier.weight classifier.bias
";
