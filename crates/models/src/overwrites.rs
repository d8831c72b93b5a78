//! Putting the user's values in the place of a `config.json`'s, so that they count in whichever spelling the file has the key.

use serde_json::{Map, Value, json};

use crate::error::{Result, refuse};
use crate::families::Family;
use crate::json::Spellings;

/// The objects that state rotations: as newer files have it, and as earlier ones do.
const ROTATIONS: &str = "rope_parameters";
const SCALING: &str = "rope_scaling";

/// The base of rotations and the share of channels that turn, inside of these objects.
const BASE: &str = "rope_theta";
const SHARE: &str = "partial_rotary_factor";

/// Kinds of layers that may have rotations of their own.
const EVERYWHERE: &str = "full_attention";
const LOCAL: &str = "sliding_attention";

/// Keys beside these objects: what they are called inside, and of which kind of layers where these differ.
const BESIDE: [(&str, &str, &str); 7] = [
    (BASE, BASE, EVERYWHERE),
    ("rotary_emb_base", BASE, EVERYWHERE),
    ("global_rope_theta", BASE, EVERYWHERE),
    ("local_rope_theta", BASE, LOCAL),
    ("rope_local_base_freq", BASE, LOCAL),
    (SHARE, SHARE, EVERYWHERE),
    ("rotary_pct", SHARE, EVERYWHERE),
];

/// Keys of which others follow, where the file states these: they follow anew.
const DERIVED: [(&str, &[&str]); 6] = [
    ("max_window_layers", &["layer_types"]),
    ("sliding_window_pattern", &["layer_types"]),
    ("global_attn_every_n_layers", &["layer_types"]),
    ("no_rope_layer_interval", &["no_rope_layers"]),
    ("id2label", &["label2id", "num_labels"]),
    ("feed_forward_proj", &["dense_act_fn", "is_gated_act"]),
];

/// Objects that state a stack of an encoder-decoder each (T5Gemma), or what KerasHub computes otherwise: keys inside of them are replaced one
/// by one.
const STACKS: [&str; 3] = ["encoder", "decoder", engraft_hub::KERAS_HUB];

/// Replaces keys of the configuration at `place`.
///
/// # Errors
/// A key is given in two spellings with different values; the family is not known.
pub(crate) fn overwrite(
    json: &mut Map<String, Value>,
    overwrites: &Map<String, Value>,
    place: &str,
) -> Result<()> {
    if overwrites.is_empty() {
        return Ok(());
    }
    if let Some(family) = overwrites.get("model_type") {
        json.insert("model_type".into(), family.clone());
    }
    let all = Family::of(place, json)?.spellings;
    replace(json, overwrites, all)
}

/// Replaces keys of which some have several spellings.
fn replace(
    json: &mut Map<String, Value>,
    overwrites: &Map<String, Value>,
    all: &[Spellings],
) -> Result<()> {
    check_spellings(overwrites, all)?;
    // Objects first: a key beside them is the more exact word.
    let (objects, keys): (Vec<_>, Vec<_>) = overwrites
        .iter()
        .partition(|(key, _)| [ROTATIONS, SCALING].contains(&key.as_str()));
    for (key, value) in objects.into_iter().chain(keys) {
        for other in spellings(all, key) {
            json.remove(*other);
        }
        let derived = DERIVED.iter().find(|(of, _)| of == key);
        for follows in derived.iter().flat_map(|(_, follow)| *follow) {
            if !overwrites.contains_key(*follows) {
                json.remove(*follows);
            }
        }
        match key.as_str() {
            ROTATIONS => {
                replace_rotations(json, value);
                continue;
            }
            SCALING => {
                replace_scaling(json, value);
                continue;
            }
            key if STACKS.contains(&key) => {
                let old = json.get_mut(key).and_then(Value::as_object_mut);
                if let (Some(old), Some(new)) = (old, value.as_object()) {
                    replace(old, new, &[])?;
                    continue;
                }
            }
            "num_labels" => forget_other_labels(json, value),
            "use_sliding_window" if !overwrites.contains_key("layer_types") => {
                forget_absent_windows(json);
            }
            key => uncover(json, overwrites, key),
        }
        json.insert(key.clone(), value.clone());
    }
    Ok(())
}

/// The other spellings of a key, itself among them.
fn spellings(all: &[Spellings], key: &str) -> Spellings {
    let same = all.iter().find(|same| same.contains(&key));
    same.copied().unwrap_or_default()
}

fn check_spellings(overwrites: &Map<String, Value>, all: &[Spellings]) -> Result<()> {
    for same in all {
        let mut given = same.iter().filter(|key| overwrites.contains_key(**key));
        if let (Some(first), Some(second)) = (given.next(), given.next())
            && overwrites.get(*first) != overwrites.get(*second)
        {
            let problem = format!("{first} is another name for the same, with another value");
            let refusal = refuse(&format!("config_overwrites.{second}"), problem);
            return Err(refusal.help("Give one of them").into());
        }
    }
    Ok(())
}

/// Puts rotations in the place of the file's, whose bases and shares stay where nothing is said of them.
fn replace_rotations(json: &mut Map<String, Value>, value: &Value) {
    let mut new = value.clone();
    let old = json.get(ROTATIONS).or(json.get(SCALING));
    if let (Some(new), Some(old)) = (new.as_object_mut(), old.and_then(Value::as_object)) {
        let is_nested =
            |object: &Map<String, Value>| object.get(EVERYWHERE).is_some_and(Value::is_object);
        if is_nested(old) && !is_nested(new) && !new.contains_key(LOCAL) {
            let everywhere = std::mem::take(new);
            new.insert(EVERYWHERE.into(), Value::Object(everywhere));
        }
        inherit(new, old);
        for kind in [EVERYWHERE, LOCAL] {
            let Some(old) = old.get(kind) else { continue };
            let new = new.entry(kind).or_insert_with(|| old.clone());
            if let (Some(new), Some(old)) = (new.as_object_mut(), old.as_object()) {
                inherit(new, old);
            }
        }
        forget_original(json, new);
    }
    json.remove(SCALING);
    json.insert(ROTATIONS.into(), new);
}

/// Stretches the file's rotations anew: those of layers that see everything, where there are two kinds.
fn replace_scaling(json: &mut Map<String, Value>, value: &Value) {
    let empty = Map::new();
    let stretched = match value {
        Value::Null => Some(&empty),
        value => value.as_object(),
    };
    let rotations = json.get(ROTATIONS).and_then(Value::as_object).cloned();
    let (Some(stretched), Some(mut rotations)) = (stretched, rotations) else {
        json.insert(SCALING.into(), value.clone());
        return;
    };
    let stretch = |old: &Map<String, Value>| {
        let mut new = stretched.clone();
        inherit(&mut new, old);
        new
    };
    match rotations.get_mut(EVERYWHERE).and_then(Value::as_object_mut) {
        Some(everywhere) => *everywhere = stretch(everywhere),
        None => rotations = stretch(&rotations),
    }
    forget_original(json, stretched);
    json.remove(SCALING);
    json.insert(ROTATIONS.into(), Value::Object(rotations));
}

/// Takes over the base and the share of channels, where `new` has none.
fn inherit(new: &mut Map<String, Value>, old: &Map<String, Value>) {
    for key in [BASE, SHARE] {
        if let (false, Some(value)) = (new.contains_key(key), old.get(key)) {
            new.insert(key.into(), value.clone());
        }
    }
}

/// A length beside the object counts more than the one inside; it goes where a new object has its own.
fn forget_original(json: &mut Map<String, Value>, new: &Map<String, Value>) {
    const ORIGINAL: &str = "original_max_position_embeddings";
    if new.contains_key(ORIGINAL) {
        json.remove(ORIGINAL);
    }
}

/// Removes what would count more than a key beside the objects of rotations: the same inside of them, and under other names.
fn uncover(json: &mut Map<String, Value>, overwrites: &Map<String, Value>, key: &str) {
    let Some((_, inside, layers)) = BESIDE.iter().find(|(beside, ..)| *beside == key) else {
        return;
    };
    for object in [ROTATIONS, SCALING] {
        let Some(object) = json.get_mut(object).and_then(Value::as_object_mut) else {
            continue;
        };
        if let Some(kind) = object.get_mut(*layers).and_then(Value::as_object_mut) {
            kind.remove(*inside);
        } else if *layers == EVERYWHERE {
            object.remove(*inside);
        }
    }
    for (beside, other, kind) in BESIDE {
        if other == *inside && kind == *layers && !overwrites.contains_key(beside) {
            json.remove(beside);
        }
    }
}

/// Removes names of classes that are more or fewer than `count`.
fn forget_other_labels(json: &mut Map<String, Value>, count: &Value) {
    let names = json.get("id2label").and_then(Value::as_object);
    if names.is_some_and(|names| count.as_u64() != Some(names.len() as u64)) {
        json.remove("id2label");
        json.remove("label2id");
    }
}

/// Removes a list of kinds of layers of which none has a window: files state it so where windows are switched off.
fn forget_absent_windows(json: &mut Map<String, Value>) {
    let kinds = json.get("layer_types").and_then(Value::as_array);
    if kinds.is_some_and(|kinds| kinds.iter().all(|kind| kind == &json!(EVERYWHERE))) {
        json.remove("layer_types");
    }
}
