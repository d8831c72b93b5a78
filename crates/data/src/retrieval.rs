//! Variants of a genome with what is around them: from places and alleles to a reference and a variant.

use crate::cell::Cell;
use crate::error::{Error, record};
use crate::examples::Examples;
use crate::module::Retrieval;
use crate::origin::Origin;
use crate::reference::Reference;
use crate::texts::{TextKeeper, Texts};

/// What alleles must be.
const BASES: &str = "bases (A, C, G, T, N), or - for none";

/// A row as it was read.
struct Row<'a> {
    origin: &'a Origin,
    contig: String,
    start: u64,
    end: u64,
    /// Alleles of the reference and of the variant.
    alleles: [String; 2],
}

/// What becomes of the rows, beside their sequences.
#[derive(Default)]
struct Counts {
    as_given: usize,
    complemented: usize,
    clipped: usize,
}

/// Examples whose texts are alleles, as those whose texts are sequences: the part of the contig around each variant as it is, and with the
/// variant in it. The rows that cannot be had come with what is wrong with each, and their texts are empty. `text_memory` is how many bytes of
/// texts are held before they lie in a temporary file.
///
/// # Errors
/// The reference cannot be read.
pub(crate) fn retrieve(
    mut examples: Examples,
    retrieval: Retrieval<'_>,
    text_memory: usize,
    notes: &mut Vec<String>,
) -> Result<(Examples, Vec<(usize, Error)>), Error> {
    let mut reference = Reference::open(&retrieval.reference()?, notes)?;
    let mut counts = Counts::default();
    let mut keeper = TextKeeper::new(text_memory);
    let (mut references, mut variants, mut wrong) = (vec![], vec![], vec![]);
    for number in 0..examples.len() {
        let row = Row::of(&examples, number, retrieval.index);
        let found = row.and_then(|row| row.sequences(&mut reference, retrieval, &mut counts));
        let [one, other] = match found {
            Ok(both) => both,
            // A file that cannot be read is no fault of a row.
            Err(error) if error.origin().is_none() => return Err(error),
            Err(error) => {
                wrong.push((number, error));
                Default::default()
            }
        };
        references.push(keeper.keep(one, 1)?);
        variants.push(keeper.keep(other, 1)?);
    }
    keeper.finish()?;
    let Counts {
        as_given,
        complemented,
        clipped,
    } = counts;
    if retrieval.complements && as_given > 0 {
        notes.push(format!(
            "compat: mgen: {} as {} has it, and alleles are complemented all the same",
            counted(as_given),
            reference.path().display()
        ));
    }
    if complemented > 0 {
        notes.push(format!(
            "{} of the other strand than {}, and alleles are complemented",
            counted(complemented),
            reference.path().display()
        ));
    }
    if clipped > 0 {
        notes.push(format!(
            "{} so near the end of a contig that there are fewer than {} bases on one side",
            counted(clipped),
            retrieval.window
        ));
    }
    examples.texts = [references, variants].map(Texts::from_iter).to_vec();
    Ok((examples, wrong))
}

impl<'a> Row<'a> {
    /// Row `number`, in which the columns `index` say where the variant is.
    fn of(examples: &'a Examples, number: usize, index: &[String]) -> Result<Row<'a>, Error> {
        let origin = &examples.origins[number];
        let cell = |at: usize| {
            let name = &index[at];
            let column = examples.extra.iter().find(|(own, _)| own == name);
            let cell = column.and_then(|(_, cells)| cells.get(number));
            (name, cell.unwrap_or(&Cell::Missing))
        };
        let wrong = |(name, cell): (&String, &Cell), wanted: &'static str| Error::WrongLabel {
            origin: origin.clone(),
            column: name.clone(),
            wanted,
            found: cell.shown(),
        };
        let whole = |at: usize| {
            let (name, cell) = cell(at);
            let place = cell.whole();
            place.ok_or_else(|| wrong((name, cell), "a place counted from 0"))
        };
        let contig = cell(0);
        let allele = |at: usize| {
            let (name, cell) = cell(at);
            let text = cell.text().unwrap_or_default().trim().to_ascii_uppercase();
            match text.as_str() {
                "-" | "." => Ok(String::new()),
                "" => Err(wrong((name, cell), BASES)),
                bases if bases.bytes().all(|it| b"ACGTN".contains(&it)) => Ok(text),
                _ => Err(wrong((name, cell), BASES)),
            }
        };
        Ok(Row {
            origin,
            contig: match contig.1.text().map(|text| text.trim().to_owned()) {
                Some(name) if !name.is_empty() => name,
                _ => return Err(wrong(contig, "the name of a contig")),
            },
            start: whole(1)?,
            end: whole(2)?,
            alleles: [allele(3)?, allele(4)?],
        })
    }

    /// The part of the contig around the variant, as it is and with the variant in it.
    fn sequences(
        self,
        reference: &mut Reference,
        retrieval: Retrieval<'_>,
        counts: &mut Counts,
    ) -> Result<[String; 2], Error> {
        let Row {
            origin,
            contig,
            start,
            end,
            alleles: [own, other],
        } = self;
        let length = reference
            .length(&contig)
            .map_err(|problem| record(origin, problem))?;
        if end > length || start > end {
            let file = reference.path().display();
            let message = if start > end {
                format!("the variant ends at {end}, before it begins at {start}")
            } else {
                format!("the variant ends at {end}, but {contig} of {file} has {length} bases")
            };
            return Err(record(origin, message));
        }
        if end - start != own.len() as u64 {
            let message = format!(
                "the variant is from {start} to {end}, which are {} bases counted from 0, but the reference allele \"{own}\" has {}",
                end - start,
                own.len()
            );
            return Err(record(origin, message));
        }
        let window = retrieval.window as u64;
        let (first, last) = (start.saturating_sub(window), (end + window).min(length));
        let before = reference.bases(&contig, first, start)?;
        let found = reference.bases(&contig, start, end)?;
        let after = reference.bases(&contig, end, last)?;
        let [found, variant] = if found == own {
            counts.as_given += 1;
            if retrieval.complements {
                [found, other].map(|allele| complement(&allele))
            } else {
                [found, other]
            }
        } else if found == complement(&own) {
            counts.complemented += 1;
            [found, complement(&other)]
        } else {
            let message = format!(
                "the reference allele is \"{own}\", but {contig} of {} has \"{found}\" from {start} to {end}, counted from 0",
                reference.path().display()
            );
            return Err(record(origin, message));
        };
        counts.clipped += usize::from(start < window || end + window > length);
        Ok([
            format!("{before}{found}{after}"),
            format!("{before}{variant}{after}"),
        ])
    }
}

/// How many variants are of a kind, which follows.
fn counted(variants: usize) -> String {
    match variants {
        1 => "1 variant is".to_owned(),
        count => format!("{count} variants are"),
    }
}

/// The other strand, read in its own direction.
fn complement(bases: &str) -> String {
    let other = |base: char| match base {
        'A' => 'T',
        'C' => 'G',
        'G' => 'C',
        'T' => 'A',
        other => other,
    };
    bases.chars().rev().map(other).collect()
}

#[cfg(test)]
mod tests;
