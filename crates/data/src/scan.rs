//! Every sequence with each of its letters replaced by each other letter: what a mutation scan compares.

use std::collections::BTreeSet;

use crate::cell::Cell;
use crate::error::{Error, argument, list};
use crate::examples::Examples;
use crate::module::MutationScanDataModule;
use crate::survey::{Alphabet, Letters};
use crate::table::pick;
use crate::texts::{Text, TextKeeper, Texts};

/// The amino acids of the genetic code.
const AMINO_ACIDS: &str = "ACDEFGHIKLMNPQRSTVWY";

/// The columns that say what a row's variant is.
const COLUMNS: [&str; 4] = ["mutation", "position", "wild_type", "mutant"];

/// A substitution that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Substitution {
    wild_type: char,
    /// Counted from 1.
    position: usize,
    mutant: char,
}

/// What replaces the letters of a sequence.
enum Plan {
    /// Each of these letters.
    Each(Vec<char>, Option<BTreeSet<usize>>),
    /// What was asked for.
    Listed(Vec<Substitution>),
}

/// The substitutions of each sequence, one after the other: the sequence as the first text of a row, and its variant as the second.
///
/// `text_memory` is how many bytes of them are held before they lie in a temporary file.
///
/// # Errors
/// A substitution or position that was asked for is none of a sequence, or a column that is carried along has the name of one that is added.
pub(crate) fn scan(
    examples: &Examples,
    module: &MutationScanDataModule,
    text_memory: usize,
    notes: &mut Vec<String>,
) -> Result<Examples, Error> {
    let mut taken = examples.extra.iter().map(|(name, _)| name.as_str());
    if let Some(name) = taken.find(|name| COLUMNS.contains(name)) {
        let message = format!(
            "\"{name}\" is added to the rows itself ({})",
            list(&COLUMNS)
        );
        return Err(argument("extra_cols", message));
    }
    let sequences: Vec<String> = examples
        .texts
        .iter()
        .flat_map(Texts::iter)
        .map(|text| Ok(text?.trim().to_owned()))
        .collect::<Result<_, Error>>()?;
    let plan = Plan::of(module, &sequences, notes)?;
    let mut scanned = Scanned::new(text_memory);
    for (row, sequence) in sequences.iter().enumerate() {
        let letters: Vec<char> = sequence.chars().collect();
        let id = examples.ids.as_ref().and_then(|ids| ids.get(row));
        let id = id.map_or_else(|| row.to_string(), Clone::clone);
        let substitutions = plan.of_sequence(&letters, &id)?;
        scanned.add(row, sequence, &substitutions)?;
    }
    let have = match sequences.len() {
        1 => "1 sequence has".to_owned(),
        count => format!("{count} sequences have"),
    };
    notes.push(format!("{have} {} substitutions", scanned.rows.len()));
    scanned.finish(examples)
}

impl Plan {
    fn of(
        module: &MutationScanDataModule,
        sequences: &[String],
        notes: &mut Vec<String>,
    ) -> Result<Plan, Error> {
        if let Some(mutations) = &module.mutations {
            let listed = mutations.iter().map(|text| substitution(text));
            return Ok(Plan::Listed(listed.collect::<Result<_, _>>()?));
        }
        let positions = module.positions.as_deref().map(positions).transpose()?;
        let letters: Vec<char> = match &module.alphabet {
            Some(letters) => letters.chars().filter(|it| !it.is_whitespace()).collect(),
            None => alphabet_of(sequences, notes)?,
        };
        let distinct: BTreeSet<char> = letters.iter().copied().collect();
        if letters.is_empty() || distinct.len() < letters.len() {
            let message = "give each letter once, and at least one";
            return Err(argument("alphabet", message));
        }
        Ok(Plan::Each(letters, positions))
    }

    /// The substitutions of a sequence, position after position.
    fn of_sequence(&self, letters: &[char], id: &str) -> Result<Vec<Substitution>, Error> {
        match self {
            Plan::Each(alphabet, positions) => {
                let last = positions.iter().flatten().next_back();
                if let Some(beyond) = last.filter(|last| **last > letters.len()) {
                    let message = format!(
                        "{beyond} is past the end of \"{id}\", which has {} letters",
                        letters.len()
                    );
                    return Err(argument("positions", message));
                }
                let is_scanned = |position: &usize| {
                    let positions = positions.as_ref();
                    positions.is_none_or(|positions| positions.contains(position))
                };
                let all = (1..)
                    .zip(letters)
                    .filter(|(position, _)| is_scanned(position));
                let all = all.flat_map(|(position, &wild_type)| {
                    let mutants = alphabet.iter().filter(move |it| **it != wild_type);
                    mutants.map(move |&mutant| Substitution {
                        wild_type,
                        position,
                        mutant,
                    })
                });
                Ok(all.collect())
            }
            Plan::Listed(listed) => {
                for it in listed {
                    let found = it.position.checked_sub(1).and_then(|at| letters.get(at));
                    let problem = match found {
                        Some(letter) if *letter == it.wild_type => continue,
                        Some(letter) => format!("letter {} of \"{id}\" is {letter}", it.position),
                        None => format!("\"{id}\" has {} letters", letters.len()),
                    };
                    let text = it.text();
                    return Err(argument("mutations", format!("\"{text}\": {problem}")));
                }
                Ok(listed.clone())
            }
        }
    }
}

impl Substitution {
    fn text(self) -> String {
        format!("{}{}{}", self.wild_type, self.position, self.mutant)
    }
}

/// A substitution as people write it: `A12T`.
fn substitution(text: &str) -> Result<Substitution, Error> {
    let read = || {
        let mut letters = text.trim().chars();
        let (wild_type, mutant) = (letters.next()?, letters.next_back()?);
        let position = letters.as_str().parse().ok()?;
        let is_letter = |letter: char| !letter.is_ascii_digit();
        (is_letter(wild_type) && is_letter(mutant)).then_some(Substitution {
            wild_type,
            position,
            mutant,
        })
    };
    read().ok_or_else(|| {
        let message = format!(
            "\"{text}\" is no substitution: give the letter, its position from 1 and the letter that replaces it, as A12T"
        );
        argument("mutations", message)
    })
}

/// Longer than what any model reads at once.
const LONGEST: usize = 1 << 24;

/// Positions and ranges of them: `95`, `1-30`.
fn positions(texts: &[String]) -> Result<BTreeSet<usize>, Error> {
    let mut all = BTreeSet::new();
    for text in texts.iter().flat_map(|text| text.split(',')) {
        let number = |text: &str| text.trim().parse::<usize>().ok().filter(|it| *it > 0);
        let range = match text.split_once('-') {
            Some((first, last)) => number(first).zip(number(last)),
            None => number(text).map(|one| (one, one)),
        };
        match range.filter(|(first, last)| first <= last) {
            Some((_, last)) if last > LONGEST => {
                let message = format!("{last} is past the end of any sequence");
                return Err(argument("positions", message));
            }
            Some((first, last)) => all.extend(first..=last),
            None => {
                let message = format!(
                    "\"{text}\" is no position from 1, such as 95, and no range of them, such as 1-30"
                );
                return Err(argument("positions", message));
            }
        }
    }
    Ok(all)
}

/// The letters that sequences are of.
fn alphabet_of(sequences: &[String], notes: &mut Vec<String>) -> Result<Vec<char>, Error> {
    let mut letters = Letters::default();
    sequences.iter().for_each(|text| letters.count(text));
    let (what, alphabet) = match letters.alphabet() {
        Some(Alphabet::Dna) => ("DNA", "ACGT"),
        Some(Alphabet::Rna) => ("RNA", "ACGU"),
        Some(Alphabet::Protein) => ("proteins", AMINO_ACIDS),
        None => {
            let message = "the sequences are neither DNA, RNA nor proteins; say which letters are to be put in";
            return Err(argument("alphabet", message));
        }
    };
    notes.push(format!(
        "the sequences look like {what}: each letter is replaced by the others of {alphabet} (alphabet)"
    ));
    Ok(alphabet.chars().collect())
}

/// Rows in the making.
struct Scanned {
    /// The number of each row's sequence.
    rows: Vec<usize>,
    texts: [Vec<Text>; 2],
    columns: [Vec<Cell>; 4],
    keeper: TextKeeper,
}

impl Scanned {
    fn new(text_memory: usize) -> Scanned {
        Scanned {
            rows: vec![],
            texts: Default::default(),
            columns: Default::default(),
            keeper: TextKeeper::new(text_memory),
        }
    }

    fn add(
        &mut self,
        row: usize,
        sequence: &str,
        substitutions: &[Substitution],
    ) -> Result<(), Error> {
        let starts: Vec<usize> = sequence.char_indices().map(|(start, _)| start).collect();
        let copies = substitutions.len();
        let reference = self.keeper.keep(sequence.to_owned(), copies)?;
        for it in substitutions {
            let start = starts
                .get(it.position - 1)
                .copied()
                .unwrap_or(sequence.len());
            let (before, rest) = sequence.split_at(start);
            let after = rest.get(it.wild_type.len_utf8()..).unwrap_or_default();
            let variant = self
                .keeper
                .keep(format!("{before}{}{after}", it.mutant), 1)?;
            self.rows.push(row);
            self.texts[0].push(reference.clone());
            self.texts[1].push(variant);
            let cells = [
                Cell::from(it.text()),
                Cell::Integer(i64::try_from(it.position).unwrap_or(i64::MAX)),
                Cell::from(it.wild_type.to_string()),
                Cell::from(it.mutant.to_string()),
            ];
            for (column, cell) in self.columns.iter_mut().zip(cells) {
                column.push(cell);
            }
        }
        Ok(())
    }

    /// The rows, with what is carried along of their sequences.
    fn finish(self, examples: &Examples) -> Result<Examples, Error> {
        self.keeper.finish()?;
        let rows = &self.rows;
        let names = COLUMNS.map(str::to_owned).into_iter();
        let mut extra: Vec<_> = names.zip(self.columns).collect();
        extra.extend(
            examples
                .extra
                .iter()
                .map(|(name, cells)| (name.clone(), pick(cells, rows))),
        );
        Ok(Examples {
            ids: examples.ids.as_ref().map(|ids| pick(ids, rows)),
            texts: self.texts.map(Texts::from_iter).to_vec(),
            names: Vec::new(),
            labels: None,
            alignments: None,
            tokens: None,
            weights: None,
            batches: None,
            extra,
            origins: pick(&examples.origins, rows),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Rows;

    fn module() -> MutationScanDataModule {
        MutationScanDataModule {
            rows: Rows::new("x"),
            x_col: vec!["sequence".to_owned()],
            id_col: "id".to_owned(),
            alphabet: None,
            positions: None,
            mutations: None,
        }
    }

    fn scanned(sequences: &[&str], module: &MutationScanDataModule) -> Result<Examples, String> {
        let examples = Examples::from_texts(sequences.iter().copied());
        let read = |memory| scan(&examples, module, memory, &mut vec![]);
        let held = read(usize::MAX).map_err(|error| error.to_string())?;
        assert_eq!(read(0).unwrap(), held, "wherever texts lie");
        Ok(held)
    }

    fn column(examples: &Examples, name: &str) -> String {
        let column = examples.extra.iter().find(|(own, _)| own == name);
        let cells = column.unwrap().1.iter().map(ToString::to_string);
        cells.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_letter_is_replaced_by_each_other_one() {
        let all = scanned(&["AC", " G\n"], &module()).unwrap();
        assert_eq!(
            all.texts[0],
            ["AC", "AC", "AC", "AC", "AC", "AC", "G", "G", "G"]
        );
        assert_eq!(
            all.texts[1],
            ["CC", "GC", "TC", "AA", "AG", "AT", "A", "C", "T"]
        );
        assert_eq!(
            column(&all, "mutation"),
            "A1C A1G A1T C2A C2G C2T G1A G1C G1T"
        );
        assert_eq!(column(&all, "position"), "1 1 1 2 2 2 1 1 1");
        assert_eq!(column(&all, "wild_type"), "A A A C C C G G G");
        assert_eq!(column(&all, "mutant"), "C G T A G T A C T");
        assert_eq!(all.ids.unwrap().concat(), "000000111");
    }

    #[test]
    fn letters_positions_and_substitutions_can_be_chosen() {
        let some = MutationScanDataModule {
            alphabet: Some("AC".to_owned()),
            positions: Some(vec!["2-3".to_owned(), "5".to_owned()]),
            ..module()
        };
        let some = scanned(&["AAAAA"], &some).unwrap();
        assert_eq!(some.texts[1], ["ACAAA", "AACAA", "AAAAC"]);
        let listed = MutationScanDataModule {
            mutations: Some(vec!["M1K".to_owned(), "W3A".to_owned()]),
            ..module()
        };
        let listed = scanned(&["MEW", "MQWE"], &listed).unwrap();
        assert_eq!(listed.texts[1], ["KEW", "MEA", "KQWE", "MQAE"]);
    }

    #[test]
    fn the_alphabet_is_that_of_the_sequences() {
        let count = |sequence: &str| scanned(&[sequence], &module()).map(|it| it.len());
        assert_eq!(count("ACGUACGU"), Ok(8 * 3));
        assert_eq!(count("GIGKFLKKAKKF"), Ok(12 * 19));
        assert_eq!(
            count("0120"),
            Err("alphabet: the sequences are neither DNA, RNA nor proteins; say which letters are to be put in".to_owned())
        );
    }

    #[test]
    fn what_no_sequence_has_is_refused_by_name() {
        let with = |change: fn(&mut MutationScanDataModule)| {
            let mut module = module();
            change(&mut module);
            scanned(&["ACGT"], &module).unwrap_err()
        };
        assert_eq!(
            with(|it| it.mutations = Some(vec!["G1T".to_owned()])),
            "mutations: \"G1T\": letter 1 of \"0\" is A"
        );
        assert_eq!(
            with(|it| it.mutations = Some(vec!["A9T".to_owned()])),
            "mutations: \"A9T\": \"0\" has 4 letters"
        );
        let no_substitution = with(|it| it.mutations = Some(vec!["A0T".to_owned()]));
        assert_eq!(no_substitution, "mutations: \"A0T\": \"0\" has 4 letters");
        let no_substitution = with(|it| it.mutations = Some(vec!["AT".to_owned()]));
        assert!(no_substitution.starts_with("mutations: \"AT\" is no substitution"));
        assert_eq!(
            with(|it| it.positions = Some(vec!["2-7".to_owned()])),
            "positions: 7 is past the end of \"0\", which has 4 letters"
        );
        let no_range = with(|it| it.positions = Some(vec!["3-2".to_owned()]));
        assert!(no_range.starts_with("positions: \"3-2\" is no position from 1"));
        let twice = with(|it| it.alphabet = Some("AA".to_owned()));
        assert_eq!(twice, "alphabet: give each letter once, and at least one");
    }

    #[test]
    fn columns_of_its_own_names_are_refused() {
        let mut examples = Examples::from_texts(["AC"]);
        examples.extra = vec![("mutant".to_owned(), vec!["x".into()])];
        let error = scan(&examples, &module(), 0, &mut vec![]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "extra_cols: \"mutant\" is added to the rows itself (\"mutation\", \"position\", \"wild_type\", \"mutant\")"
        );
    }
}
