//! SmolLM3: Llama of which every fourth layer does not rotate (Yang et al., arXiv 2501.18795).

use serde_json::Value;

use super::{Family, layer_types, llama};
use crate::config::TransformerConfig;
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "smollm3",
    hugging_face: &["smollm3"],
    config,
    causal_lm_config: Some(llama::tied),
    architectures: [
        "SmolLM3Model",
        "SmolLM3ForCausalLM",
        "SmolLM3ForSequenceClassification",
        "SmolLM3ForTokenClassification",
    ],
    ..llama::FAMILY
};

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = llama::decoder(c, 2e6)?;
    config.attention_bias = c.flag_or("attention_bias", false)?;
    config.attention_output_bias = config.attention_bias;
    config.feed_forward_bias = c.flag_or("mlp_bias", false)?;
    config.key_value_heads = llama::key_value_heads(c, config.heads, 4)?;
    config.unrotated = unrotated(c, config.layers)?;
    let has_window = c.value("sliding_window").is_some();
    if let Some(window) = layer_types::switched_window(c, 4096)?.filter(|_| has_window) {
        let unrotated = &config.unrotated;
        // Where the file does not say so, the layers that do not rotate are those that have a window.
        let local = |layer: usize| unrotated[layer];
        config.windows = layer_types::windows(c, config.layers, window, &[], local)?;
    } else {
        c.ignores(&["layer_types"], layer_types::SWITCH);
    }
    Ok(config)
}

/// The layers that do not rotate: those with a 0 in `no_rope_layers`, else every so many.
fn unrotated(c: &ConfigReader<'_>, layers: usize) -> Result<Vec<bool>> {
    let every = c.size_or("no_rope_layer_interval", 4)?;
    let Some(list) = c.value("no_rope_layers") else {
        return Ok((0..layers)
            .map(|layer| (layer + 1).is_multiple_of(every))
            .collect());
    };
    c.ignores(&["no_rope_layer_interval"], "without no_rope_layers");
    let flag = |value: &Value| value.as_u64().filter(|flag| *flag <= 1);
    let flags: Option<Vec<u64>> = list
        .as_array()
        .and_then(|list| list.iter().map(flag).collect());
    flags
        .filter(|flags| flags.len() == layers)
        .map(|flags| flags.into_iter().map(|flag| flag == 0).collect())
        .ok_or_else(|| {
            c.error(
                "no_rope_layers",
                format!("expected {layers} times 0 or 1, found {list}"),
            )
        })
}
