//! Opening a preset as a model, part by part, and naming its parts again when it is saved.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use engraft_hub::{LoadReport, Mismatch, Preset, Weights};
use serde_json::{Map, Value, json};

use crate::adapters::{Adapter, AdapterHead};
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::families::Family;
use crate::heads::{ClassifierHead, MaskedLmHead, Pooler};
use crate::initial::Initial;
use crate::names::{HeadKind, Names, parameters};
use crate::transformer::Transformer;

/// A tensor under the name that the reference library gives it.
#[derive(Clone, Debug)]
pub struct NamedTensor {
    /// Its name in the file.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, row by row.
    pub values: Vec<f32>,
}

/// A preset whose configuration is understood and whose weights are open.
#[derive(Clone)]
pub struct Checkpoint {
    preset: Preset,
    config: ModelConfig,
    weights: Option<Arc<Weights>>,
    /// Whether the encoder's names carry the family's prefix in this file.
    prefixed: bool,
    /// What became of each tensor so far, and which names were read.
    progress: RefCell<(LoadReport, BTreeSet<String>)>,
}

impl Checkpoint {
    /// Opens `preset`; `overwrites` replace keys of its `config.json`. With `from_scratch` no weights are read, nor needed.
    ///
    /// # Errors
    /// A configuration that is missing, wrong or of an unknown family, an overwrite that the family does not know, weights that cannot be read.
    pub fn open(
        preset: Preset,
        overwrites: &Map<String, Value>,
        from_scratch: bool,
    ) -> Result<Self> {
        let place = preset.locate("config.json");
        let mut json = preset.config()?;
        for (key, value) in overwrites {
            json.insert(key.clone(), value.clone());
        }
        let (config, known) = Family::read(&place, json)?;
        if let Some(key) = overwrites.keys().find(|key| !known.contains(&key.as_str())) {
            let hint = engraft_component::did_you_mean(key, &known, "keys").unwrap_or_default();
            return Err(Error::Argument(format!(
                "config_overwrites.{key}: the family {} has no such key. {hint}",
                config.family.name
            )));
        }
        let weights = if from_scratch {
            None
        } else {
            Some(Arc::new(Weights::open(&preset)?))
        };
        let prefix = config.family.prefix;
        let prefixed = weights
            .as_ref()
            .is_some_and(|weights| weights.names().any(|name| name.starts_with(prefix)));
        Ok(Self {
            preset,
            config,
            weights,
            prefixed,
            progress: RefCell::default(),
        })
    }

    /// The understood configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The preset it was opened from.
    pub fn preset(&self) -> &Preset {
        &self.preset
    }

    /// A hash of the weights, none if they start from scratch.
    pub fn fingerprint(&self) -> Option<String> {
        self.weights.as_ref().map(|weights| weights.fingerprint())
    }

    /// The encoder.
    ///
    /// # Errors
    /// A tensor is missing, has another shape, or is not finite.
    pub fn encoder(&self, initial: &Initial) -> Result<Transformer> {
        let fresh = Transformer::new(&self.config.transformer, initial);
        self.load(fresh, Names::encoder(self.config.family), initial, true)
    }

    /// The pooler.
    ///
    /// # Errors
    /// The family has none, or the checkpoint lacks it.
    pub fn pooler(&self, initial: &Initial) -> Result<Pooler> {
        let fresh = Pooler::new(&self.config.transformer, initial);
        self.load(
            fresh,
            Names::head(self.config.family, HeadKind::Pooler),
            initial,
            true,
        )
    }

    /// The masked-LM head.
    ///
    /// # Errors
    /// The checkpoint has none.
    pub fn masked_lm(&self, initial: &Initial) -> Result<MaskedLmHead> {
        let names = Names::head(self.config.family, HeadKind::MaskedLm);
        if self.weights.is_some() && self.stored(names, "dense.weight").is_none() {
            return Err(Error::Argument(format!(
                "{} has no masked-LM head: this task needs a checkpoint that was saved with one",
                self.preset.name()
            )));
        }
        let fresh = MaskedLmHead::new(
            &self.config.transformer,
            self.config.masked_lm_activation,
            self.config.tied,
            initial,
        );
        self.load(fresh, names, initial, true)
    }

    /// The number of classes that the checkpoint's own classification head has, if it has one.
    pub fn stored_classes(&self) -> Option<usize> {
        let names = Names::head(self.config.family, HeadKind::Classification);
        self.stored(names, "projection.weight")
            .and_then(|shape| shape.first().copied())
    }

    /// The family's classification head for `classes` classes: the checkpoint's where it is stored and fits, fresh where it is not and
    /// not `required`.
    ///
    /// # Errors
    /// A stored part of it has another shape.
    pub fn classifier(
        &self,
        classes: usize,
        required: bool,
        initial: &Initial,
    ) -> Result<ClassifierHead> {
        let fresh = ClassifierHead::new(
            &self.config.transformer,
            &self.config.classifier,
            classes,
            initial,
        );
        let names = Names::head(self.config.family, HeadKind::Classification);
        let mut head = self.load(fresh.clone(), names, initial, required)?;
        if self
            .stored_classes()
            .is_some_and(|stored| stored != classes)
        {
            head.projection = fresh.projection;
        }
        Ok(head)
    }

    /// An adapter: as this preset stores it if it is `required`, else fresh.
    ///
    /// # Errors
    /// A stored part of it has another shape.
    pub fn adapter(
        &self,
        adapter: &Adapter,
        outputs: usize,
        required: bool,
        initial: &Initial,
    ) -> Result<AdapterHead> {
        let fresh = adapter.build(self.config.transformer.hidden, outputs, initial);
        if !required {
            // Another model's adapter is no start for this one's.
            return Ok(fresh);
        }
        self.load(
            fresh,
            Names::head(self.config.family, HeadKind::Adapter),
            initial,
            required,
        )
    }

    /// What became of each tensor, for the parts loaded so far.
    pub fn report(&self) -> LoadReport {
        let (mut report, used) = self.progress.borrow().clone();
        let Some(weights) = &self.weights else {
            return report;
        };
        let prefix = self.config.family.prefix;
        for name in weights.names().filter(|name| !used.contains(*name)) {
            let bare = name.strip_prefix(prefix).unwrap_or(name);
            if self.config.family.derived.contains(&bare)
                || (self.config.tied && self.is_decoder(name))
            {
                report.derived.push(name.to_owned());
            } else {
                report.unexpected.push(name.to_owned());
            }
        }
        report
    }

    /// Whether `name` is the projection that a tied head does not have.
    fn is_decoder(&self, name: &str) -> bool {
        self.config
            .family
            .masked_lm
            .iter()
            .any(|(ours, theirs)| *ours == "decoder" && *theirs == name)
    }

    fn stored(&self, names: Names, path: &str) -> Option<Vec<usize>> {
        let weights = self.weights.as_ref()?;
        names
            .of(path, self.prefixed)
            .iter()
            .find_map(|name| weights.get(name))
            .map(|tensor| tensor.shape().to_vec())
    }

    /// Puts the checkpoint's tensors in the place of fresh ones.
    fn load<M: Module>(
        &self,
        module: M,
        names: Names,
        initial: &Initial,
        required: bool,
    ) -> Result<M> {
        let Some(weights) = &self.weights else {
            return Ok(module);
        };
        let mut loader = Loader {
            weights,
            names,
            prefixed: self.prefixed,
            device: initial.device.clone(),
            path: Vec::new(),
            report: LoadReport::default(),
            used: BTreeSet::new(),
            error: None,
        };
        let module = module.map(&mut loader);
        let Loader {
            mut report,
            used,
            error,
            ..
        } = loader;
        if let Some(error) = error {
            return Err(error);
        }
        if report.loaded == 0 && !required {
            // A head that starts anew is no gap in the checkpoint.
            return Ok(module);
        }
        if required {
            report.missing_required = std::mem::take(&mut report.missing_optional);
        }
        // A classification head for another number of classes starts anew; everything else has to fit.
        report
            .mismatched
            .retain(|mismatch| required || mismatch.expected.get(1..) != mismatch.found.get(1..));
        if !report.is_complete() {
            return Err(Error::Weights {
                preset: self.preset.name().to_owned(),
                report: report.to_string(),
            });
        }
        let mut progress = self.progress.borrow_mut();
        progress.0.merge(report);
        progress.1.extend(used);
        Ok(module)
    }

    /// A module's parameters under the reference library's names; with the family's prefix where a head of the family stands beside the encoder.
    pub fn named(
        &self,
        module: &impl Module,
        part: HeadKind,
        beside: HeadKind,
    ) -> Vec<NamedTensor> {
        let family = self.config.family;
        let names = if part == HeadKind::None {
            Names::encoder(family)
        } else {
            Names::head(family, part)
        };
        let prefixed = matches!(beside, HeadKind::MaskedLm | HeadKind::Classification);
        parameters(module)
            .into_iter()
            .filter_map(|(path, shape, tensor)| {
                let name = names.of(&path, prefixed).into_iter().next()?;
                let values = tensor.into_data().iter::<f32>().collect();
                Some(NamedTensor {
                    name,
                    shape,
                    values,
                })
            })
            .collect()
    }

    /// The `config.json` of a model saved with `head`; `labels` name its classes.
    pub fn config_json(&self, head: HeadKind, labels: Option<&[String]>) -> Map<String, Value> {
        let mut json = self.config.json.clone();
        let [base, masked, classification] = self.config.family.architectures;
        let architecture = match head {
            HeadKind::MaskedLm => masked,
            HeadKind::Classification => classification,
            HeadKind::None | HeadKind::Pooler | HeadKind::Adapter => base,
        };
        json.insert("architectures".into(), json!([architecture]));
        json.insert("dtype".into(), json!("float32"));
        json.remove("torch_dtype");
        if let Some(labels) = labels {
            let names: Map<String, Value> = labels
                .iter()
                .enumerate()
                .map(|(id, name)| (id.to_string(), json!(name)))
                .collect();
            let ids: Map<String, Value> = labels
                .iter()
                .enumerate()
                .map(|(id, name)| (name.clone(), json!(id)))
                .collect();
            json.insert("id2label".into(), Value::Object(names));
            json.insert("label2id".into(), Value::Object(ids));
            json.insert("problem_type".into(), json!("single_label_classification"));
            json.remove("num_labels");
        }
        json
    }
}

/// Walks a module and replaces each parameter by the checkpoint's.
struct Loader<'a> {
    weights: &'a Weights,
    names: Names,
    prefixed: bool,
    device: Device,
    path: Vec<String>,
    report: LoadReport,
    used: BTreeSet<String>,
    error: Option<Error>,
}

impl Loader<'_> {
    /// The values for a parameter of `shape`, if the checkpoint has them.
    fn read(&mut self, shape: &[usize]) -> Result<Option<Vec<f32>>> {
        let candidates = self.names.of(&self.path.join("."), self.prefixed);
        let Some(tensor) = candidates.iter().find_map(|name| self.weights.get(name)) else {
            self.report.missing_optional.push(
                candidates
                    .into_iter()
                    .next()
                    .unwrap_or_else(|| self.path.join(".")),
            );
            return Ok(None);
        };
        // Second names of the same tensor count as read.
        self.used.extend(candidates.iter().cloned());
        if tensor.shape() != shape {
            let name = tensor.name().to_owned();
            self.report.mismatched.push(Mismatch {
                name,
                expected: shape.to_vec(),
                found: tensor.shape().to_vec(),
            });
            return Ok(None);
        }
        let values = tensor.to_f32()?;
        if !values.iter().all(|value| value.is_finite()) {
            let (file, tensor, count) = (
                tensor.file().to_owned(),
                tensor.name().to_owned(),
                tensor.non_finite(),
            );
            return Err(Error::NotFinite {
                file,
                tensor,
                count,
            });
        }
        self.report.loaded += 1;
        Ok(Some(values))
    }
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.error.is_some() {
            return param;
        }
        let shape = param.lazy_shape();
        match self.read(&shape) {
            Ok(Some(values)) => {
                let tensor = Tensor::from_data(TensorData::new(values, shape), &self.device);
                Param::initialized(param.id, tensor).set_require_grad(true)
            }
            Ok(None) => param,
            Err(error) => {
                self.error = Some(error);
                param
            }
        }
    }
}
