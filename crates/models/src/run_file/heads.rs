//! ModelGenerator's names of its adapters' parameters, and ours.

use std::collections::BTreeMap;
use std::ops::Range;

use engraft_hub::{Renamed, TensorRef, Weights};

use super::{HEAD, of_family};
use crate::families::Family;

/// The head's tensors under `adapter`, by our names. With `takes_last_output`, of the last linear layer's outputs only the last.
pub(super) fn renamed<'w>(
    weights: &'w Weights,
    family: &Family,
    takes_last_output: bool,
) -> Vec<Renamed<'w>> {
    let names = weights.names().filter(|name| name.starts_with(HEAD));
    let tensors: Vec<TensorRef<'w>> = names.filter_map(|name| weights.get(name)).collect();
    let linears = Linears::of(&tensors);
    let mut renamed = Vec::new();
    for tensor in &tensors {
        let rest = within_head(tensor.name());
        // What a head on fused hidden states has beside the fusion is a head by itself.
        let (within, rest) = match rest.strip_prefix(HEAD) {
            Some(inner) => (HEAD, inner),
            None => ("", rest),
        };
        for (path, rows) in ours(tensor, rest, family, &linears) {
            let is_last = takes_last_output && linears.is_last(rest);
            let outputs = tensor.shape().first().copied().unwrap_or(0);
            let last = (is_last && outputs > 1).then(|| outputs - 1..outputs);
            renamed.push(Renamed {
                name: format!("{HEAD}{within}{path}"),
                stored: tensor.name(),
                rows: rows.or(last),
            });
        }
    }
    renamed
}

/// A name without what those of a head begin with.
fn within_head(name: &str) -> &str {
    name.strip_prefix(HEAD).unwrap_or(name)
}

/// The linear layers of a perceptron, which ModelGenerator numbers together with what lies between them.
struct Linears {
    /// The number of each among linear layers alone, by what its names begin with.
    numbers: BTreeMap<String, usize>,
}

impl Linears {
    fn of(tensors: &[TensorRef<'_>]) -> Self {
        let names = tensors.iter().map(|it| within_head(within_head(it.name())));
        let names: Vec<&str> = names.collect();
        let split = names.contains(&"first_linear");
        let modules = names.iter().filter_map(|name| {
            let module = name.strip_suffix(".weight")?;
            Some((numbered(module)?, module.to_owned()))
        });
        let mut modules: Vec<(usize, String)> = modules.collect();
        modules.sort();
        let modules = modules.into_iter().zip(usize::from(split)..);
        Self {
            numbers: modules
                .map(|((_, module), number)| (module, number))
                .collect(),
        }
    }

    /// Whether `name` is a parameter of the last layer.
    fn is_last(&self, name: &str) -> bool {
        let last = self.numbers.iter().max_by_key(|(_, number)| **number);
        last.is_some_and(|(module, _)| {
            let suffix = name.strip_prefix(module.as_str());
            suffix.is_some_and(|suffix| matches!(suffix, ".weight" | ".bias"))
        })
    }
}

/// The number of a perceptron's module: `mlp.4`, `4` or `layers.4`.
fn numbered(module: &str) -> Option<usize> {
    let number = module
        .strip_prefix("mlp.")
        .or(module.strip_prefix("layers."))
        .unwrap_or(module);
    number.parse().ok()
}

/// Our paths of a tensor, each with the rows of it that are meant; none if it is of no adapter. `rest` is its name within the adapter.
fn ours(
    tensor: &TensorRef<'_>,
    rest: &str,
    family: &Family,
    linears: &Linears,
) -> Vec<(String, Option<Range<usize>>)> {
    let whole = |path: String| vec![(path, None)];
    let (module, parameter) = rest.rsplit_once('.').unwrap_or(("", rest));
    if let Some(number) = linears.numbers.get(module) {
        return whole(format!("layers.{number}.{parameter}"));
    }
    let dimensions = tensor.shape().len();
    let parts: Vec<&str> = module.split('.').collect();
    match (parts.as_slice(), parameter) {
        ([""], "first_linear") => whole("layers.0.weight".to_owned()),
        ([""], "first_bias") => whole("layers.0.bias".to_owned()),
        (["linear"], _) => whole(format!("layers.0.{parameter}")),
        (["label_encoder"], _) => whole(rest.to_owned()),
        (["lm_decoder"], _) => whole(format!("decoder.{parameter}")),
        (["lm_decoder", ..], _) => {
            let rest = rest.strip_prefix("lm_decoder.").unwrap_or(rest);
            let path = of_family(family, rest).map(|(_, path)| format!("decoder.{path}"));
            path.into_iter().map(|path| (path, None)).collect()
        }
        (["resnet", "blocks", number, "residual_block", place], "weight") => {
            let place = match *place {
                "0" => "first",
                _ => "second",
            };
            whole(format!("stage.blocks.{number}.{place}"))
        }
        (["resnet", "res2D_blocks", number, "residual_block", place], "weight") => {
            // Each convolution is followed by a norm and an activation.
            let place: Option<usize> = place.parse().ok();
            let path = place.map(|place| format!("blocks.{number}.convolutions.{}", place / 3));
            path.into_iter().map(|path| (path, None)).collect()
        }
        (["in_to_conv"], _) => vec![
            // Whichever of the two heads with such a layer it is asks for its own.
            (format!("stage.inputs.{parameter}"), None),
            (format!("in_to_conv.{parameter}"), None),
        ],
        (["conv_to_output"], _) if parameter == "weight" && dimensions == 2 => {
            whole("layers.0.weight".to_owned())
        }
        (["conv_to_output"], _) => vec![
            (format!("conv_to_output.{parameter}"), None),
            (format!("layers.0.{parameter}"), None),
        ],
        (["transformer", "layers", number, inner @ ..], _) => {
            of_layer(tensor, number, inner, parameter)
        }
        (["fusion_module", layer, projection], _) if layer.starts_with(CROSS_ATTENTION) => {
            let number = layer.strip_prefix(CROSS_ATTENTION);
            let number: Option<usize> = number.and_then(|number| number.parse().ok());
            let number = number.and_then(|number| number.checked_sub(1));
            let path = number.map(|at| format!("fusion.layers.{at}.{projection}.{parameter}"));
            path.into_iter().map(|path| (path, None)).collect()
        }
        (["fusion_module", projection], _) => {
            let number = match projection.strip_prefix("project") {
                Some("") => Some(0),
                Some(number) => number.strip_prefix('_').and_then(|it| it.parse().ok()),
                None => None,
            };
            let path = number.map(|at: usize| format!("fusion.projections.{at}.{parameter}"));
            path.into_iter().map(|path| (path, None)).collect()
        }
        _ => Vec::new(),
    }
}

/// What the layers of a `CrossAttentionFusion` are called, before the number of the backbone that is attended to.
const CROSS_ATTENTION: &str = "cross_attention_layer_0";

/// The paths of a parameter of PyTorch's `TransformerEncoderLayer`, in a head with a stage before its linear layer and in one without.
fn of_layer(
    tensor: &TensorRef<'_>,
    number: &str,
    inner: &[&str],
    parameter: &str,
) -> Vec<(String, Option<Range<usize>>)> {
    let both = |path: String, rows: Option<Range<usize>>| {
        ["stage.layers", "layers"]
            .map(|layers| (format!("{layers}.{number}.{path}"), rows.clone()))
            .to_vec()
    };
    match (inner, parameter) {
        // Queries, keys and values are one matrix there.
        (["self_attn"], "in_proj_weight" | "in_proj_bias") => {
            let parameter = parameter.trim_start_matches("in_proj_");
            let width = tensor.shape().first().copied().unwrap_or(0) / 3;
            let projections = ["query", "key", "value"].into_iter().enumerate();
            projections
                .flat_map(|(at, projection)| {
                    let path = format!("attention.inputs.{projection}.{parameter}");
                    both(path, Some(at * width..(at + 1) * width))
                })
                .collect()
        }
        (["self_attn", "out_proj"], _) => both(format!("attention.output.{parameter}"), None),
        (["linear1"], _) => both(format!("feed_forward.up.{parameter}"), None),
        (["linear2"], _) => both(format!("feed_forward.down.{parameter}"), None),
        (["norm1"], _) => both(format!("attention_norm.{parameter}"), None),
        (["norm2"], _) => both(format!("feed_forward_norm.{parameter}"), None),
        _ => Vec::new(),
    }
}
