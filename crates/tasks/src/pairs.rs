//! What tasks share that say something of each pair of letters: where the head is computed, what pairs are to be, and what each weighs.

use engraft_component::Refusal;
use engraft_data::{ClassWeight, Labels, PairRow, TokenUnit};
use engraft_models::{PairTargets, Plane};

use crate::building::TrainingRows;
use crate::error::{Error, Result};
use crate::inputs::Inputs;
use crate::metrics::TopPairs;
use crate::network::Network;
use crate::output::{Grain, RowOutput};
use crate::rows::EncodedRow;

/// Which pairs of the rows of a split belong together.
pub(crate) struct SplitPairs {
    pub(crate) unit: TokenUnit,
    pub(crate) rows: Vec<PairRow>,
}

impl SplitPairs {
    /// Those of labels that say so.
    ///
    /// # Errors
    /// The labels are of another kind; `needs` says in words what there must be.
    pub(crate) fn of(labels: &Labels, needs: &str) -> Result<Self> {
        match labels {
            Labels::Pairs { unit, rows } => Ok(Self {
                unit: *unit,
                rows: rows.clone(),
            }),
            other => Err(crate::classes::unfit(other, needs)),
        }
    }

    /// Gives every byte that tells these from others to `eat`.
    pub(crate) fn digest(&self, eat: &mut dyn FnMut(&[u8])) {
        for row in &self.rows {
            eat(&row.length().to_le_bytes());
            for pairs in [row.together(), row.unscored()] {
                for number in pairs.iter().flatten() {
                    eat(&number.to_le_bytes());
                }
                eat(&[0xff]);
            }
        }
    }

    /// What the network is fed for some rows, and what the pairs of their letters are to be; what is cut off a row is in neither.
    pub(crate) fn collate(
        &self,
        numbers: &[usize],
        rows: &[EncodedRow],
        weights: [f32; 2],
        diagonal: bool,
    ) -> (Inputs, PairTargets) {
        let none = PairRow::default();
        let planes = rows.iter().zip(numbers).map(|(row, &number)| {
            let pairs = self.rows.get(number).unwrap_or(&none);
            plane(row, pairs)
        });
        let targets = PairTargets {
            planes: planes.collect(),
            weights,
            diagonal,
        };
        (inputs(rows), targets)
    }
}

/// The head at the token of each letter or word.
fn inputs(rows: &[EncodedRow]) -> Inputs {
    Inputs::at(rows.iter().map(|row| {
        let units = row.units.iter().flatten();
        (units.map(|unit| unit.token).collect(), row.tokens())
    }))
}

/// What the pairs of those letters or words of a row are to be that have a token.
fn plane(row: &EncodedRow, pairs: &PairRow) -> Plane {
    let mut places = vec![None; pairs.length()];
    let units = row.units.iter().flatten();
    for (place, unit) in units.enumerate() {
        if let Some(found) = places.get_mut(unit.unit) {
            *found = Some(place);
        }
    }
    let mut plane = Plane::new(row.units.iter().flatten().count());
    let place = |number: u32| places.get(number as usize).copied().flatten();
    for (pairs, class) in [(pairs.together(), 1), (pairs.unscored(), Plane::UNSCORED)] {
        for [one, other] in pairs {
            if let (Some(one), Some(other)) = (place(*one), place(*other)) {
                plane.set([one, other], class);
            }
        }
    }
    plane
}

/// What the network says of the pairs of each row's letters or words; not a number of words without a token.
pub(crate) fn predict(network: &Network, rows: &[EncodedRow]) -> Vec<RowOutput> {
    let mut outputs = network.predict(&inputs(rows), Grain::Pair, 1);
    for output in &mut outputs {
        if let Some(row) = rows.get(output.row).filter(|row| !row.unsaid.is_empty()) {
            make_room(output, row);
        }
    }
    outputs
}

/// Puts values that are no numbers where a row has words without a token.
fn make_room(output: &mut RowOutput, row: &EncodedRow) {
    let mut words: Vec<Option<usize>> = Vec::new();
    let count = row.units.iter().flatten().count();
    let mut unsaid = row.unsaid.iter().map(|(word, _)| *word).peekable();
    let mut said = 0;
    while said < count || unsaid.peek().is_some() {
        if unsaid.next_if_eq(&words.len()).is_some() {
            words.push(None);
        } else {
            words.push(Some(said));
            said += 1;
        }
    }
    let value = |one: Option<usize>, other: Option<usize>| {
        let at = one.zip(other).map(|(one, other)| one * count + other);
        at.and_then(|at| output.values.get(at).copied())
            .unwrap_or(f32::NAN)
    };
    let rows = words.iter();
    let values: Vec<f32> = rows
        .flat_map(|&one| words.iter().map(move |&other| value(one, other)))
        .collect();
    output.values = values;
    output.shape = vec![words.len(); 2];
}

/// Takes the logits of the planes of a batch, `[pairs of all rows]`, into scores.
pub(crate) fn score(metrics: &mut TopPairs, logits: &[f32], targets: &PairTargets) {
    for (plane, logits) in planes(logits, targets) {
        metrics.update(logits, plane.length, |row, column| {
            match plane.class(row, column) {
                Plane::UNSCORED => None,
                class => Some(class == 1),
            }
        });
    }
}

/// Each row's plane, with its logits.
pub(crate) fn planes<'a>(
    logits: &'a [f32],
    targets: &'a PairTargets,
) -> impl Iterator<Item = (&'a Plane, &'a [f32])> {
    let mut rest = logits;
    targets.planes.iter().map_while(move |plane| {
        let (own, others) = rest.split_at_checked(plane.length * plane.length)?;
        rest = others;
        Some((plane, own))
    })
}

/// What a pair weighs that does not belong together and one that does: as the data says, else counted over all ordered pairs of the training
/// rows if the task asks for it; else both the same.
///
/// # Errors
/// The data gives another number of weights.
pub(crate) fn weights(train: TrainingRows<'_>, is_weighted: bool) -> Result<Option<[f32; 2]>> {
    match train.class_weight {
        None if !is_weighted => Ok(None),
        Some(ClassWeight::Numbers(numbers)) => match numbers[..] {
            [no, yes] => Ok(Some([no as f32, yes as f32])),
            _ => Err(Error::refused(
                "data.class_weight",
                format!(
                    "{} numbers given; a pair belongs together or not, so give two: of pairs that do not, and of those that do",
                    numbers.len()
                ),
            )),
        },
        _ => Ok(Some(counted(train))),
    }
}

/// All pairs / (those that are the same x 2), in both orders.
fn counted(train: TrainingRows<'_>) -> [f32; 2] {
    let rows = train.examples.labels.as_ref().and_then(Labels::pairs);
    let (mut all, mut yes) = (0.0, 0.0);
    for row in rows.unwrap_or_default() {
        let both = |pairs: &[[u32; 2]]| -> f64 {
            let of_pair = |[one, other]: &[u32; 2]| if one == other { 1.0 } else { 2.0 };
            pairs.iter().map(of_pair).sum()
        };
        all += (row.length() as f64).powi(2) - both(row.unscored());
        yes += both(row.together());
    }
    [all - yes, yes].map(|count| {
        if count > 0.0 {
            (all / (2.0 * count)) as f32
        } else {
            0.0
        }
    })
}

/// Refuses an `adapter_dim_multiplier` that is not the one that an adapter has.
pub(crate) fn check_multiplier(given: Option<usize>, adapter: &str, own: usize) -> Result<()> {
    match given {
        Some(given) if given != own => Err(Refusal::of(
            "model.adapter_dim_multiplier",
            format!("{given} given, but {adapter} takes {own}"),
        )
        .help("Remove it: the adapter decides it")
        .into()),
        _ => Ok(()),
    }
}

/// Refuses to take a head on pairs from the checkpoint.
pub(crate) fn check_own_head(wanted: bool) -> Result<()> {
    if wanted {
        return Err(Error::refused(
            "model.use_legacy_adapter",
            "heads on pairs of the checkpoint's own kind are not read; set it to false for a new one",
        ));
    }
    Ok(())
}
