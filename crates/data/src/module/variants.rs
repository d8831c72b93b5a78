//! Data modules of variants: each row is a reference and a variant of it, which are compared.

use std::path::{Path, PathBuf};

use engraft_component::{Component, Words};

use crate::arguments::Rows;
use crate::compat::Compat;
use crate::error::{Error, argument};
use crate::layout::file_of_repository;
use crate::roles::{Carried, LabelKind, Roles};

/// Where a variant is and what it is, in this order.
pub(crate) const INDEX: [&str; 5] = ["chrom", "start", "end", "ref", "mutate"];

/// Variants of a genome, each with the sequence around it, to be scored without training.
///
/// A row of the table says where a variant is and what it replaces; what is around it comes from a FASTA file. Places are counted from 0, and
/// `end` is the first base after it. Where the reference has the complement of what the row says, the variant is taken to be of the other
/// strand; where it has neither, the row is wrong.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.ZeroshotClassificationRetrieveDataModule")]
pub struct ZeroshotClassificationRetrieveDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The FASTA file of the reference, as it is or in the folder `path`; an index beside it (`.fai`) saves reading it as a whole.
    pub reference_file: PathBuf,
    /// Bases on each side of a variant; fewer at the ends of a contig.
    pub window: usize,
    /// The columns of contig, start, end, reference allele and variant allele.
    #[arg(default = INDEX.map(str::to_owned).to_vec())]
    pub index_cols: Vec<String>,
    /// The column of what is known of each variant: 0 or 1, or a number.
    #[arg(default = vec!["label".to_owned()])]
    pub y_col: Vec<String>,
    /// What the variants are scored by; the rows serve both, and only `compat` tells them apart.
    pub method: Option<Method>,
    /// `mgen`: with `method: Diff`, alleles are complemented wherever the reference has them as the row says, as ModelGenerator did by mistake.
    pub compat: Option<Compat>,
}

/// What variants are scored by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum Method {
    /// The probabilities of both alleles, by ZeroshotPredictionDiff.
    #[word(name = "Diff")]
    Diff,
    /// Hidden states, by ZeroshotPredictionDistance.
    #[word(name = "Distance")]
    Distance,
}

/// How variants are retrieved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retrieval<'a> {
    pub(crate) rows: &'a Rows,
    reference_file: &'a Path,
    pub(crate) window: usize,
    pub(crate) index: &'a [String],
    labels: &'a [String],
    /// Whether alleles are complemented even where the reference has them as they are given.
    pub(crate) complements: bool,
}

impl ZeroshotClassificationRetrieveDataModule {
    pub(crate) fn retrieval(&self) -> Retrieval<'_> {
        Retrieval {
            rows: &self.rows,
            reference_file: &self.reference_file,
            window: self.window,
            index: &self.index_cols,
            labels: &self.y_col,
            complements: self.compat == Some(Compat::Mgen) && self.method == Some(Method::Diff),
        }
    }
}

impl<'a> Retrieval<'a> {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.index.len() != INDEX.len() {
            let message = format!(
                "give five columns, {}; found {}",
                INDEX.join(", "),
                self.index.len()
            );
            return Err(argument("index_cols", message));
        }
        Ok(())
    }

    /// The alleles stand in the place of texts until they have their surroundings, and what else says where a variant is is carried along.
    pub(crate) fn roles(&self) -> Roles<'a> {
        let mut roles = Roles::new(&[], &self.rows.source);
        roles.texts = self.index.iter().skip(3).collect();
        roles.texts_key = "index_cols";
        let carried = self.index.iter().map(|column| Carried {
            column,
            name: column,
            key: "index_cols",
        });
        roles.extra.splice(..0, carried);
        roles.labelled(self.labels, LabelKind::Numbers)
    }

    /// Where the reference is: as it is named, else beside the rows.
    pub(crate) fn reference(&self) -> Result<PathBuf, Error> {
        let (named, rows) = (self.reference_file, &self.rows.source.path);
        let folder = if rows.is_dir() {
            Some(rows.as_path())
        } else {
            rows.parent()
        };
        let beside = folder.map(|folder| folder.join(named));
        let mut places = [Some(named.to_owned()), beside].into_iter().flatten();
        if let Some(found) = places.find(|place| place.is_file()) {
            return Ok(found);
        }
        let name = named.to_string_lossy();
        if let Some(found) = file_of_repository(&self.rows.source, &name)? {
            // The list of its sequences, where there is one.
            file_of_repository(&self.rows.source, &format!("{name}.fai"))?;
            return Ok(found);
        }
        let message = format!("\"{name}\" is no file here or in the folder of data.path");
        Err(argument("reference_file", message))
    }
}

/// Every substitution of one letter of each sequence, to be scored without training.
///
/// Beside each score stand `mutation` (`A12T`), `position`, counted from 1, `wild_type` and `mutant`. `predict` also writes, in a folder beside
/// its output, a table of positions and letters for each sequence, and the same as a map of colours.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct MutationScanDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The column of sequences.
    #[arg(default = vec!["sequence".to_owned()])]
    pub x_col: Vec<String>,
    /// The column of row ids; without a column `id`, rows are numbered from 0.
    #[arg(default = "id".to_owned())]
    pub id_col: String,
    /// The letters to put in, such as `ACGT`; by default those that the sequences are of: bases, or the 20 amino acids.
    pub alphabet: Option<String>,
    /// Positions to scan, such as `[1-30, 95]`, counted from 1; all without.
    pub positions: Option<Vec<String>>,
    /// The only substitutions to score, such as `[A12T, G40C]`, of each sequence.
    pub mutations: Option<Vec<String>>,
}

impl MutationScanDataModule {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.x_col.len() != 1 {
            let message = "give one column, whose letters are replaced";
            return Err(argument("x_col", message));
        }
        if self.mutations.is_some() && (self.positions.is_some() || self.alphabet.is_some()) {
            let message = "names every substitution, so positions and alphabet have no effect; leave them out";
            return Err(argument("mutations", message));
        }
        Ok(())
    }
}
