//! PEFT's files, as its version 0.21 writes and reads them: `adapter_config.json` and `adapter_model.safetensors`, or the older
//! `adapter_model.bin`.

use std::collections::BTreeSet;
use std::sync::Arc;

use engraft_component::{Mistake, Refusal};
use engraft_hub::{Preset, Weights};
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::lora::{LoraRule, add_product};

/// The description of an adapter.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";

/// Its weights.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";

/// What the names of all its tensors begin with.
pub(crate) const BEGINS: &str = "base_model.model.";

/// What stands in the name of a layer's own weight where an update stands beside it.
pub(crate) const BASE_LAYER: &str = ".base_layer";

/// The two factors of an update, as the names of their tensors end.
pub(crate) const FACTORS: [&str; 2] = [".lora_A.weight", ".lora_B.weight"];

/// A LoRA adapter as PEFT stores it.
#[derive(Clone)]
pub struct PeftFolder {
    /// The folder, or the file that holds the adapter beside other things.
    name: String,
    /// Where its description is.
    place: String,
    /// Whether the experiment describes it, as no file does.
    is_described_elsewhere: bool,
    /// Its description.
    config: Map<String, Value>,
    rules: PeftRules,
    pub(crate) weights: Arc<Weights>,
}

/// How an adapter's updates are scaled, by the module.
#[derive(Clone, Debug)]
struct PeftRules {
    alpha: f64,
    alphas: Vec<(Regex, f64)>,
    /// The rank of every update, where they have one.
    r: Option<usize>,
    rank_stabilised: bool,
    dropout: f64,
}

impl PeftFolder {
    /// Opens the adapter in a folder.
    ///
    /// # Errors
    /// A file is missing or damaged, or describes something else than LoRA on linear layers.
    pub fn open(preset: Preset) -> Result<Self> {
        let place = preset.locate(ADAPTER_CONFIG);
        let refuse = |problem: String| Error::Config {
            place: place.clone(),
            problem,
        };
        let config = preset.json_object(ADAPTER_CONFIG)?.ok_or_else(|| {
            refuse("missing: a folder of a PEFT adapter has this file".to_owned())
        })?;
        let rules = PeftRules::read(&config).map_err(refuse)?;
        let weights = [ADAPTER_WEIGHTS, "adapter_model.bin"]
            .into_iter()
            .find(|file| preset.has(file));
        let (Some(folder), Some(file)) = (preset.dir(), weights) else {
            return Err(refuse(format!("{ADAPTER_WEIGHTS} is missing beside it")));
        };
        let weights = Arc::new(Weights::open_file(&folder.join(file))?);
        Ok(Self {
            name: preset.name().to_owned(),
            place,
            is_described_elsewhere: false,
            config,
            rules,
            weights,
        })
    }

    /// The updates in a run's file, which are as the experiment's `settings` say.
    ///
    /// # Errors
    /// The settings cannot be.
    pub(crate) fn of_run(
        name: &str,
        settings: &LoraSettings,
        transposed: bool,
        weights: Weights,
    ) -> Result<Self> {
        let config = settings.to_config(transposed);
        let place = name.to_owned();
        let rules = PeftRules::read(&config).map_err(|problem| Error::Config {
            place: place.clone(),
            problem,
        })?;
        Ok(Self {
            name: name.to_owned(),
            place,
            is_described_elsewhere: true,
            config,
            rules,
            weights: Arc::new(weights),
        })
    }

    /// Whether the experiment describes it.
    pub(crate) fn is_described_elsewhere(&self) -> bool {
        self.is_described_elsewhere
    }

    /// Whether a folder holds an adapter.
    pub fn is_in(preset: &Preset) -> bool {
        preset.has(ADAPTER_CONFIG)
    }

    /// Where it lies, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The preset that it adapts, as it was named when the adapter was saved.
    pub fn base(&self) -> Option<&str> {
        let base = self.config.get("base_model_name_or_path")?;
        base.as_str().filter(|base| !base.is_empty())
    }

    /// Finds the preset that it adapts: a folder, if need be beside `folder` in which the adapter lies, or a repository.
    ///
    /// # Errors
    /// It does not say, or there is none.
    pub fn base_preset(&self, folder: &Preset) -> Result<Preset> {
        let refuse = |problem: String| {
            let place = folder.locate(ADAPTER_CONFIG);
            let problem = format!("{place}: base_model_name_or_path: {problem}");
            let help = "Name the preset that it adapts as model.backbone and this folder as model.backbone.peft_path";
            let refusal = Refusal::of("model.backbone", problem).help(help);
            refusal.of_kind(Mistake::Missing { owner: "adapter" })
        };
        let base = self.base().ok_or_else(|| refuse("missing".into()))?;
        if base == "." {
            return Ok(folder.clone());
        }
        let beside = folder.dir().map(|folder| folder.join(base));
        let candidates = beside
            .iter()
            .filter(|path| path.is_dir())
            .map(|path| path.display().to_string())
            .chain([base.to_owned()])
            // What begins at the root or with a dot is no repository.
            .chain((!base.starts_with(['/', '.'])).then(|| format!("hf://{base}")));
        let mut problem = None;
        for name in candidates {
            match Preset::from_name(&name) {
                Ok(preset) => return Ok(preset),
                Err(error) => problem = Some(error),
            }
        }
        let problem = problem.map_or_else(String::new, |problem| problem.to_string());
        Err(refuse(problem).into())
    }

    /// Its description.
    pub(crate) fn config(&self) -> &Map<String, Value> {
        &self.config
    }

    /// How the update of `module` is scaled, given its rank.
    fn rule(&self, module: &str, r: usize) -> LoraRule {
        let rules = &self.rules;
        let own = rules
            .alphas
            .iter()
            .find(|(pattern, _)| pattern.is_match(module));
        LoraRule {
            r,
            alpha: own.map_or(rules.alpha, |(_, alpha)| *alpha),
            rank_stabilised: rules.rank_stabilised,
            dropout: rules.dropout,
        }
    }

    /// The names of all modules that have an update, without what PEFT puts before them.
    pub(crate) fn modules(&self) -> BTreeSet<&str> {
        let names = self.weights.names();
        names
            .filter_map(|name| {
                let name = name.strip_prefix(BEGINS)?;
                FACTORS.iter().find_map(|factor| name.strip_suffix(factor))
            })
            .collect()
    }

    /// The names of all other tensors, without what PEFT puts before and inside them.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = String> {
        let names = self.weights.names();
        let others = names.filter(|name| !FACTORS.iter().any(|factor| name.ends_with(factor)));
        others.map(|name| {
            name.strip_prefix(BEGINS)
                .unwrap_or(name)
                .replacen(BASE_LAYER, "", 1)
        })
    }

    /// Whether there is an update of the layer whose weight has this name.
    pub(crate) fn updates(&self, weight: &str) -> bool {
        let module = weight.strip_suffix(".weight").unwrap_or(weight);
        let factor = format!("{BEGINS}{module}{}", FACTORS[0]);
        self.weights.get(&factor).is_some()
    }

    /// The weight of `module`, `[output, input]` row by row, with the adapter's update added, if it has one.
    ///
    /// # Errors
    /// The update has another shape, or is not finite.
    pub(crate) fn add_update(
        &self,
        module: &str,
        shape: [usize; 2],
        weight: &mut [f32],
    ) -> Result<()> {
        let Some((rule, [a, b])) = self.update(module, shape)? else {
            return Ok(());
        };
        add_product(weight, shape[1], &a, &b, rule);
        Ok(())
    }

    /// The update of `module`, whose weight is `[output, input]`: its rule and its factors `A` and `B`, row by row.
    ///
    /// # Errors
    /// It has another shape, or is not finite.
    pub(crate) fn update(
        &self,
        module: &str,
        [output, input]: [usize; 2],
    ) -> Result<Option<(LoraRule, [Vec<f32>; 2])>> {
        let [a, b] = FACTORS.map(|factor| self.weights.get(&format!("{BEGINS}{module}{factor}")));
        let (a, b) = match (a, b) {
            (None, None) => return Ok(None),
            (Some(a), Some(b)) => (a, b),
            (Some(half), None) | (None, Some(half)) => {
                return Err(self.misfit(format!("{} lacks its other factor", half.name())));
            }
        };
        let rank = a.shape().first().copied().unwrap_or(0);
        if a.shape() != [rank, input] || b.shape() != [output, rank] {
            return Err(self.misfit(format!(
                "{module} is {output} x {input} here, and its update {:?} x {:?}",
                b.shape(),
                a.shape()
            )));
        }
        if let Some(r) = self.rules.r.filter(|r| *r != rank) {
            return Err(Error::Config {
                place: format!("{}: r", self.place),
                problem: format!("{r}, but the update of {module} has the rank {rank}"),
            });
        }
        let rule = self.rule(module, rank);
        rule.check_stored()
            .map_err(|error| Refusal::plain(format!("the adapter {}: {error}", self.name())))?;
        let mut factors = [a.to_f32()?, b.to_f32()?];
        for (values, stored) in factors.iter_mut().zip([a, b]) {
            let count = values.iter().filter(|value| !value.is_finite()).count();
            if count > 0 {
                return Err(Error::NotFinite {
                    file: stored.file().to_owned(),
                    tensor: stored.name().to_owned(),
                    count,
                });
            }
        }
        Ok(Some((rule, factors)))
    }

    /// The error for an adapter that does not fit.
    pub(crate) fn misfit(&self, problem: String) -> Error {
        let name = self.name();
        let problem = format!("the adapter {name} belongs to another backbone: {problem}");
        Refusal::plain(problem).into()
    }

    /// Refuses a backbone that the adapter was not trained on, where it says what that was.
    ///
    /// # Errors
    /// It was another.
    pub(crate) fn check_base(
        &self,
        base: &str,
        fingerprint: impl FnOnce() -> Option<String>,
    ) -> Result<()> {
        check_base(self.name(), &self.weights, base, fingerprint)
    }
}

/// The notes beside weights that need the backbone they were trained on: its name, and what tells its weights from others.
pub fn base_notes(base: &str, fingerprint: &str) -> [(String, String); 2] {
    [
        ("backbone".to_owned(), base.to_owned()),
        ("backbone_fingerprint".to_owned(), fingerprint.to_owned()),
    ]
}

/// The backbone that weights need, where their notes name one.
pub fn base_of(weights: &Weights) -> Option<String> {
    weights.notes().get("backbone").cloned()
}

/// Refuses a backbone that weights were not trained on, where their notes say what that was.
pub(crate) fn check_base(
    adapter: &str,
    weights: &Weights,
    base: &str,
    fingerprint: impl FnOnce() -> Option<String>,
) -> Result<()> {
    let notes = weights.notes();
    let Some(trained_on) = notes.get("backbone_fingerprint") else {
        return Ok(());
    };
    if fingerprint().as_ref() == Some(trained_on) {
        return Ok(());
    }
    let named = notes.get("backbone").map_or("another", String::as_str);
    let problem = format!(
        "what {adapter} holds was trained on the backbone {named}, and {base} has other weights"
    );
    Err(Refusal::of("model.backbone", problem)
        .help("Name the backbone it was trained on")
        .into())
}

impl PeftRules {
    /// Reads what a forward pass depends on, and refuses what it would do otherwise.
    fn read(config: &Map<String, Value>) -> std::result::Result<Self, String> {
        let value = |key: &str| config.get(key).filter(|value| !value.is_null());
        match value("peft_type").and_then(Value::as_str) {
            Some("LORA") => {}
            other => {
                return Err(format!(
                    "peft_type: only \"LORA\" is supported, found {}",
                    other.map_or_else(|| "none".to_owned(), |kind| format!("\"{kind}\""))
                ));
            }
        }
        let is_on = |key: &&&str| match value(key) {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Array(list)) => !list.is_empty(),
            Some(Value::Object(map)) => !map.is_empty(),
            Some(_) => true,
        };
        // Each of these changes what an update computes.
        let unsupported = [
            "use_dora",
            "use_qalora",
            "megatron_config",
            "trainable_token_indices",
            "target_parameters",
            "layer_replication",
            "lora_bias",
            "arrow_config",
            "alora_invocation_tokens",
            "use_bdlora",
            "eva_config",
            "corda_config",
            "loftq_config",
            "kasa_config",
            "velora_config",
            "monteclora_config",
            "lora_ga_config",
        ];
        if let Some(key) = unsupported.iter().find(is_on) {
            return Err(format!("{key}: not supported"));
        }
        // These start from other base weights than the preset's, which would have to be made first.
        if let Some(initial) = value("init_lora_weights")
            && !matches!(initial, Value::Bool(_))
            && !matches!(initial.as_str(), Some("gaussian" | "orthogonal" | "eva"))
        {
            return Err(format!("init_lora_weights: {initial} is not supported"));
        }
        if let Some(bias) = value("bias").filter(|bias| bias.as_str() != Some("none")) {
            return Err(format!("bias: only \"none\" is supported, found {bias}"));
        }
        let number = |key: &str, value: &Value| {
            let number = value.as_f64().filter(|number| number.is_finite());
            number.ok_or_else(|| format!("{key}: expected a number, found {value}"))
        };
        let alpha = match config.get("lora_alpha") {
            Some(alpha) => number("lora_alpha", alpha)?,
            None => 8.0,
        };
        let rank_stabilised = match config.get("use_rslora") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(is_on)) => *is_on,
            Some(other) => {
                return Err(format!("use_rslora: expected true or false, found {other}"));
            }
        };
        let r = match value("r") {
            None => None,
            Some(r) => match r.as_u64().and_then(|r| usize::try_from(r).ok()) {
                Some(r) if r > 0 => Some(r),
                _ => return Err(format!("r: expected a rank, found {r}")),
            },
        };
        let has_patterns = value("rank_pattern")
            .and_then(Value::as_object)
            .is_some_and(|patterns| !patterns.is_empty());
        let patterns = value("alpha_pattern").and_then(Value::as_object);
        let alphas = patterns.into_iter().flatten().map(|(pattern, alpha)| {
            let whole = Regex::new(&format!(r"^(?:.*\.)?(?:{pattern})$"))
                .map_err(|error| format!("alpha_pattern: {pattern:?}: {error}"))?;
            Ok((whole, number("alpha_pattern", alpha)?))
        });
        let dropout = value("lora_dropout").map_or(Ok(0.0), |rate| number("lora_dropout", rate))?;
        if !(0.0..1.0).contains(&dropout) {
            return Err(format!(
                "lora_dropout: expected a rate from 0 to below 1, found {dropout}"
            ));
        }
        Ok(Self {
            alpha,
            alphas: alphas.collect::<std::result::Result<_, String>>()?,
            r: r.filter(|_| !has_patterns),
            rank_stabilised,
            dropout,
        })
    }
}

/// What a fresh adapter is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraSettings {
    /// Rank, scale and dropout of every update.
    pub rule: LoraRule,
    /// The layers that have one: a name, or the end of one after a dot; `all-linear` for all.
    pub targets: Vec<String>,
}

/// The word that stands for every linear layer.
const ALL: &str = "all-linear";

impl LoraSettings {
    /// Whether the layer called `module` has an update.
    pub(crate) fn covers(&self, module: &str) -> bool {
        self.targets.iter().any(|target| {
            target == ALL
                || module == target
                || module
                    .strip_suffix(target.as_str())
                    .is_some_and(|rest| rest.ends_with('.'))
        })
    }

    /// Its description as PEFT has it; `transposed` says whether the layers' weights are stored `[in, out]`.
    pub(crate) fn to_config(&self, transposed: bool) -> Map<String, Value> {
        let targets = match self.targets.as_slice() {
            [only] if only == ALL => json!(ALL),
            targets => json!(targets),
        };
        let config = json!({
            "peft_type": "LORA",
            "r": self.rule.r,
            "lora_alpha": self.rule.alpha,
            "lora_dropout": self.rule.dropout,
            "use_rslora": self.rule.rank_stabilised,
            "target_modules": targets,
            "bias": "none",
            "fan_in_fan_out": transposed,
            "inference_mode": true,
        });
        match config {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}
