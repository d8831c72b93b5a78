//! Alignments beside sequences: for each row the sequences that are aligned with its own, and perhaps numbers about the structure of each of its
//! residues.
//!
//! Both are nested lists of many entries, of which a row is needed at a time: they are kept as JSON texts, which move to a temporary file where they
//! are many, and read when their row's turn comes.

use engraft_component::Component;

use crate::cell::Cell;
use crate::draft::Place;
use crate::error::{Error, argument, record};
use crate::list;
use crate::roles::Roles;
use crate::table::Table;
use crate::texts::{Text, Texts};

/// The column of aligned sequences, and that of numbers about structure.
const COLUMNS: [&str; 2] = ["msa", "str_emb"];

/// Whether rows bring alignments, and how much of them is read.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct AlignedRows {
    /// Whether each row brings an alignment beside its sequence, for AIDO.Protein-RAG: in a column `msa` a list of sequences, each as long as the row's own with `-` for a gap, and perhaps in a column `str_emb` a list of numbers for each residue.
    #[arg(default = false)]
    pub is_rag_dataset: bool,
    /// How many residues of an alignment are read, about: as many of its sequences are drawn as have so many, were a quarter of each gaps.
    #[arg(default = DEFAULT_CONTEXT)]
    pub max_context_length: usize,
    /// What decides which sequences of an alignment are drawn, in training others in each epoch; 0 without.
    pub msa_random_seed: Option<u64>,
}

/// Residues of an alignment that are read unless another number is given.
const DEFAULT_CONTEXT: usize = 12_800;

impl AlignedRows {
    /// Refuses values that they cannot have beside so many columns of texts.
    pub(crate) fn check(&self, texts: usize) -> Result<(), Error> {
        if self.max_context_length == 0 {
            return Err(argument(
                "max_context_length",
                "must be at least 1, found 0",
            ));
        }
        if self.is_rag_dataset && texts > 1 {
            return Err(argument(
                "is_rag_dataset",
                format!(
                    "true: an alignment is one sequence's, and x_col names {texts} columns; name one"
                ),
            ));
        }
        Ok(())
    }
}

/// Which columns hold alignments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AlignmentRole<'a> {
    /// Their names in the file.
    columns: [&'a str; 2],
    context: usize,
    seed: u64,
}

impl<'a> Roles<'a> {
    /// With the columns of alignments, if rows bring some; these are then not carried along.
    pub(crate) fn aligned(mut self, rows: &AlignedRows) -> Roles<'a> {
        if !rows.is_rag_dataset {
            return self;
        }
        let columns = COLUMNS.map(|name| self.original(name));
        self.extra
            .retain(|carried| !columns.contains(&carried.column));
        self.alignment = Some(AlignmentRole {
            columns,
            context: rows.max_context_length,
            seed: rows.msa_random_seed.unwrap_or(0),
        });
        self
    }
}

impl<'a> AlignmentRole<'a> {
    /// The columns, by their names in the file.
    pub(crate) fn columns(&self) -> [&'a str; 2] {
        self.columns
    }

    /// The alignments of rows of a table; `texts` are their sequences, whole.
    ///
    /// # Errors
    /// The first row whose alignment does not fit its sequence.
    pub(crate) fn read(
        &self,
        table: &Table,
        rows: &[usize],
        texts: &Texts,
    ) -> Result<Alignments, Error> {
        let mut width = None;
        for (at, row) in rows.iter().enumerate() {
            self.check(table, *row, &texts.get(at)?, &mut width)?;
        }
        let text = |place: Place<'_>| place.text(false);
        let [sequences, structures] = self.columns;
        let sequences = table.required(sequences, "is_rag_dataset")?;
        let structures = table.column(structures);
        let structures =
            structures.map(|column| Place::each(table, column, rows).map(text).collect());
        Ok(Alignments {
            sequences: Place::each(table, sequences, rows)
                .map(text)
                .collect::<Result<_, _>>()?,
            structures: structures.transpose()?,
            width: width.unwrap_or(0),
            context: self.context,
            seed: self.seed,
        })
    }

    /// Refuses a row whose alignment does not fit its sequence, `text`; `width` is how many numbers each residue of the rows before has.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn check(
        &self,
        table: &Table,
        row: usize,
        text: &str,
        width: &mut Option<usize>,
    ) -> Result<(), Error> {
        let [sequences, structures] = self.columns;
        let column = table.required(sequences, "is_rag_dataset")?;
        let place = Place { table, column, row };
        let wrong = |place: Place<'_>, problem: &str| {
            let text = format!("the column \"{}\" {problem}", place.column());
            record(&place.origin(), text)
        };
        let aligned = sequences_of(&place.filled_text()?);
        let aligned =
            aligned.ok_or_else(|| wrong(place, "must hold a list of aligned sequences"))?;
        let structures = table
            .column(structures)
            .map(|column| Place { column, ..place });
        let vectors = structures.map(|place| {
            let vectors = structures_of(&place.filled_text()?);
            vectors
                .ok_or_else(|| wrong(place, "must hold a list of finite numbers for each residue"))
        });
        let vectors = vectors.transpose()?;
        let letters = text.chars().count();
        match misfit(letters, &aligned, vectors.as_deref(), width) {
            None => Ok(()),
            Some(Misfit::Sequences(problem)) => Err(wrong(place, &problem)),
            Some(Misfit::Structures(problem)) => Err(wrong(structures.unwrap_or(place), &problem)),
        }
    }
}

/// What is wrong with what stands beside a sequence.
enum Misfit {
    /// The sequences that are aligned with it.
    Sequences(String),
    /// The numbers about its structure.
    Structures(String),
}

/// What is wrong with the alignment of a sequence of so many letters, if anything is; `width` is how many numbers each residue of the rows before
/// has, and then how many those of this one have. A row that does not fit says nothing of the others.
fn misfit(
    letters: usize,
    sequences: &[String],
    structures: Option<&[Vec<f32>]>,
    width: &mut Option<usize>,
) -> Option<Misfit> {
    let of_sequences = |problem: &str| Some(Misfit::Sequences(problem.to_owned()));
    if sequences.is_empty() {
        return of_sequences("holds an alignment of no sequences");
    }
    if letters == 0 {
        return of_sequences("is aligned with an empty sequence");
    }
    let mut lengths = sequences.iter().map(|it| it.chars().count()).zip(1..);
    if let Some((length, number)) = lengths.find(|(length, _)| *length != letters) {
        let length = counted(length);
        return of_sequences(&format!(
            "aligns {length} with a sequence of {letters}: its sequence {number} has another length"
        ));
    }
    let vectors = structures?;
    let of_structures = |problem: String| Some(Misfit::Structures(problem));
    if vectors.len() != letters {
        let found = counted(vectors.len());
        return of_structures(format!(
            "has numbers for {found} beside a sequence of {letters}"
        ));
    }
    let wanted = width.or_else(|| vectors.first().map(Vec::len)).unwrap_or(0);
    let mut vectors = vectors.iter().map(Vec::len).zip(1..);
    let odd = vectors.find(|(found, _)| *found != wanted || *found == 0);
    match odd {
        Some((0, number)) => of_structures(format!("has no numbers for residue {number}")),
        Some((found, number)) => of_structures(format!(
            "has {found} numbers for residue {number}, where the first of all rows has {wanted}"
        )),
        None => {
            *width = Some(wanted);
            None
        }
    }
}

fn counted(residues: usize) -> String {
    match residues {
        1 => "1 residue".to_owned(),
        _ => format!("{residues} residues"),
    }
}

/// For each row the sequences that are aligned with its own, and perhaps numbers about the structure of each of its residues.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignments {
    /// A list of texts for each row, as JSON.
    sequences: Texts,
    /// A list of numbers for each residue of each row, as JSON.
    structures: Option<Texts>,
    /// How many numbers a residue has.
    width: usize,
    /// How many residues of an alignment are read, about.
    pub context: usize,
    /// What decides which sequences are drawn.
    pub seed: u64,
}

impl Alignments {
    /// Alignments that are in memory: `[row][sequence]`, and `[row][residue][number]` about structures where they are known.
    ///
    /// What does not fit the rows' sequences is refused by [`Examples::aligned_with`](crate::Examples::aligned_with).
    pub fn new(sequences: &[Vec<String>], structures: Option<&[Vec<Vec<f32>>]>) -> Self {
        let width = structures.and_then(|rows| rows.iter().flatten().next());
        Self {
            sequences: sequences.iter().map(|row| json(row)).collect(),
            width: width.map_or(0, Vec::len),
            structures: structures.map(|rows| rows.iter().map(|row| json(row)).collect()),
            context: DEFAULT_CONTEXT,
            seed: 0,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.sequences.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.sequences.is_empty()
    }

    /// How many numbers a residue has about its structure, where any are known.
    pub fn width(&self) -> Option<usize> {
        self.structures.as_ref().map(|_| self.width)
    }

    /// The sequences that are aligned with that of a row, gaps included.
    ///
    /// # Errors
    /// They lie in a temporary file that cannot be read.
    pub fn sequences(&self, row: usize) -> Result<Vec<String>, Error> {
        Ok(sequences_of(&self.sequences.get(row)?).unwrap_or_default())
    }

    /// What is known of the structure of each residue of a row, where anything is: `[residue][number]`.
    ///
    /// # Errors
    /// It lies in a temporary file that cannot be read.
    pub fn structures(&self, row: usize) -> Result<Option<Vec<Vec<f32>>>, Error> {
        match &self.structures {
            Some(texts) => Ok(structures_of(&texts.get(row)?)),
            None => Ok(None),
        }
    }

    /// Bytes of what belongs to a row, which takes no reading.
    pub fn bytes(&self, row: usize) -> usize {
        let structures = self.structures.as_ref();
        self.sequences.bytes(row) + structures.map_or(0, |texts| texts.bytes(row))
    }

    /// The texts of all rows.
    pub fn texts(&self) -> impl Iterator<Item = &Texts> {
        std::iter::once(&self.sequences).chain(&self.structures)
    }

    /// Those of these rows, in this order.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        Self {
            sequences: self.sequences.select(rows),
            structures: self.structures.as_ref().map(|texts| texts.select(rows)),
            ..*self
        }
    }

    /// Refuses alignments that do not fit these sequences.
    ///
    /// # Errors
    /// The first that does not, by its row from 0.
    pub(crate) fn check(&self, texts: &Texts) -> Result<(), Error> {
        let mut width = self.width();
        for row in 0..self.len() {
            let letters = texts.get(row)?.chars().count();
            let (sequences, structures) = (self.sequences(row)?, self.structures(row)?);
            if self.structures.is_some() && structures.is_none() {
                let problem =
                    format!("row {row} has numbers about its structure that are not finite");
                return Err(argument("alignments", problem));
            }
            let misfit = misfit(letters, &sequences, structures.as_deref(), &mut width);
            if let Some(Misfit::Sequences(problem) | Misfit::Structures(problem)) = misfit {
                return Err(argument("alignments", format!("row {row} {problem}")));
            }
        }
        Ok(())
    }
}

/// A nested list as JSON; what is not finite becomes null, which [`structures_of`] refuses.
fn json<T: Clone + Into<Cell>>(row: &[T]) -> Text {
    Text::Held(Cell::from(row.to_vec()).to_string())
}

/// A list of sequences, however it is printed.
fn sequences_of(text: &str) -> Option<Vec<String>> {
    let read = serde_json::from_str(text).ok();
    read.or_else(|| list::texts(&text.into()))
}

/// A list of finite numbers for each residue.
fn structures_of(text: &str) -> Option<Vec<Vec<f32>>> {
    let vectors: Vec<Vec<f32>> = serde_json::from_str(text).ok()?;
    let is_finite = vectors.iter().flatten().all(|number| number.is_finite());
    is_finite.then_some(vectors)
}

#[cfg(test)]
mod tests;
