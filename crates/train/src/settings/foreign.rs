//! Keys of the trainer that are accepted and mean nothing here.
//!
//! Real experiment files are full of them: how many devices, and how they work together. Each is
//! taken, and one line says what happens instead, unless its value asks for just that.

use engraft_component::{
    Argument, Component, Context, Fields, FromNode, Ignored, Kind, Mapping, Node, Refusal,
    decode_component, encode_component,
};

/// The keys; there is nothing to remember of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Foreign;

/// A key, the values that ask for what happens anyway, and what happens.
struct Key {
    name: &'static str,
    agrees: &'static [&'static str],
    instead: &'static str,
}

const fn key(name: &'static str, agrees: &'static [&'static str], instead: &'static str) -> Key {
    Key {
        name,
        agrees,
        instead,
    }
}

/// Either answer to a question that does not arise.
const EITHER: &[&str] = &["true", "false", "yes", "no", "on", "off", "warn"];

const KEYS: &[Key] = &[
    key("devices", &["auto", "1"], "one device computes everything"),
    key("num_nodes", &["1"], "the run stays on this machine"),
    key("strategy", &["auto"], "one process trains the whole model"),
    key("plugins", &[], "there is nothing to plug in"),
    key("profiler", &["false"], "nothing is profiled"),
    key(
        "sync_batchnorm",
        &["false"],
        "there is one process, so nothing to synchronise",
    ),
    key(
        "use_distributed_sampler",
        EITHER,
        "there is one process, which reads all rows",
    ),
    key(
        "reload_dataloaders_every_n_epochs",
        &["0"],
        "the data is read once",
    ),
    key(
        "num_sanity_val_steps",
        &["0", "2"],
        "columns and shapes are checked before training instead",
    ),
    key(
        "deterministic",
        EITHER,
        "the same seed always gives the same run",
    ),
    key("benchmark", EITHER, "there are no kernels to choose from"),
    key("inference_mode", EITHER, "evaluation never keeps gradients"),
    key(
        "barebones",
        &["false"],
        "what it turns off has keys of its own",
    ),
    key(
        "overfit_batches",
        &["0", "0.0"],
        "limit_train_batches trains on part of the rows",
    ),
    key(
        "enable_model_summary",
        EITHER,
        "the load report says what the model is",
    ),
    key(
        "enable_autolog_hparams",
        EITHER,
        "the resolved configuration is saved with each run",
    ),
    key(
        "model_registry",
        &[],
        "checkpoints stay in the folder of the run",
    ),
];

impl FromNode for Foreign {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        decode_component(node, cx)
    }

    fn to_node(&self) -> Node {
        encode_component(self)
    }

    fn kind() -> Kind {
        Kind::Component(Self::info())
    }
}

impl Component for Foreign {
    const NAME: &'static str = "Foreign";
    const ALIASES: &'static [&'static str] = &[];
    const SUMMARY: &'static str = "Keys that are accepted and mean nothing here.";
    const DOC: &'static str = Self::SUMMARY;
    const NAME_SLOT: Option<&'static str> = None;

    fn arguments() -> Vec<Argument> {
        Vec::new()
    }

    fn ignored() -> Vec<Ignored> {
        let ignored = |key: &Key| Ignored {
            key: key.name,
            instead: key.instead,
        };
        KEYS.iter().map(ignored).collect()
    }

    // They count as known keys and not as ignored ones, because those speak up whatever the value.
    fn keys(keys: &mut Vec<&'static str>) {
        keys.extend(KEYS.iter().map(|key| key.name));
    }

    fn decode(fields: &mut Fields<'_>, cx: &mut Context) -> Result<Self, Refusal> {
        for key in KEYS {
            let Some(value) = fields.take::<Option<Node>>(key.name, &[], None, cx)? else {
                continue;
            };
            let text = value.as_text().unwrap_or_default();
            if !key
                .agrees
                .iter()
                .any(|word| word.eq_ignore_ascii_case(text))
            {
                let note = format!("ignored, {}", key.instead);
                cx.within(key.name, |cx| cx.note_at(&value.span, &note));
            }
        }
        Ok(Self)
    }

    fn encode(&self, _: &mut Mapping) {}
}
