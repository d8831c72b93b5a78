//! From the rows of each split to its examples.

use crate::builder::TEXT_MEMORY;
use crate::cell::Cell;
use crate::draft::{Draft, kept};
use crate::error::{Error, list};
use crate::examples::Examples;
use crate::labels::{Label, Labels};
use crate::module::DataModule;
use crate::mutants::{mutate, read_alphabet};
use crate::reading::Found;
use crate::retrieval::retrieve;
use crate::roles::{Cut, LabelKind, LabelRole};
use crate::scan::scan;
use crate::shares::Shares;
use crate::skipped::{OnBadRow, SkippedRow};
use crate::stage::Stage;
use crate::targets;
use crate::unit::TokenUnit;

/// The examples of each split that was loaded.
///
/// Rows keep the order of their files. What [`Stage::Predict`] predicts is in `test`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Splits {
    /// For training.
    pub train: Option<Examples>,
    /// For validating.
    pub valid: Option<Examples>,
    /// For testing and predicting.
    pub test: Option<Examples>,
    /// What the user should know, such as how many rows were held out.
    pub notes: Vec<String>,
    /// Rows that were left out because they cannot be used, by file and line.
    pub skipped: Vec<SkippedRow>,
}

impl Splits {
    /// The examples of rows that were read.
    pub(crate) fn of(
        module: &DataModule,
        shares: Shares,
        stage: Stage,
        found: Found,
    ) -> Result<Splits, Error> {
        let Found {
            mut notes,
            mut skipped,
        } = found;
        let roles = module.roles();
        let skips = module.source().on_bad_row == OnBadRow::Skip;
        let shares = [
            ("train", shares.train),
            ("valid", shares.valid),
            ("test", shares.test),
        ];
        let present = shares
            .iter()
            .filter_map(|(split, share)| Some((*split, share.as_ref()?)));
        let mut drafts = vec![];
        for (split, share) in present {
            let skipped = skips.then_some(&mut skipped);
            drafts.push(Draft::new(split, share, &roles, skipped)?);
        }
        // Where predicting needs no labels, none of them is a reason to leave a row out.
        if let Some(role) = roles
            .labels
            .filter(|role| skips && !role.are_optional(stage))
        {
            let problems = targets::problems(&role, &drafts)?;
            for (draft, problems) in drafts.iter_mut().zip(problems) {
                draft.skip(problems, &mut skipped)?;
            }
        }
        let labels = match &roles.labels {
            Some(role) => read_labels(role, &drafts, stage, &mut notes)?,
            None => None,
        };
        let mut labels = labels.unwrap_or_default().into_iter();
        let unit = match roles.cut {
            Some(_) => TokenUnit::of_texts(drafts.iter().map(Draft::first_texts))?,
            None => TokenUnit::Letter,
        };
        let mut splits = Splits::default();
        for draft in drafts {
            let mut examples = Examples {
                labels: labels.next(),
                ..draft.examples
            };
            if let Some(lengths) = roles.lengths {
                examples = within(examples, lengths, draft.split, &mut notes)?;
            }
            if let Some(cut) = roles.cut {
                shorten(&mut examples, cut, unit, draft.split, &mut notes)?;
            }
            if let DataModule::DependencyMapping(mapping) = module {
                let rows = examples.len();
                examples = mutate(&examples, &read_alphabet(&mapping.vocab_file)?)?;
                let mutants = examples.len() - rows;
                notes.push(format!(
                    "{rows} sequences have {mutants} mutants of one letter"
                ));
            }
            if let DataModule::MutationScan(module) = module {
                examples = scan(&examples, module, TEXT_MEMORY, &mut notes)?;
            }
            if let Some(retrieval) = module.retrieval() {
                let (retrieved, wrong) = retrieve(examples, retrieval, TEXT_MEMORY, &mut notes)?;
                let skipped = skips.then_some(&mut skipped);
                examples = without(retrieved, wrong, skipped)?;
            }
            if let DataModule::ColumnRetrieval(module) = module {
                examples = module.unmasked(examples)?;
            }
            match draft.split {
                "train" => splits.train = Some(examples),
                "valid" => splits.valid = Some(examples),
                _ => splits.test = Some(examples),
            }
        }
        if skips {
            notes.extend(SkippedRow::note(&skipped));
        }
        (splits.notes, splits.skipped) = (notes, skipped);
        if let Some(LabelKind::Classes { filter: Some(kept) }) = roles.labels.map(|it| it.kind) {
            splits.keep_classes(kept, module)?;
        }
        splits.without_leaks(module)
    }

    fn keep_classes(&mut self, classes: &[String], module: &DataModule) -> Result<(), Error> {
        let splits = [
            ("train", &mut self.train),
            ("valid", &mut self.valid),
            ("test", &mut self.test),
        ];
        for (name, split) in splits {
            let Some(examples) = split else { continue };
            let Some(labels) = examples.classes() else {
                let why = match examples.labels {
                    Some(_) => "whose rows have several classes",
                    None => "which has no labels",
                };
                self.notes.push(format!(
                    "class_filter is not applied to the {name} split, {why}"
                ));
                continue;
            };
            let classes_kept = classes.iter().map(|class| Cell::from(class.as_str()));
            let kept: Vec<Label> = classes_kept.filter_map(|it| Label::of(&it)).collect();
            let is_kept = |label: &Label| kept.contains(label);
            let rows: Vec<usize> = labels
                .iter()
                .enumerate()
                .filter(|(_, label)| is_kept(label))
                .map(|(row, _)| row)
                .collect();
            if rows.is_empty() {
                return Err(Error::EmptySplit {
                    path: module.source().path.clone(),
                    message: format!(
                        "class_filter ({}) leaves no row in the {name} split",
                        list(classes)
                    ),
                });
            }
            *examples = examples.select(&rows);
        }
        Ok(())
    }
}

/// Examples without the rows that something is wrong with, which are added to `skipped` where such rows are skipped.
///
/// # Errors
/// The first of them where none is skipped, or that they are more than half of all.
fn without(
    examples: Examples,
    wrong: Vec<(usize, Error)>,
    skipped: Option<&mut Vec<SkippedRow>>,
) -> Result<Examples, Error> {
    if let Some(skipped) = skipped {
        let kept = kept(examples.len(), wrong, skipped)?;
        return Ok(examples.select(&kept));
    }
    match wrong.into_iter().next() {
        Some((_, error)) => Err(error),
        None => Ok(examples),
    }
}

/// The labels of each draft; none where predicting does without.
fn read_labels(
    role: &LabelRole,
    drafts: &[Draft],
    stage: Stage,
    notes: &mut Vec<String>,
) -> Result<Option<Vec<Labels>>, Error> {
    let is_there = |name: &String| drafts.iter().any(|draft| draft.has_column(name));
    match targets::read(role, drafts) {
        Ok(labels) => Ok(Some(labels)),
        Err(error) if !role.are_optional(stage) => Err(error),
        Err(_) if !role.columns.iter().any(is_there) => Ok(None),
        Err(error) => {
            notes.push(format!("{error}; all labels are left aside"));
            Ok(None)
        }
    }
}

/// The rows of at least so many letters and at most so many, with a note on others.
fn within(
    examples: Examples,
    (least, most): (usize, usize),
    split: &str,
    notes: &mut Vec<String>,
) -> Result<Examples, Error> {
    let Some(texts) = examples.texts.first() else {
        return Ok(examples);
    };
    let mut kept = vec![];
    for (row, count) in texts.counts(TokenUnit::Letter).enumerate() {
        if (least..=most).contains(&count?) {
            kept.push(row);
        }
    }
    let (all, left_out) = (examples.len(), examples.len() - kept.len());
    if left_out > 0 {
        notes.push(format!(
            "{left_out} of {all} rows of the {split} split are left out, which have fewer than {least} letters (min_seq_len) or more than {most} (max_seq_len)"
        ));
        return Ok(examples.select(&kept));
    }
    Ok(examples)
}

/// Cuts texts, the labels of their letters or words, and extra columns if asked to.
fn shorten(
    examples: &mut Examples,
    cut: Cut,
    unit: TokenUnit,
    split: &str,
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let rows = examples.len();
    let mut longer = 0;
    for texts in &mut examples.texts {
        longer += texts.cut(unit, cut.length)?;
    }
    if let Some(Labels::Tokens { rows, .. }) = &mut examples.labels {
        rows.iter_mut().for_each(|row| row.truncate(cut.length));
    }
    if let Some(Labels::Pairs { rows, .. }) = &mut examples.labels {
        rows.iter_mut().for_each(|row| row.truncate(cut.length));
    }
    if cut.extra {
        for cell in examples.extra.iter_mut().flat_map(|(_, cells)| cells) {
            if let Cell::Stored(text) = cell {
                *cell = Cell::from(unit.first(&text.read()?, cut.length));
            }
            match cell {
                Cell::List(items) => items.truncate(cut.length),
                Cell::Text(text) => *text = unit.first(text, cut.length).to_owned(),
                _ => {}
            }
        }
    }
    if longer > 0 {
        notes.push(format!(
            "{longer} of {rows} texts of the {split} split are cut to {} (max_length)",
            unit.counted(cut.length)
        ));
    }
    Ok(())
}
