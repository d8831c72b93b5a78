//! Models as presets of KerasHub.

use std::collections::BTreeSet;
use std::path::Path;

use engraft_hub::{Handle, KerasModel, KerasPacking, Preset, TensorRef, Weights};
use engraft_models::{Checkpoint, HeadKind};
use engraft_text::Tokenizer;
use serde_json::{Map, Value};

use crate::deviation::deviation;
use crate::differences::{Compared, Difference, differences};
use crate::tokens::{checked_tokenizer, first_unlike, shortage, tokenizer, tokenizer_of_keras_hub};
use crate::{Conversion, Converted, Error, MODULES, NO_TOKENIZER, Result, opened, without_head};

/// What encoder-decoders of Hugging Face add to logits, and KerasHub's do not.
const LOGITS_BIAS: &str = "final_logits_bias";

/// What ESM does to the vectors of tokens, more where some are masked.
const TOKEN_DROPOUT: &str = "token_dropout";

/// What the names of a pooler's tensors have in them.
const POOLER: &str = ".pooler.";

pub(crate) fn write(source: &Preset, folder: &Path, conversion: Conversion) -> Result<Converted> {
    let checkpoint = opened(source)?;
    let tokens = checked_tokenizer(&checkpoint)?;
    let model = KerasModel::nearest(source)?;
    let head = head_of(&checkpoint);
    let is_tied = checkpoint.config().is_tied(head);
    let has = |name: &str| checkpoint.tensor(name).is_some();
    let compared = Compared {
        head,
        // Of a model that is tied the matrix is written, whether it is stored beside the table or is the table.
        may_untie: model.has_twins(),
    };
    let refuse = |differences: Vec<Difference>| Error::Inexact {
        class: format!("KerasHub's {}", model.called()),
        source_name: source.name().to_owned(),
        differences,
    };
    let place = source.locate("config.json");
    let stated = &checkpoint.config().json;
    let mut found = differences(&place, stated, model.config(), compared)?;
    // Texts of which tokens are masked are there for masked language models alone.
    if model.scales_tokens() && head != HeadKind::MaskedLm {
        found.retain(|difference| difference.key() != TOKEN_DROPOUT);
    }
    let missing = model.missing(has, is_tied).into_iter();
    // What a masked language model says of tokens does not depend on its pooler, which KerasHub's class has and others leave out.
    let is_idle = |name: &&str| head == HeadKind::MaskedLm && name.contains(POOLER);
    let (idle, missing): (Vec<&str>, Vec<&str>) = missing.partition(is_idle);
    let missing = missing.into_iter();
    found.extend(missing.map(|name| Difference::Missing(name.to_owned())));
    let shapes = unlike_shapes(&model, &checkpoint);
    if !shapes.is_empty() {
        // These cannot be approximated.
        found.extend(shapes);
        return Err(refuse(found));
    }
    let bias = checkpoint.tensor(LOGITS_BIAS);
    if bias.is_some_and(|bias| !is_zero(&bias)) {
        found.push(Difference::Extra(LOGITS_BIAS.to_owned()));
    }
    if !found.is_empty() && !conversion.approximate {
        return Err(refuse(found));
    }
    let packing = packing(tokens.as_ref(), conversion.max_length);
    model.write(folder, source, packing, conversion.shard, &|name| {
        checkpoint.tensor(name)
    })?;
    let written = Preset::open(&Handle::Folder(folder.to_owned()))?;
    check(&model, &checkpoint, &written)?;
    let mut converted = Converted {
        class: model.called(),
        tensors: model.tensors().filter(|name| has(name)).count(),
        left_out: left_out(&model, &checkpoint),
        notes: notes(&checkpoint, tokens.is_some()),
        ..Converted::default()
    };
    converted.notes.extend(without_head(source));
    let short = tokens.as_ref().and_then(|it| shortage(it, &checkpoint));
    converted.notes.extend(short);
    if !idle.is_empty() {
        let note = "the source has no pooler, which a masked language model does not use: it is zero there";
        converted.notes.push(note.to_owned());
    }
    if source.has(MODULES) {
        converted.notes.push(format!(
            "what {MODULES} says of pooling and normalising has no place in it"
        ));
    }
    if model.scales_tokens() {
        let note = "token_dropout is in the table of tokens: what is computed is the same but of texts in which a token is masked";
        converted.notes.push(note.to_owned());
    }
    if model.missing(has, false) != model.missing(has, is_tied) {
        let note = "the matrix of logits is written beside the table of tokens that it is equal to, as KerasHub's class has both";
        converted.notes.push(note.to_owned());
    }
    if !found.is_empty() {
        let written = Checkpoint::open(written.clone(), &Map::new(), false)?;
        converted.deviation = Some(deviation(&checkpoint, &written, head)?);
    }
    // KerasHub itself makes its own tokens.
    let written = if source.has_tokenizer_of_keras_hub()? {
        tokenizer_of_keras_hub(&written)?
    } else {
        tokenizer(&written)?
    };
    if let (Some(read), Some(written)) = (tokens, written) {
        found.extend(first_unlike(&read, &written).map(Difference::Tokens));
    }
    if !found.is_empty() && !conversion.approximate {
        return Err(refuse(found));
    }
    converted.differences = found;
    Ok(converted)
}

/// The tensors of a checkpoint whose shape is not the model's.
fn unlike_shapes(model: &KerasModel, checkpoint: &Checkpoint) -> Vec<Difference> {
    let unlike = |name: &str| {
        let stated = checkpoint.tensor(name)?.shape().to_vec();
        let held = model.shape(name)?.to_vec();
        (stated != held).then(|| Difference::Shape {
            name: name.to_owned(),
            stated,
            held,
        })
    };
    model.tensors().filter_map(unlike).collect()
}

/// What is lost that no difference in what is computed says.
fn notes(checkpoint: &Checkpoint, has_tokenizer: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if !has_tokenizer {
        notes.push(NO_TOKENIZER.to_owned());
    }
    if let Some(names) = &checkpoint.config().labels {
        let names = names.join(", ");
        notes.push(format!(
            "the names of the classes ({names}) have no place in it, only their order"
        ));
    }
    notes
}

/// The head that a checkpoint's `config.json` names, as far as KerasHub has such a task.
pub(crate) fn head_of(checkpoint: &Checkpoint) -> HeadKind {
    let config = checkpoint.config();
    let architecture = config
        .json
        .get("architectures")
        .and_then(|all| all.get(0)?.as_str());
    let architecture = architecture.unwrap_or_default();
    if config.decoder.is_some() {
        HeadKind::Seq2SeqLm
    } else if config.causal_lm.is_some() {
        HeadKind::CausalLm
    } else if architecture.ends_with("ForSequenceClassification") {
        HeadKind::Classification
    } else if architecture.ends_with("ForMaskedLM") || architecture.ends_with("ForPreTraining") {
        HeadKind::MaskedLm
    } else {
        HeadKind::None
    }
}

/// How the texts of a language model are packed, which the tokenizer of Hugging Face says.
fn packing(tokenizer: Option<&Tokenizer>, length: Option<usize>) -> KerasPacking {
    let around = |tokenizer: &Tokenizer| {
        let special = tokenizer.encode("a", None).ok()?.special;
        Some([special.first().copied()?, special.last().copied()?])
    };
    let [starts, ends] = tokenizer.and_then(around).unwrap_or([true; 2]);
    KerasPacking {
        length,
        starts,
        ends,
    }
}

/// That what was written reads as the same model.
fn check(model: &KerasModel, checkpoint: &Checkpoint, written: &Preset) -> Result<()> {
    let unlike = |reason: String| Error::Unlike {
        preset: checkpoint.preset().name().to_owned(),
        reason,
    };
    let config = written.config()?;
    let differing = model
        .config()
        .iter()
        .find(|(key, value)| config.get(*key) != Some(value));
    if let Some((key, value)) = differing {
        let found = config.get(key).unwrap_or(&Value::Null);
        return Err(unlike(format!("{key} is {found} in place of {value}")));
    }
    let weights = Weights::open(written)?;
    for name in model.tensors() {
        let (Some(tensor), Some(written)) = (checkpoint.tensor(name), weights.get(name)) else {
            continue;
        };
        if !model.holds(name, &tensor, &written, |name| checkpoint.tensor(name))? {
            return Err(unlike(format!("the numbers of {name} are others")));
        }
    }
    Ok(())
}

/// The tensors of a checkpoint that the model has no place for.
fn left_out(model: &KerasModel, checkpoint: &Checkpoint) -> Vec<String> {
    let used = model
        .tensors()
        .filter_map(|name| checkpoint.tensor_name(name));
    let used: BTreeSet<String> = used.collect();
    let stored = checkpoint
        .tensor_names()
        .filter(|name| !used.contains(*name));
    stored.map(str::to_owned).collect()
}

fn is_zero(tensor: &TensorRef<'_>) -> bool {
    tensor
        .to_f32()
        .is_ok_and(|numbers| numbers.iter().all(|number| *number == 0.0))
}
