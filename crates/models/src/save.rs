//! Naming a model's parts as the reference libraries do, to save them.

use burn::module::Module;
use burn::tensor::Tensor;
use serde_json::{Map, Value, json};

use crate::adapted::LoraOrigin;
use crate::checkpoint::Checkpoint;
use crate::config::ModelConfig;
use crate::error::Result;
use crate::expert_lora::module_of;
use crate::heads::CausalLmHead;
use crate::linears::Linears;
use crate::load::exchanged;
use crate::names::{EXPERT, HeadKind, Names, of_expert, parameters};
use crate::peft::{BEGINS, FACTORS};
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

impl NamedTensor {
    /// A matrix with its dimensions exchanged.
    fn exchanged(mut self) -> Self {
        if let [rows, columns] = self.shape[..] {
            self.values = exchanged(&self.values, [rows, columns]);
            self.shape.reverse();
        }
        self
    }

    /// The tensors of the single experts, if its name has a gap for their number; else itself.
    fn by_expert(self) -> Vec<Self> {
        let (true, &[experts, rows, ref columns @ ..]) =
            (self.name.contains(EXPERT), self.shape.as_slice())
        else {
            return vec![self];
        };
        let names: Vec<String> = (0..experts)
            .flat_map(|expert| of_expert(&self.name, expert))
            .collect();
        let rows = rows * experts / names.len().max(1);
        let shape = [&[rows][..], columns].concat();
        let parts = self.values.chunks(shape.iter().product::<usize>().max(1));
        let part = |(name, values): (String, &[f32])| Self {
            name,
            shape: shape.clone(),
            values: values.to_vec(),
        };
        names.into_iter().zip(parts).map(part).collect()
    }
}

/// What a classification head of the family's own kind is for, as `problem_type` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// One class.
    SingleLabel,
    /// Any number of classes.
    MultiLabel,
    /// Numbers.
    Regression,
}

impl Checkpoint {
    /// A module's parameters under the reference library's names; with the family's prefix where a head of the family stands beside the
    /// encoder. LoRA updates are left out.
    pub fn named(
        &self,
        module: &impl Module,
        part: HeadKind,
        beside: HeadKind,
    ) -> Vec<NamedTensor> {
        let values = parameters(module).into_iter();
        let values = values.map(|(_, _, tensor)| Some(tensor.into_data().iter::<f32>().collect()));
        self.named_values(module, part, beside, values.collect())
    }

    /// As [`Self::named`], with other values in the place of the parameters', such as their gradients: one list a parameter, in the order of
    /// the fields, none for one to be left out.
    pub fn named_values(
        &self,
        module: &impl Module,
        part: HeadKind,
        beside: HeadKind,
        values: Vec<Option<Vec<f32>>>,
    ) -> Vec<NamedTensor> {
        let names = match part {
            HeadKind::None => Names::encoder(&self.config),
            HeadKind::Decoder => Names::decoder(&self.config),
            part => Names::head(self.config.family, part),
        };
        let prefixed = !self.config.family.prefix_beside(beside).is_empty();
        let named = parameters(module).into_iter().zip(values);
        let named = named.filter_map(|((path, shape, _), values)| {
            let tensor = NamedTensor {
                name: names.of(&path, prefixed).into_iter().next()?,
                shape,
                values: values?,
            };
            Some(if names.is_transposed(&path, &tensor.shape) {
                vec![tensor.exchanged()]
            } else {
                tensor.by_expert()
            })
        });
        named.flatten().collect()
    }

    /// What the encoder's checkpoints state beside its parameters: the frequencies of its rotations, in some families.
    ///
    /// # Errors
    /// The preset's file cannot be read.
    pub fn named_constants(&self, beside: HeadKind) -> Result<Vec<NamedTensor>> {
        let family = self.config.family;
        let prefix = family.prefix_beside(beside);
        let name = family.frequencies.first();
        let stored = name.zip(self.frequencies()?);
        Ok(stored
            .map(|(name, values)| NamedTensor {
                name: format!("{prefix}{name}"),
                shape: vec![values.len()],
                values,
            })
            .into_iter()
            .collect())
    }

    /// What a head adds to its logits, under the reference library's name; none if the family's heads add nothing.
    pub fn named_logits_bias(&self, head: &CausalLmHead) -> Option<NamedTensor> {
        let name = self.config.family.logits_bias?;
        let vocabulary = self.config.decoder.as_ref()?.transformer.vocabulary;
        let bias = head.bias().map(<[f32]>::to_vec);
        Some(NamedTensor {
            name: name.to_owned(),
            shape: vec![1, vocabulary],
            values: bias.unwrap_or_else(|| vec![0.0; vocabulary]),
        })
    }

    /// The LoRA updates of an encoder under PEFT's names; of the decoder beside it, where it attends to one.
    pub fn named_lora(&self, encoder: &Transformer, beside: HeadKind) -> Vec<NamedTensor> {
        let names = match encoder.config().cross_attention {
            Some(_) => Names::decoder(&self.config),
            None => Names::encoder(&self.config),
        };
        let prefix = self.config.family.prefix_beside(beside);
        let adapted = encoder
            .linears()
            .into_iter()
            .filter_map(|(path, linear)| Some((names.module(&path)?, linear.lora.as_ref()?)));
        let layers = adapted.flat_map(|(module, lora)| {
            let factors = [lora.a.val(), lora.b.val()].into_iter().zip(FACTORS);
            factors.map(move |(tensor, factor): (Tensor<2>, _)| NamedTensor {
                name: format!("{BEGINS}{prefix}{module}{factor}"),
                shape: tensor.dims().to_vec(),
                values: tensor.into_data().iter::<f32>().collect(),
            })
        });
        let adapted = encoder.expert_linears().into_iter();
        let adapted = adapted
            .filter_map(|(path, linear)| Some((names.module(&path)?, linear.lora.as_ref()?)));
        let experts = adapted.flat_map(|(pattern, lora)| {
            lora.factors().into_iter().flat_map(move |(expert, both)| {
                let module = module_of(&pattern, expert);
                let factors = both.into_iter().zip(lora.shapes()).zip(FACTORS);
                factors.map(move |((values, shape), factor)| NamedTensor {
                    name: format!("{BEGINS}{prefix}{module}{factor}"),
                    shape,
                    values,
                })
            })
        });
        layers.chain(experts).collect()
    }

    /// A tensor of a head as PEFT names it beside its updates.
    pub fn beside_lora(tensor: NamedTensor) -> NamedTensor {
        NamedTensor {
            name: format!("{BEGINS}{}", tensor.name),
            ..tensor
        }
    }

    /// The module that PEFT is to take a head's tensor for: the whole head where it stands beside the encoder, as PEFT wants every tensor of
    /// a module it saves.
    fn saved_module<'a>(&self, name: &'a str) -> Option<&'a str> {
        if name.starts_with(self.config.family.prefix) {
            Some(name.rsplit_once('.')?.0)
        } else {
            Some(name.split_once('.')?.0)
        }
    }

    /// A masked-LM head with every tensor that the reference library's has, those included that are the token embeddings or have two names.
    pub fn whole_masked_lm(
        &self,
        head: Vec<NamedTensor>,
        encoder: &Transformer,
    ) -> Vec<NamedTensor> {
        let root = |name: &str| name.split('.').next().map(str::to_owned);
        let roots: Vec<_> = head.iter().map(|tensor| root(&tensor.name)).collect();
        let mut whole = head;
        for (ours, theirs) in self.config.family.masked_lm {
            let theirs = theirs.trim_start_matches('!');
            if whole.iter().any(|tensor| tensor.name == theirs) || !roots.contains(&root(theirs)) {
                continue;
            }
            let twin = match *ours {
                "decoder" if self.config.is_tied(HeadKind::MaskedLm) => {
                    let table = encoder.embeddings.table();
                    Some(NamedTensor {
                        name: theirs.to_owned(),
                        shape: table.dims().to_vec(),
                        values: table.into_data().iter::<f32>().collect(),
                    })
                }
                "bias" => whole
                    .iter()
                    .find(|tensor| {
                        let names = self.config.family.masked_lm.iter();
                        names
                            .filter(|(ours, _)| *ours == "bias")
                            .any(|(_, other)| tensor.name == other.trim_start_matches('!'))
                    })
                    .map(|tensor| NamedTensor {
                        name: theirs.to_owned(),
                        ..tensor.clone()
                    }),
                _ => None,
            };
            whole.extend(twin);
        }
        whole
    }

    /// PEFT's description of the adapter, if there is one, on the preset called `base`; `heads` are the names of the head's tensors that
    /// lie beside the updates.
    pub fn adapter_config(
        &self,
        head: HeadKind,
        base: &str,
        heads: &[NamedTensor],
    ) -> Option<Map<String, Value>> {
        let mut config = match self.lora.as_ref()? {
            LoraOrigin::Fresh(settings) => settings.to_config(self.config.family.transposed),
            LoraOrigin::Saved(folder) | LoraOrigin::Merged(folder) => folder.config().clone(),
        };
        let mut modules: Vec<&str> = heads
            .iter()
            .filter_map(|tensor| self.saved_module(&tensor.name))
            .collect();
        modules.dedup();
        let task = match head {
            HeadKind::Classification => "SEQ_CLS",
            HeadKind::TokenClassification => "TOKEN_CLS",
            HeadKind::CausalLm => "CAUSAL_LM",
            HeadKind::Seq2SeqLm => "SEQ_2_SEQ_LM",
            _ => "FEATURE_EXTRACTION",
        };
        config.insert("base_model_name_or_path".into(), json!(base));
        config.insert("task_type".into(), json!(task));
        config.insert(
            "modules_to_save".into(),
            (!modules.is_empty()).then_some(modules).into(),
        );
        Some(config)
    }

    /// The reference library's class of a model with `head`; one of ours is beside the encoder alone.
    pub fn architecture(&self, head: HeadKind) -> &'static str {
        let [base, language_model, sequences, tokens] = self.config.family.architectures;
        match head {
            HeadKind::MaskedLm | HeadKind::CausalLm | HeadKind::Seq2SeqLm => language_model,
            HeadKind::Classification => sequences,
            HeadKind::TokenClassification => tokens,
            HeadKind::None | HeadKind::Decoder | HeadKind::Pooler | HeadKind::Adapter => base,
        }
    }

    /// The `config.json` of a model saved with `head`; `labels` name its classes or outputs.
    pub fn config_json(
        &self,
        head: HeadKind,
        problem: Problem,
        labels: Option<&[String]>,
    ) -> Map<String, Value> {
        let ModelConfig { family, json, .. } = &self.config;
        let mut json = json.clone();
        let architecture = self.architecture(head);
        json.insert("architectures".into(), json!([architecture]));
        if let Some(stated) = json.get_mut("is_encoder_decoder") {
            // The reference library's encoders refuse a file of both stacks.
            if architecture.ends_with("EncoderModel") {
                *stated = json!(false);
            } else if head == HeadKind::Seq2SeqLm {
                *stated = json!(true);
            }
        }
        json.insert("dtype".into(), json!("float32"));
        json.remove("torch_dtype");
        // What is written is the family's, and the code is not beside it.
        json.remove("auto_map");
        for (flag, value) in family.naming_flags {
            if let Some(stated) = json.get_mut(*flag) {
                *stated = json!(value);
            }
        }
        if let Some(labels) = labels {
            let numbered = || labels.iter().enumerate();
            let names: Map<String, Value> = numbered()
                .map(|(id, name)| (id.to_string(), json!(name)))
                .collect();
            let ids: Map<String, Value> = numbered()
                .map(|(id, name)| (name.clone(), json!(id)))
                .collect();
            json.insert("id2label".into(), Value::Object(names));
            json.insert("label2id".into(), Value::Object(ids));
            json.remove("num_labels");
        }
        if labels.is_some() && matches!(head, HeadKind::Classification | HeadKind::Adapter) {
            let problem = match problem {
                Problem::SingleLabel => "single_label_classification",
                Problem::MultiLabel => "multi_label_classification",
                Problem::Regression => "regression",
            };
            json.insert("problem_type".into(), json!(problem));
        }
        json
    }
}
