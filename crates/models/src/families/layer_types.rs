//! Which layers' attention has a window, as `layer_types` states it.

use serde_json::Value;

use crate::error::Result;
use crate::json::ConfigReader;

/// The window of each layer; where the file has no `layer_types`, of those that are `local`.
pub(super) fn windows(
    c: &ConfigReader<'_>,
    layers: usize,
    window: usize,
    local: impl Fn(usize) -> bool,
) -> Result<Vec<Option<usize>>> {
    let window = |local: bool| local.then_some(window);
    let Some(types) = c.value("layer_types") else {
        return Ok((0..layers).map(|layer| window(local(layer))).collect());
    };
    let kind = |kind: &Value| match kind.as_str() {
        Some("full_attention") => Some(window(false)),
        Some("sliding_attention") => Some(window(true)),
        _ => None,
    };
    let kinds: Option<Vec<_>> = types
        .as_array()
        .and_then(|types| types.iter().map(kind).collect());
    kinds.filter(|kinds| kinds.len() == layers).ok_or_else(|| {
        c.error(
            "layer_types",
            format!(
                "expected {layers} times \"full_attention\" or \"sliding_attention\", found {types}"
            ),
        )
    })
}
