//! Secondary structures of RNA as files of them are written: connectivity tables, base pairs, brackets.

use std::path::Path;

use crate::pairs::PairRow;

/// A format that structures are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StructureFormat {
    /// Connectivity tables.
    Ct,
    /// Base pairs.
    Bpseq,
    /// Brackets below their sequence.
    DotBracket,
}

impl StructureFormat {
    /// The format that a file's extension stands for.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_ascii_lowercase();
        match extension.to_str()? {
            "ct" => Some(Self::Ct),
            "bpseq" => Some(Self::Bpseq),
            "dbn" => Some(Self::DotBracket),
            _ => None,
        }
    }

    /// One RNA: its name, its bases and which of these pair; of a sequence that was cut, its beginning. Records that follow each other are a
    /// file, which is read again.
    ///
    /// # Errors
    /// In words: there are fewer kinds of brackets than the structure needs.
    pub fn record(self, name: &str, sequence: &str, pairs: &PairRow) -> Result<String, String> {
        // What breaks a line would end the header.
        let name = name.replace(char::is_control, " ");
        let sequence: String = sequence.chars().take(pairs.length()).collect();
        let mut partners = vec![0; pairs.length()];
        for &[one, other] in pairs.together() {
            partners[one as usize] = other + 1;
            partners[other as usize] = one + 1;
        }
        match self {
            Self::Ct => Ok(table(&name, &sequence, &partners)),
            Self::Bpseq => Ok(base_pairs(&name, &sequence, &partners)),
            Self::DotBracket => match pairs.brackets() {
                Some(structure) => Ok(format!(">{name}\n{sequence}\n{structure}\n")),
                None => Err(
                    "has more crossing pairs than there are kinds of brackets; name a .ct or .bpseq file"
                        .to_owned(),
                ),
            },
        }
    }

    /// The extensions that are written, as a list for messages.
    pub fn known() -> &'static str {
        ".ct, .bpseq or .dbn"
    }
}

/// A line for each base with its number, its letter, the numbers before and after, and that of its partner, 0 for none.
fn table(name: &str, sequence: &str, partners: &[u32]) -> String {
    let count = partners.len();
    let mut table = format!("{count}\t{name}\n");
    for ((at, base), partner) in (1..).zip(sequence.chars()).zip(partners) {
        let (before, after) = (at - 1, if at < count { at + 1 } else { 0 });
        let line = format!("{at}\t{base}\t{before}\t{after}\t{partner}\t{at}\n");
        table.push_str(&line);
    }
    table
}

/// A line for each base with its number, its letter and the number of its partner, 0 for none.
fn base_pairs(name: &str, sequence: &str, partners: &[u32]) -> String {
    let mut lines = format!("#Name: {name}\n");
    for ((at, base), partner) in (1..).zip(sequence.chars()).zip(partners) {
        lines.push_str(&format!("{at} {base} {partner}\n"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_base_stands_with_its_partner() {
        let pairs = PairRow::new(4, [[0, 2]]).unwrap();
        let record = |format: StructureFormat| format.record("x\n1", "GACCTT", &pairs).unwrap();
        let table =
            "4\tx 1\n1\tG\t0\t2\t3\t1\n2\tA\t1\t3\t0\t2\n3\tC\t2\t4\t1\t3\n4\tC\t3\t0\t0\t4\n";
        assert_eq!(record(StructureFormat::Ct), table);
        let listed = "#Name: x 1\n1 G 3\n2 A 0\n3 C 1\n4 C 0\n";
        assert_eq!(record(StructureFormat::Bpseq), listed);
        assert_eq!(record(StructureFormat::DotBracket), ">x 1\nGACC\n(.).\n");
        // Forty pairs that all cross each other.
        let crossing = PairRow::new(80, (0..40).map(|at| [at, at + 40])).unwrap();
        let letters = "A".repeat(80);
        let record = |format: StructureFormat| format.record("x", &letters, &crossing);
        assert!(record(StructureFormat::DotBracket).is_err());
        assert!(
            record(StructureFormat::Ct)
                .unwrap()
                .contains("\n1\tA\t0\t2\t41\t1\n")
        );
    }

    #[test]
    fn the_extension_decides() {
        let of = |name: &str| StructureFormat::of(Path::new(name));
        assert_eq!(of("a.CT"), Some(StructureFormat::Ct));
        assert_eq!(of("a.b.bpseq"), Some(StructureFormat::Bpseq));
        assert_eq!(of("a.dbn"), Some(StructureFormat::DotBracket));
        assert_eq!(of("a.tsv"), None);
    }
}
