//! The heads of encoders, which `task.weights.h5` has.

use serde_json::{Map, Value, json};

use super::{Head, otherwise};
use crate::keras::map::{TensorMap, nth};
use crate::keras::stated::Stated;

/// What Hugging Face calls the heads of a family.
#[derive(Debug)]
pub(in crate::keras) struct Heads {
    /// The model without a head, with one for masked tokens, and with one that classifies.
    pub(in crate::keras) architectures: [&'static str; 3],
    /// Of the head for masked tokens, the linear layer, its norm, and what is added to the logits. The matrix is that of the token embeddings.
    pub(in crate::keras) masked_lm: [&'static str; 3],
    /// What activates that layer: one function for all families of KerasHub but ALBERT.
    pub(in crate::keras) activation: &'static str,
    /// The linear layers of the head that classifies, one or two.
    pub(in crate::keras) classifier: &'static [&'static str],
    /// The key of that head's dropout.
    pub(in crate::keras) dropout: &'static str,
}

/// The widths that a head depends on.
#[derive(Clone, Copy)]
pub(in crate::keras) struct Widths {
    pub(in crate::keras) hidden: usize,
    /// Of the token embeddings.
    pub(in crate::keras) embedding: usize,
    pub(in crate::keras) vocabulary: usize,
}

/// What KerasHub's norms of heads for masked tokens add, whatever the encoder's do.
const MASKED_LM_EPSILON: f64 = 1e-5;

impl Heads {
    /// Adds a head: its tensors, and what `config.json` says of it.
    pub(in crate::keras) fn add(
        &self,
        head: &Head,
        map: &mut TensorMap,
        config: &mut Map<String, Value>,
        widths: Widths,
    ) {
        self.name(head, config);
        match head {
            Head::None => {}
            Head::MaskedLm => self.masked_lm(map, config, widths),
            Head::Classifier {
                classes,
                hidden,
                dropout,
            } => {
                config.insert(self.dropout.to_owned(), json!(dropout));
                let inner = hidden.unwrap_or(widths.hidden);
                self.classifier(map, config, [widths.hidden, inner, *classes]);
            }
        }
    }

    /// The head of a class of Hugging Face; none if KerasHub has no task of that kind.
    pub(in crate::keras) fn of(&self, architecture: &str, stated: Stated<'_>) -> Option<Head> {
        let [bare, masked_lm, classification] = self.architectures;
        let stem = bare.trim_end_matches("Model");
        if architecture == classification {
            let labels = stated.inside("id2label").map(|labels| labels.0.len());
            let stated_classes = stated
                .size("num_labels")
                .and_then(|count| count.try_into().ok());
            let own = [self.dropout, "hidden_dropout_prob", "dropout"];
            let dropout = own.into_iter().find_map(|key| stated.get(key).as_f64());
            let given = stated.otherwise("classifier_dropout");
            let dropout = given.and_then(|rate| rate.as_f64()).or(dropout);
            let hidden = stated
                .otherwise("classifier_hidden_dim")
                .and_then(|width| width.as_u64());
            let hidden = hidden.or(stated.size("hidden_size")).or(stated.size("dim"));
            let has_two = self.classifier.len() > 1;
            return Some(Head::Classifier {
                classes: labels.or(stated_classes).unwrap_or(2),
                hidden: hidden
                    .filter(|_| has_two)
                    .and_then(|width| width.try_into().ok()),
                dropout: dropout.unwrap_or(0.0),
            });
        }
        let pretrained = format!("{stem}ForPreTraining");
        if architecture == masked_lm || architecture == pretrained {
            return Some(Head::MaskedLm);
        }
        (architecture.is_empty() || architecture == bare).then_some(Head::None)
    }

    /// What the model with this head is called, and its classes.
    pub(in crate::keras) fn name(&self, head: &Head, config: &mut Map<String, Value>) {
        let [bare, masked_lm, classification] = self.architectures;
        let architecture = match head {
            Head::None => bare,
            Head::MaskedLm => masked_lm,
            Head::Classifier { classes, .. } => {
                let label = |class: usize| (class.to_string(), json!(format!("LABEL_{class}")));
                let labels: Map<String, Value> = (0..*classes).map(label).collect();
                let ids = labels.iter().map(|(id, label)| {
                    (
                        label.as_str().unwrap_or_default().to_owned(),
                        json!(id.parse::<usize>().ok()),
                    )
                });
                config.insert("label2id".to_owned(), Value::Object(ids.collect()));
                config.insert("id2label".to_owned(), Value::Object(labels));
                classification
            }
        };
        config.insert("architectures".to_owned(), json!([architecture]));
    }

    fn masked_lm(&self, map: &mut TensorMap, config: &mut Map<String, Value>, widths: Widths) {
        let Widths {
            hidden,
            embedding,
            vocabulary,
        } = widths;
        let [dense, norm, bias] = self.masked_lm;
        let mut head = map.at("task/layers/masked_lm_head", "");
        head.vector("", 0, bias.to_owned(), vocabulary);
        head.linear("_intermediate_dense", dense, &[hidden], &[embedding]);
        head.norm("_intermediate_layer_norm", norm, embedding);
        let computed = json!({
            "masked_lm_activation": self.activation,
            "masked_lm_norm_eps": MASKED_LM_EPSILON,
        });
        otherwise(config, computed);
    }

    /// The head that classifies, whose first layer of two may have a width of its own.
    fn classifier(
        &self,
        map: &mut TensorMap,
        config: &mut Map<String, Value>,
        [hidden, inner, classes]: [usize; 3],
    ) {
        if let [_, _] = self.classifier
            && inner != hidden
        {
            otherwise(config, json!({"classifier_hidden_dim": inner}));
        }
        let widths = match self.classifier {
            [_, _] => vec![hidden, inner, classes],
            _ => vec![hidden, classes],
        };
        let mut head = map.at("task/layers", "");
        for (at, (name, widths)) in self.classifier.iter().zip(widths.windows(2)).enumerate() {
            head.linear(&nth("dense", at), name, &widths[..1], &widths[1..]);
        }
    }
}
