//! Which layers' attention has a window, as `layer_types` states it.

use serde_json::Value;

use crate::error::Result;
use crate::json::ConfigReader;

/// What the keys of windows depend on, in most families.
pub(super) const SWITCH: &str = "with use_sliding_window: true and a sliding_window";

/// The length of windows, if they are switched on and not null.
pub(super) fn switched_window(c: &ConfigReader<'_>, default: usize) -> Result<Option<usize>> {
    let is_on = c.flag_or("use_sliding_window", false)?;
    let window = if c.is_null("sliding_window") {
        None
    } else {
        Some(c.size_or("sliding_window", default)?)
    };
    let window = window.filter(|_| is_on);
    if window.is_none() {
        c.ignores(&["sliding_window"], SWITCH);
    }
    if is_on && window.is_none() {
        c.ignores(&["use_sliding_window"], "with a sliding_window");
    }
    Ok(window)
}

/// The window of each layer; where the file has no `layer_types`, of those that are `local`, as `otherwise` states them.
pub(super) fn windows(
    c: &ConfigReader<'_>,
    layers: usize,
    window: usize,
    otherwise: &[&'static str],
    local: impl Fn(usize) -> bool,
) -> Result<Vec<Option<usize>>> {
    let local = match c.value("layer_types") {
        None => (0..layers).map(local).collect(),
        Some(types) => {
            c.ignores(otherwise, "without layer_types");
            stated(c, layers, types)?
        }
    };
    if !local.contains(&true) {
        c.ignores(&["sliding_window"], "where a layer has a window");
    }
    let window = |local: bool| local.then_some(window);
    Ok(local.into_iter().map(window).collect())
}

/// Of each layer whether it has a window, as `layer_types` says.
fn stated(c: &ConfigReader<'_>, layers: usize, types: &Value) -> Result<Vec<bool>> {
    let is_local = |kind: &Value| match kind.as_str() {
        Some("full_attention") => Some(false),
        Some("sliding_attention") => Some(true),
        _ => None,
    };
    let local: Option<Vec<_>> = types
        .as_array()
        .and_then(|types| types.iter().map(is_local).collect());
    local.filter(|local| local.len() == layers).ok_or_else(|| {
        c.error(
            "layer_types",
            format!(
                "expected {layers} times \"full_attention\" or \"sliding_attention\", found {types}"
            ),
        )
    })
}
