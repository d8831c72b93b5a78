//! Data modules that only serve predicting: chosen columns, and the mutants of sequences.

use std::path::PathBuf;

use engraft_component::Component;

use crate::arguments::Rows;
use crate::cell::Cell;
use crate::error::{Error, argument, once, record};
use crate::examples::Examples;
use crate::roles::{Carried, LabelKind, Roles};
use crate::texts::Texts;

/// Names under which the text column is offered to a task.
const TEXTS: [&str; 2] = ["sequences", "sequence"];
/// Names under which row ids are.
const IDS: [&str; 2] = ["ids", "id"];
/// Names under which a reference and a variant of it are.
const PAIR: [&str; 2] = ["ref_sequences", "mutation_sequences"];
/// Names under which the alleles are that stand where a sequence is masked.
const ALLELES: [&str; 2] = ["refs", "mutations"];
/// What is known of variants.
const LABELS: &str = "labels";
/// How a sequence says where it is masked.
const MASKS: [&str; 2] = ["[MASK]", "<mask>"];

/// Some columns of a table under other names, without labels: one is the text, and all come back with the predictions.
///
/// The text is the column that is named `sequences` or `sequence`, else the first. One named `ids` or `id` holds the row ids. Columns named
/// `ref_sequences` and `mutation_sequences`, or `sequences` with one `[MASK]` and its `refs` and `mutations`, are variants that are scored without
/// training, against the numbers of one named `labels`.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.ColumnRetrievalDataModule")]
pub struct ColumnRetrievalDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The columns to take, at least one.
    #[arg(default = Vec::new())]
    pub in_cols: Vec<String>,
    /// The names that they are given, in the same order; by default those of the file.
    pub out_cols: Option<Vec<String>>,
}

impl ColumnRetrievalDataModule {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.in_cols.is_empty() {
            return Err(argument("in_cols", "name at least one column"));
        }
        once("in_cols", &self.in_cols)?;
        once("out_cols", self.names())?;
        let (names, columns) = (self.names().len(), self.in_cols.len());
        if names != columns {
            let message = format!("give one name for each of in_cols: {names} for {columns}");
            return Err(argument("out_cols", message));
        }
        Ok(())
    }

    fn names(&self) -> &[String] {
        self.out_cols.as_deref().unwrap_or(&self.in_cols)
    }

    /// Which of the columns has one of these names, the first of them above all.
    fn named(&self, names: [&str; 2]) -> Option<usize> {
        let place = |wanted: &str| self.names().iter().position(|name| name == wanted);
        names.into_iter().find_map(place)
    }

    fn text(&self) -> usize {
        self.named(TEXTS).unwrap_or(0)
    }

    /// Both of the columns with these names.
    fn both(&self, names: [&str; 2]) -> Option<[usize; 2]> {
        let [one, other] = names.map(|name| self.named([name; 2]));
        Some([one?, other?])
    }

    /// Whether the columns are variants.
    pub(crate) fn compares(&self) -> bool {
        let masked = self.named(TEXTS).and(self.both(ALLELES));
        self.both(PAIR).or(masked).is_some()
    }

    /// The columns of texts.
    fn texts(&self) -> Vec<usize> {
        self.both(PAIR).map_or_else(|| vec![self.text()], Vec::from)
    }

    /// The names under which texts are offered to a task.
    pub(crate) fn text_names(&self) -> Vec<&str> {
        let names = self
            .texts()
            .into_iter()
            .filter_map(|it| self.names().get(it));
        names.map(String::as_str).collect()
    }

    pub(crate) fn roles(&self) -> Roles<'_> {
        let texts = self.texts();
        let id = self.named(IDS).filter(|id| !texts.contains(id));
        let mut roles = Roles::new(&[], &self.rows.source);
        roles.texts = texts
            .iter()
            .filter_map(|it| self.in_cols.get(*it))
            .collect();
        roles.texts_key = "in_cols";
        if let Some(labels) = self.named([LABELS; 2]).filter(|_| self.compares())
            && let Some(column) = self.in_cols.get(labels)
        {
            roles = roles.labelled(std::slice::from_ref(column), LabelKind::Numbers);
        }
        if let Some(id) = id.and_then(|id| self.in_cols.get(id)) {
            roles.id = id;
        }
        let columns = self.in_cols.iter().zip(self.names()).enumerate();
        let carried = columns.filter(|(place, _)| Some(*place) != id);
        let carried = carried.map(|(_, (column, name))| Carried {
            column,
            name,
            key: "in_cols",
        });
        roles.extra.splice(..0, carried);
        roles
    }

    /// Masked sequences with each of their alleles in the place of the mask: a reference and a variant. Other rows as they are.
    ///
    /// # Errors
    /// A sequence has no mask or several, or a row no allele.
    pub(crate) fn unmasked(&self, mut examples: Examples) -> Result<Examples, Error> {
        if self.both(PAIR).is_some() || !self.compares() {
            return Ok(examples);
        }
        let alleles = ALLELES.map(|name| {
            let column = examples.extra.iter().find(|(own, _)| own == name);
            column.map_or(&[][..], |(_, cells)| cells.as_slice())
        });
        let mut pairs: [Vec<String>; 2] = Default::default();
        for (row, origin) in examples.origins.iter().enumerate() {
            let text = examples.texts.first().map(|texts| texts.get(row));
            let text = text.transpose()?.unwrap_or_default();
            let count: usize = MASKS.iter().map(|mask| text.matches(mask).count()).sum();
            let mask = MASKS.iter().find(|mask| text.contains(*mask));
            let (Some(mask), 1) = (mask, count) else {
                let message = format!(
                    "the sequence has {count} masks ([MASK] or <mask>), and one is wanted, where its refs and mutations stand"
                );
                return Err(record(origin, message));
            };
            for ((cells, name), texts) in alleles.iter().zip(ALLELES).zip(&mut pairs) {
                let allele = cells.get(row).and_then(Cell::text);
                let allele = allele.ok_or_else(|| Error::MissingCell {
                    origin: origin.clone(),
                    column: name.to_owned(),
                })?;
                texts.push(text.replace(mask, allele.trim()));
            }
        }
        examples.texts = pairs.map(Texts::from_iter).to_vec();
        Ok(examples)
    }
}

/// All mutants of one letter of each sequence, and the sequence itself, to predict what depends on what.
///
/// Each row of the predictions has the sequence's id, `pos_i`, the place of the letter that was replaced, from 0, and `mut_i`, the letter that
/// replaced it, counted in `vocab_file` from 0. Both are -1 for the sequence itself, which comes after its mutants. A letter is replaced by
/// itself too, so that a sequence of n letters has n x v mutants.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.DependencyMappingDataModule")]
pub struct DependencyMappingDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// A file of the letters to put in, one on each line.
    pub vocab_file: PathBuf,
    /// The column of sequences.
    #[arg(default = vec!["sequence".to_owned()])]
    pub x_col: Vec<String>,
    /// The column of row ids; without a column `id`, rows are numbered from 0.
    #[arg(default = "id".to_owned())]
    pub id_col: String,
}

impl DependencyMappingDataModule {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.x_col.len() != 1 {
            let message = "give one column, whose letters are replaced";
            return Err(argument("x_col", message));
        }
        Ok(())
    }
}
