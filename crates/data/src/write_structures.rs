//! Secondary structures of RNA as files of them are written: connectivity tables, base pairs, brackets.

use std::fmt::Write;
use std::path::Path;

use crate::pairs::of_brackets;

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

    /// One RNA: its name, its bases and its structure in brackets. Records that follow each other are a file, which is read again.
    ///
    /// # Errors
    /// In words: the structure has another length, or brackets that do not match.
    pub fn record(self, name: &str, sequence: &str, structure: &str) -> Result<String, String> {
        // What breaks a line would end the header.
        let name = name.replace(char::is_control, " ");
        let count = sequence.chars().count();
        let pairs = of_brackets(structure, count)?;
        let mut partners = vec![0; count];
        for &[one, other] in pairs.together() {
            partners[one as usize] = other + 1;
            partners[other as usize] = one + 1;
        }
        let mut record = match self {
            Self::Ct => format!("{count}\t{name}\n"),
            Self::Bpseq => format!("#Name: {name}\n"),
            Self::DotBracket => return Ok(format!(">{name}\n{sequence}\n{structure}\n")),
        };
        for ((at, base), partner) in (1..).zip(sequence.chars()).zip(partners) {
            // Text is written without errors.
            let _ = match self {
                Self::Ct => {
                    let after = if at < count { at + 1 } else { 0 };
                    let before = at - 1;
                    writeln!(record, "{at}\t{base}\t{before}\t{after}\t{partner}\t{at}")
                }
                _ => writeln!(record, "{at} {base} {partner}"),
            };
        }
        Ok(record)
    }

    /// The extensions that are written, as a list for messages.
    pub fn known() -> &'static str {
        ".ct, .bpseq or .dbn"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_base_stands_with_its_partner() {
        let record = |format: StructureFormat| format.record("x\n1", "GACC", "(.).").unwrap();
        let table =
            "4\tx 1\n1\tG\t0\t2\t3\t1\n2\tA\t1\t3\t0\t2\n3\tC\t2\t4\t1\t3\n4\tC\t3\t0\t0\t4\n";
        assert_eq!(record(StructureFormat::Ct), table);
        let pairs = "#Name: x 1\n1 G 3\n2 A 0\n3 C 1\n4 C 0\n";
        assert_eq!(record(StructureFormat::Bpseq), pairs);
        assert_eq!(record(StructureFormat::DotBracket), ">x 1\nGACC\n(.).\n");
        assert!(StructureFormat::Ct.record("x", "GACC", "(.)").is_err());
        assert!(StructureFormat::Ct.record("x", "GACC", "(..").is_err());
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
