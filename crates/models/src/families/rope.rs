//! How `config.json` states rotations: in one object since 2025, under several keys before.

use std::f64::consts::E;

use serde_json::{Map, Value};

use crate::error::Result;
use crate::json::ConfigReader;
use crate::rotary::{Rotary, RotaryScaling, Yarn};

/// The kinds of scaling, as `rope_type` names them.
const KINDS: &str = "default, linear, dynamic, yarn, llama3, longrope";

/// Keys that hold the object.
const NOW: &str = "rope_parameters";
const EARLIER: &str = "rope_scaling";

/// The share of a head's channels that turn.
const SHARE: &str = "partial_rotary_factor";

/// The keys of rotations, for shapes that have none.
pub(super) const KEYS: &[&str] = &[
    NOW,
    EARLIER,
    "rope_theta",
    SHARE,
    "original_max_position_embeddings",
];

/// The rotation of heads of `head_dim` channels in all layers; `theta` is the family's base.
pub(super) fn rotary(c: &ConfigReader<'_>, head_dim: usize, theta: f64) -> Result<Rotary> {
    rotary_share(c, head_dim, theta, 1.0)
}

/// As [`rotary`] for families whose heads rotate a share of their channels.
pub(super) fn rotary_share(
    c: &ConfigReader<'_>,
    head_dim: usize,
    theta: f64,
    share: f64,
) -> Result<Rotary> {
    let parameters = stretched(c)?.or(object(c, NOW)?);
    one(c, parameters, head_dim, theta, share)
}

/// The rotation of layers that see everything, with the base of those that have a window beside it, as Gemma 3 states them: an object for
/// each kind of layer, or `rope_local_base_freq`.
pub(super) fn rotary_by_layer(
    c: &ConfigReader<'_>,
    head_dim: usize,
    theta: f64,
    local_theta: f64,
) -> Result<Rotary> {
    let (now, earlier_object) = (object(c, NOW)?, stretched(c)?);
    let parameters = now.or(earlier_object);
    let earlier = c.number_or("rope_local_base_freq", local_theta)?;
    let nested = |kind| {
        let inner = parameters.as_ref().and_then(|(_, all)| all.get(kind));
        inner.and_then(Value::as_object)
    };
    let (full, local) = (nested("full_attention"), nested("sliding_attention"));
    let mut rotary = match full {
        Some(full) => {
            // What the earlier key says is said of these layers, where a file has both.
            let mut full = full.clone();
            full.extend(
                earlier_object
                    .into_iter()
                    .flat_map(|(_, more)| more.clone()),
            );
            one(c, Some((NOW, &full)), head_dim, theta, 1.0)?
        }
        None => one(c, parameters, head_dim, theta, 1.0)?,
    };
    if earlier <= 1.0 {
        let problem = format!("expected more than 1, found {earlier}");
        return Err(c.error("rope_local_base_freq", problem));
    }
    let local = match local {
        Some(object) => {
            let stated = one(c, Some((NOW, object)), head_dim, local_theta, 1.0)?;
            if object.contains_key("rope_theta") {
                stated
            } else {
                Rotary {
                    theta: earlier,
                    ..stated
                }
            }
        }
        None => Rotary::plain(head_dim, earlier),
    };
    if local.scaling != RotaryScaling::None || local.dim != rotary.dim {
        return Err(c.error(
            NOW,
            "layers with a window cannot be stretched here or turn other channels than the rest: leave rope_type \"default\" for them",
        ));
    }
    rotary.local_theta = Some(local.theta);
    Ok(rotary)
}

/// The earlier key's object, which counts before the newer one's where it says anything.
fn stretched<'a>(c: &ConfigReader<'a>) -> Result<Option<(&'static str, &'a Map<String, Value>)>> {
    Ok(object(c, EARLIER)?.filter(|(_, object)| !object.is_empty()))
}

/// The object under `key`.
fn object<'a>(
    c: &ConfigReader<'a>,
    key: &'static str,
) -> Result<Option<(&'static str, &'a Map<String, Value>)>> {
    let Some(value) = c.value(key) else {
        return Ok(None);
    };
    match value.as_object() {
        Some(object) => Ok(Some((key, object))),
        None => Err(c.error(key, format!("expected an object, found {value}"))),
    }
}

/// One kind of layers' rotation; what the object does not say, the keys beside it do.
fn one(
    c: &ConfigReader<'_>,
    parameters: Option<(&'static str, &Map<String, Value>)>,
    head_dim: usize,
    theta: f64,
    share: f64,
) -> Result<Rotary> {
    let empty = Map::new();
    let (key, object) = parameters.unwrap_or((NOW, &empty));
    let place = c.place_of(key);
    let inner = ConfigReader::new(&place, object);
    let share = c.number_or(SHARE, share)?;
    let share = inner.number_or(SHARE, share)?;
    if share > 1.0 {
        let problem = format!("expected a share of the channels, at most 1, found {share}");
        return Err(c.error(SHARE, problem));
    }
    let dim = (head_dim as f64 * share) as usize;
    let theta = c.number_or("rope_theta", theta)?;
    let theta = inner.number_or("rope_theta", theta)?;
    if dim == 0 {
        let problem = format!("{share} of {head_dim} channels leaves none to rotate");
        return Err(c.error(SHARE, problem));
    }
    if theta <= 1.0 {
        return Err(c.error("rope_theta", format!("expected more than 1, found {theta}")));
    }
    Ok(Rotary {
        scaling: scaling(c, &inner, dim)?,
        ..Rotary::plain(dim, theta)
    })
}

fn scaling(c: &ConfigReader<'_>, inner: &ConfigReader<'_>, dim: usize) -> Result<RotaryScaling> {
    let kind = inner.value("rope_type").or(inner.value("type"));
    let trained = c.size_or("max_position_embeddings", 2048)?;
    // Phi-3 has the key beside the object, and that one counts.
    let original = match c.value("original_max_position_embeddings") {
        Some(_) => c.size("original_max_position_embeddings")?,
        None => inner.size_or("original_max_position_embeddings", trained)?,
    };
    let required = |key: &'static str| match inner.value(key) {
        Some(_) => inner.number_or(key, 1.0),
        None => Err(inner.error(key, "missing, and the rotations depend on it")),
    };
    let factor = || match required("factor")? {
        factor if factor >= 1.0 => Ok(factor),
        other => Err(inner.error("factor", format!("expected at least 1, found {other}"))),
    };
    if matches!(
        kind.map_or(Some("default"), Value::as_str),
        Some("default" | "linear" | "dynamic")
    ) {
        let because = "with a rope_type of yarn, llama3 or longrope";
        c.ignores(&["original_max_position_embeddings"], because);
    }
    Ok(match kind.map_or(Some("default"), Value::as_str) {
        Some("default") => RotaryScaling::None,
        Some("linear") => RotaryScaling::Linear { factor: factor()? },
        Some("dynamic") if dim > 2 => RotaryScaling::Dynamic {
            factor: factor()?,
            original: trained,
        },
        Some("yarn") => {
            let factor = match inner.value("factor") {
                Some(_) => factor()?,
                None => trained as f64 / original as f64,
            };
            let scales = ["mscale", "mscale_all_dim"].map(|key| inner.number_or(key, 0.0));
            let [scale, all] = scales;
            let sharpening = match (scale?, all?) {
                (scale, all) if scale > 0.0 && all > 0.0 => {
                    Yarn::sharpening(factor, scale) / Yarn::sharpening(factor, all)
                }
                _ => Yarn::sharpening(factor, 1.0),
            };
            let (fast, slow) = (
                inner.number_or("beta_fast", 32.0)?,
                inner.number_or("beta_slow", 1.0)?,
            );
            if slow <= 0.0 || fast < slow {
                let problem =
                    format!("expected at least beta_slow {slow}, which is above 0, found {fast}");
                return Err(inner.error("beta_fast", problem));
            }
            RotaryScaling::Yarn(Yarn {
                factor,
                fast,
                slow,
                original,
                truncate: inner.flag_or("truncate", true)?,
                attention_factor: inner.number_or("attention_factor", sharpening)?,
            })
        }
        Some("llama3") => {
            let (low, high) = (required("low_freq_factor")?, required("high_freq_factor")?);
            if high <= low {
                let problem = format!("expected more than low_freq_factor {low}, found {high}");
                return Err(inner.error("high_freq_factor", problem));
            }
            RotaryScaling::Llama3 {
                factor: factor()?,
                low,
                high,
                original,
            }
        }
        Some("longrope" | "su") => {
            let factor = inner.number_or("factor", trained as f64 / original as f64)?;
            let usual = if factor <= 1.0 {
                1.0
            } else {
                (1.0 + factor.ln() / (original as f64).max(E).ln()).sqrt()
            };
            RotaryScaling::LongRope {
                short: factors(inner, "short_factor", dim)?.into(),
                long: factors(inner, "long_factor", dim)?.into(),
                original,
                attention_factor: inner.number_or("attention_factor", usual)?,
            }
        }
        _ => {
            let found = kind.map(Value::to_string).unwrap_or_default();
            let problem = format!("unknown kind {found}; known are {KINDS}");
            return Err(inner.error("rope_type", problem));
        }
    })
}

/// A positive factor for each pair of channels.
fn factors(inner: &ConfigReader<'_>, key: &'static str, dim: usize) -> Result<Vec<f64>> {
    let pairs = dim.div_ceil(2);
    let list = inner.value(key).and_then(Value::as_array);
    let numbers: Option<Vec<f64>> = list.and_then(|list| {
        let positive = |value: &Value| value.as_f64().filter(|factor| *factor > 0.0);
        list.iter().map(positive).collect()
    });
    numbers
        .filter(|numbers| numbers.len() == pairs)
        .ok_or_else(|| inner.error(key, format!("expected a list of {pairs} positive numbers")))
}
