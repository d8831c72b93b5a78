//! What tasks that classify share: which classes there are, what each weighs, and whether labels are of their kind.

use std::collections::BTreeSet;

use burn::tensor::Tensor;
use engraft_component::Refusal;
use engraft_data::{ClassWeight, Label, Labels};
use engraft_kernels::{ClassTargets, cross_entropy};
use engraft_models::{Checkpoint, HeadKind};

use crate::building::TrainingRows;
use crate::compiled::SiteTargets;
use crate::error::{Error, Result};
use crate::labels::{LabelSpace, MOST_CLASSES, shown};
use crate::learned::Learned;
use crate::loss::rows_of;
use crate::metrics::{Classification, MetricError};
use crate::objective::Loss;
use crate::observer::Observer;

/// The classes of the checkpoint's own head, if it is used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OwnClasses<'a> {
    pub(crate) count: Option<usize>,
    pub(crate) names: Option<&'a [String]>,
    /// How many classes the configuration states, if the head has another number.
    pub(crate) misstated: Option<usize>,
}

impl<'a> OwnClasses<'a> {
    /// Those of the head of a kind, if it is `used`.
    ///
    /// # Errors
    /// Two of them have one name.
    pub(crate) fn of(checkpoint: &'a Checkpoint, used: bool, kind: HeadKind) -> Result<Self> {
        let count = if used {
            checkpoint.stored_classes(kind)
        } else {
            None
        };
        // Names that count other classes than the head has belong to something else.
        let names = checkpoint.config().labels.as_deref();
        let names = names.filter(|names| count == Some(names.len()));
        let mut seen = BTreeSet::new();
        if let Some(name) = names
            .iter()
            .copied()
            .flatten()
            .find(|name| !seen.insert(*name))
        {
            let place = checkpoint.preset().locate("config.json");
            return Err(Refusal::plain(format!(
                "{place}: id2label: two classes of the checkpoint's own head are called {name:?}"
            ))
            .help("Say other names by model.backbone.config_overwrites.id2label, or set use_legacy_adapter to false for a new head")
            .into());
        }
        let stated = checkpoint.config().classes;
        Ok(Self {
            count,
            names,
            misstated: stated.filter(|stated| count.is_some_and(|count| count != *stated)),
        })
    }

    /// That the configuration is about other classes than the head has.
    fn note(self) -> Option<String> {
        let (count, stated) = (self.count?, self.misstated?);
        Some(format!(
            "config.json states {stated} classes, but the checkpoint's own head has {count}: what it calls them is left out"
        ))
    }

    /// Refuses columns that are not those of the checkpoint's own head, whose outputs would change their meaning.
    pub(crate) fn check_columns(self, found: Option<&[String]>) -> Result<()> {
        match (self.names, found) {
            (Some(own), Some(found)) if own != found => Err(Error::refused(
                "data.y_col",
                format!(
                    "the checkpoint's own head predicts {}, in this order, not {}; name these columns, or set use_legacy_adapter to false for a new head",
                    own.join(", "),
                    found.join(", ")
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// The classes of a classification that is about to start, and what is worth saying about them.
pub(crate) fn classes(
    own: OwnClasses<'_>,
    declared: Option<usize>,
    labels: Option<&[Label]>,
) -> Result<(LabelSpace, Vec<String>)> {
    if let (Some(stored), Some(given)) = (
        own.count,
        declared.filter(|given| Some(*given) != own.count),
    ) {
        return Err(Error::refused(
            "model.n_classes",
            format!(
                "{given} given, but the checkpoint's own head has {stored} classes; remove n_classes, or set use_legacy_adapter to false for a new head"
            ),
        ));
    }
    let (space, mut notes) = match (labels, declared.or(own.count)) {
        (Some(labels), _) => LabelSpace::from_training(labels, declared, own)?,
        (None, Some(count)) => {
            let names = own.names.map(<[String]>::to_vec);
            (LabelSpace::new(count, names), Vec::new())
        }
        (None, None) => return Err(unknown_count()),
    };
    notes.extend(own.note());
    Ok((space, notes))
}

/// The classes of rows that may have several, each a column of the data.
pub(crate) fn columns(
    own: OwnClasses<'_>,
    declared: Option<usize>,
    names: Option<&[String]>,
) -> Result<LabelSpace> {
    let count = names.map(<[String]>::len).or(declared).or(own.count);
    let count = count.ok_or_else(unknown_count)?;
    own.check_columns(names)?;
    for stated in [declared, own.count].into_iter().flatten() {
        if stated != count {
            return Err(Error::refused(
                "model.n_classes",
                format!("{stated} classes, but there are {count} label columns of the data"),
            ));
        }
    }
    let names = names.or(own.names).map(<[String]>::to_vec);
    Ok(LabelSpace::new(count, names))
}

fn unknown_count() -> Error {
    Error::refused(
        "model.n_classes",
        "without training labels the number of classes must be given, or use_legacy_adapter with a checkpoint that has a head",
    )
}

/// Refuses a number of classes that no head can have.
pub(crate) fn check_count(count: Option<usize>) -> Result<()> {
    match count {
        Some(count) if count > MOST_CLASSES => Err(Error::refused(
            "model.n_classes",
            format!("{count} is more than the {MOST_CLASSES} classes that a head may have"),
        )),
        Some(0 | 1) => Err(Error::refused(
            "model.n_classes",
            "a classifier needs at least 2 classes",
        )),
        _ => Ok(()),
    }
}

/// Refuses labels that are not of the kind that a task takes, which `needs` says in words.
pub(crate) fn unfit(labels: &Labels, needs: &str) -> Error {
    Error::plain(format!(
        "the data has {}, but this task needs {needs}: choose another data module or model",
        labels.kind()
    ))
}

/// Classes of which each row, letter or word has one, with what training rows decide beside which there are.
#[derive(Clone, Debug)]
pub(crate) struct WeighedClasses {
    pub(crate) space: LabelSpace,
    /// What each weighs in the loss; empty where they weigh the same.
    pub(crate) weights: Vec<f32>,
    /// Whether they weigh what is counted of them, where the data does not say.
    is_weighted: bool,
    /// What is worth saying about them.
    pub(crate) notes: Vec<String>,
}

impl WeighedClasses {
    /// Classes that weigh the same until training rows are counted.
    pub(crate) fn new(space: LabelSpace, is_weighted: bool, notes: Vec<String>) -> Self {
        Self {
            space,
            weights: Vec::new(),
            is_weighted,
            notes,
        }
    }

    /// Those of a saved model.
    ///
    /// # Errors
    /// Their number is missing, or there are weights for other classes.
    pub(crate) fn saved(learned: &Learned, is_weighted: bool) -> Result<Self> {
        let space = learned.space().map_err(Error::Saved)?;
        let weights = learned.weights(space.count()).map_err(Error::Saved)?;
        Ok(Self {
            weights,
            ..Self::new(space, is_weighted, Vec::new())
        })
    }

    /// The same, not counted yet, with what the labels of training rows decide.
    ///
    /// # Errors
    /// There are more or fewer names than classes.
    pub(crate) fn informed_by(&self, labels: &[Label]) -> Result<Self> {
        let (space, notes) = self.space.informed_by(labels)?;
        Ok(Self::new(space, self.is_weighted, notes))
    }

    /// With what each weighs on training rows of the classes `found`, and a note on those that none is of; `what` is a row, letter or word.
    ///
    /// # Errors
    /// The data gives another number of weights than there are classes.
    pub(crate) fn counted_on(
        mut self,
        train: TrainingRows<'_>,
        found: &[u32],
        what: &str,
    ) -> Result<Self> {
        self.weights = self.weights_on(train, found)?;
        self.notes.extend(self.space.missing(found, what));
        Ok(self)
    }

    /// Refuses to go on training with other weights than the model was built with.
    ///
    /// # Errors
    /// They are others.
    pub(crate) fn check_weights(&self, train: TrainingRows<'_>, found: &[u32]) -> Result<()> {
        let wanted = self.weights_on(train, found)?;
        if wanted == self.weights {
            return Ok(());
        }
        let said = |weights: &[f32]| match weights {
            [] => "the same".to_owned(),
            weights => shown(&weights.iter().map(f32::to_string).collect::<Vec<_>>()),
        };
        Err(Error::refused(
            "data.class_weight",
            format!(
                "the run was begun with classes that weigh {}, and cannot go on with {}; give the same class_weight and rows",
                said(&self.weights),
                said(&wanted)
            ),
        ))
    }

    /// What each class weighs: as the data says, else counted if the task asks for it; else nothing, which is the same for all.
    fn weights_on(&self, train: TrainingRows<'_>, found: &[u32]) -> Result<Vec<f32>> {
        let space = &self.space;
        match train.class_weight {
            None if !self.is_weighted => Ok(Vec::new()),
            Some(ClassWeight::Numbers(numbers)) if numbers.len() != space.count() => {
                Err(Error::refused(
                    "data.class_weight",
                    format!(
                        "{} numbers given for {} classes ({}); give one for each, in this order",
                        numbers.len(),
                        space.count(),
                        shown(&space.names_or_numbers())
                    ),
                ))
            }
            Some(ClassWeight::Numbers(numbers)) => {
                Ok(numbers.iter().map(|&number| number as f32).collect())
            }
            _ => Ok(space.weights(found)),
        }
    }

    /// The targets of sites of these classes.
    pub(crate) fn sites<'t>(&'t self, classes: &'t [u32]) -> SiteTargets<'t> {
        SiteTargets::Classes {
            classes,
            weights: &self.weights,
        }
    }

    pub(crate) fn learned(&self) -> Learned {
        Learned::of_classes(&self.space, &self.weights)
    }
}

/// The cross-entropy of logits `[sites, classes]` with a class for each site, which weighs what its class does; empty `weights` are all 1.
pub(crate) fn class_loss(logits: Tensor<2>, classes: &[u32], weights: &[f32]) -> Loss {
    let of_class = |&class: &u32| weights.get(class as usize).copied().unwrap_or(1.0);
    let targets = ClassTargets {
        classes: classes.to_vec(),
        weights: match weights {
            [] => Vec::new(),
            _ => classes.iter().map(of_class).collect(),
        },
    };
    let sites = 0..classes.len();
    Loss {
        weight: sites.map(|site| f64::from(targets.weight(site))).sum(),
        sum: cross_entropy(logits.clone(), targets),
        outputs: logits,
    }
}

/// Takes logits `[sites, classes]` into scores, with the class of each site.
pub(crate) fn score_classes(
    metrics: &mut Classification,
    logits: Tensor<2>,
    classes: &[u32],
    observer: &mut dyn Observer,
) -> std::result::Result<(), MetricError> {
    let (values, width) = rows_of(logits);
    for (logits, &class) in values.chunks_exact(width).zip(classes) {
        observer.class(logits, class as usize);
        metrics.update(logits, class as usize)?;
    }
    Ok(())
}
