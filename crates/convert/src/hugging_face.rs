//! Models in the layout of Hugging Face.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use engraft_files::atomic;
use engraft_hub::{
    Handle, KERAS_HUB, Preset, TensorData, TensorRef, TensorToWrite, Weights, write_safetensors,
};
use engraft_models::Checkpoint;
use engraft_text::Tokenizer;
use serde_json::{Map, Value, json};

use crate::deviation::deviation;
use crate::differences::{Compared, differences, is_of_keras};
use crate::keras::head_of;
use crate::tokens::{checked_tokenizer, files_for_transformers, first_unlike, shortage, tokenizer};
use crate::{Conversion, Converted, Error, MODULES, NO_TOKENIZER, Result, opened, without_head};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// How wide a head of KerasHub is, where its family's has another width.
const HEAD_WIDTH: &str = "keras_hub.classifier_hidden_dim";

/// The two linear layers of heads, of each family that has two.
const HEADS: [[&str; 2]; 3] = [
    ["pre_classifier", "classifier"],
    ["classifier.dense", "classifier.out_proj"],
    ["pooler.dense", "classifier"],
];

/// What a preset may have beside its weights and its tokenizer's files, the steps of sentence-transformers among them.
const OTHERS: [&str; 6] = [
    "generation_config.json",
    "chat_template.jinja",
    MODULES,
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
];

pub(crate) fn write(source: &Preset, folder: &Path, conversion: Conversion) -> Result<Converted> {
    let checkpoint = opened(source)?;
    let tokens = checked_tokenizer(&checkpoint)?;
    let stated = &checkpoint.config().json;
    let mut held = stated.clone();
    held.remove(KERAS_HUB);
    let head = head_of(&checkpoint);
    let compared = Compared {
        head,
        may_untie: false,
    };
    let place = source.locate(CONFIG);
    let mut found = if is_of_keras(stated) {
        differences(&place, stated, &held, compared)?
    } else {
        Vec::new()
    };
    let weights = Weights::open(source)?;
    let wider = widened(&weights, &checkpoint)?;
    if !wider.is_empty() {
        found.retain(|difference| difference.key() != HEAD_WIDTH);
    }
    let class = held
        .get("architectures")
        .and_then(|all| all.get(0)?.as_str());
    let class = class.unwrap_or("the family's class").to_owned();
    if !found.is_empty() && !conversion.approximate {
        return Err(Error::Inexact {
            class: format!("transformers' {class}"),
            source_name: source.name().to_owned(),
            differences: found,
        });
    }
    held.insert("dtype".to_owned(), json!(dtype(&weights)));
    held.remove("torch_dtype");
    write_json(&folder.join(CONFIG), &Value::Object(held))?;
    write_weights(folder, &weights, &wider, conversion.shard)?;
    for name in OTHERS {
        if let Some(bytes) = source.read(name)? {
            let path = folder.join(name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(engraft_files::Error::io("create", parent))?;
            }
            atomic::write(&path, &bytes)?;
        }
    }
    let mut notes: Vec<String> = without_head(source).into_iter().collect();
    if let Some(tokens) = &tokens {
        notes.extend(shortage(tokens, &checkpoint));
        for (name, bytes) in files_for_transformers(tokens, &checkpoint, &mut notes)? {
            atomic::write(&folder.join(name), &bytes)?;
        }
    }
    let written = Preset::open(&Handle::Folder(folder.to_owned()))?;
    check(source, &weights, &wider, &written, tokens.as_ref())?;
    let mut converted = Converted {
        class,
        tensors: weights.len(),
        notes,
        ..Converted::default()
    };
    if !wider.is_empty() {
        let note = "the head's first layer is as wide as the family's, with zeros: what it gives is the same";
        converted.notes.push(note.to_owned());
    }
    if tokens.is_none() {
        converted.notes.push(NO_TOKENIZER.to_owned());
    }
    if !found.is_empty() {
        let written = Checkpoint::open(written, &Map::new(), false)?;
        converted.deviation = Some(deviation(&checkpoint, &written, head)?);
        converted.differences = found;
    }
    Ok(converted)
}

/// The type of the weights as transformers calls it: that of the largest.
fn dtype(weights: &Weights) -> &'static str {
    let largest = weights
        .iter()
        .max_by_key(|tensor| tensor.shape().iter().product::<usize>());
    match largest.map(|tensor| tensor.dtype()) {
        Some(engraft_hub::Dtype::BF16) => "bfloat16",
        Some(engraft_hub::Dtype::F16) => "float16",
        _ => "float32",
    }
}

/// A head's layer with zeros beside its numbers.
struct Wider {
    shape: Vec<usize>,
    numbers: Vec<f32>,
}

/// The tensors of a head of KerasHub whose first layer is narrower than the family's, made as wide: what the layer between them then gives more is
/// zero by each of the activations that heads have, and read by weights that are zero.
fn widened(weights: &Weights, checkpoint: &Checkpoint) -> Result<BTreeMap<String, Wider>> {
    let config = checkpoint.config();
    let hidden = config.transformer.hidden;
    let dense = config.classifier.dense.as_ref();
    let width = dense.map_or(hidden, |dense| dense.width);
    let both = HEADS.into_iter().find(|names| {
        let mut names = names.iter();
        names.all(|name| weights.get(&format!("{name}.weight")).is_some())
    });
    let mut wider = BTreeMap::new();
    let Some([inner, outer]) = both.filter(|_| width < hidden && is_of_keras(&config.json)) else {
        return Ok(wider);
    };
    let mut widen = |name: String, to: [usize; 2]| -> Result<()> {
        let tensor = weights.require(&name)?;
        let columns = tensor.shape().get(1).copied().unwrap_or(1);
        let numbers = tensor.to_f32()?;
        let mut rows = vec![0.0; to[0] * to[1]];
        for (target, row) in rows.chunks_mut(to[1]).zip(numbers.chunks(columns.max(1))) {
            target[..columns].copy_from_slice(row);
        }
        let shape = to[..tensor.shape().len()].to_vec();
        wider.insert(
            name,
            Wider {
                shape,
                numbers: rows,
            },
        );
        Ok(())
    };
    let classes = weights.require(&format!("{outer}.weight"))?.shape()[0];
    widen(format!("{inner}.weight"), [hidden, hidden])?;
    widen(format!("{inner}.bias"), [hidden, 1])?;
    widen(format!("{outer}.weight"), [classes, hidden])?;
    Ok(wider)
}

fn size(tensor: &TensorRef<'_>) -> usize {
    tensor.shape().iter().product::<usize>() * tensor.dtype().bitsize() / 8
}

/// Writes the weights into one file, or into several that a list names.
fn write_weights(
    folder: &Path,
    weights: &Weights,
    wider: &BTreeMap<String, Wider>,
    shard_size: usize,
) -> Result<()> {
    let mut shards: Vec<Vec<&str>> = vec![Vec::new()];
    let mut held = 0;
    let mut total = 0;
    for name in weights.names() {
        let bytes = size(&weights.require(name)?);
        if held > 0 && held + bytes > shard_size {
            shards.push(Vec::new());
            held = 0;
        }
        held += bytes;
        total += bytes;
        if let Some(shard) = shards.last_mut() {
            shard.push(name);
        }
    }
    let count = shards.len();
    let mut places = Map::new();
    for (number, shard) in shards.into_iter().enumerate() {
        let file = match count {
            1 => WEIGHTS.to_owned(),
            _ => format!("model-{:05}-of-{count:05}.safetensors", number + 1),
        };
        let tensors = shard.into_iter().filter_map(|name| {
            places.insert(name.to_owned(), json!(file));
            let tensor = weights.get(name)?;
            let (shape, data) = match wider.get(name) {
                Some(wider) => {
                    let numbers = TensorData::F32(wider.numbers.as_slice().into());
                    (wider.shape.clone(), numbers)
                }
                None => {
                    let (dtype, bytes) = (tensor.dtype(), tensor.bytes());
                    (tensor.shape().to_vec(), TensorData::Bytes { dtype, bytes })
                }
            };
            Some(TensorToWrite {
                name: name.into(),
                shape,
                data,
            })
        });
        let tensors: Vec<_> = tensors.collect();
        write_safetensors(&folder.join(file), tensors, &BTreeMap::new())?;
    }
    if count > 1 {
        let index = json!({"metadata": {"total_size": total}, "weight_map": places});
        write_json(&folder.join(INDEX), &index)?;
    }
    Ok(())
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    Ok(atomic::write(path, text.as_bytes())?)
}

/// That what was written reads as the same weights and the same tokenizer.
fn check(
    source: &Preset,
    weights: &Weights,
    wider: &BTreeMap<String, Wider>,
    written: &Preset,
    tokens: Option<&Tokenizer>,
) -> Result<()> {
    let unlike = |reason: String| Error::Unlike {
        preset: source.name().to_owned(),
        reason,
    };
    let read = Weights::open(written)?;
    for name in weights.names() {
        let (tensor, other) = (weights.require(name)?, read.require(name)?);
        let is_same = match wider.get(name) {
            Some(wider) => other.to_f32()? == wider.numbers,
            None => tensor.equals(&other)?,
        };
        if !is_same {
            return Err(unlike(format!("the numbers of {name} are others")));
        }
    }
    if let (Some(one), Some(other)) = (tokens, tokenizer(written)?)
        && let Some(text) = first_unlike(one, &other)
    {
        return Err(unlike(format!(
            "its tokenizer makes other tokens of \"{text}\""
        )));
    }
    Ok(())
}
