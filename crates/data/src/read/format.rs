//! Which format a file is in, and how it is compressed, by its name.

use std::path::Path;

/// A format that tables are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma separated, quoted as Python's `csv` module does.
    Csv,
    /// Tab separated, quoted as Python's `csv` module does.
    Tsv,
    /// One JSON object a line, or one array of objects.
    Json,
    /// Parquet.
    Parquet,
    /// Sequences, each after a header that begins with `>`.
    Fasta,
    /// Sequences with a quality for each letter, four lines a record.
    Fastq,
    /// Plain text: a row for each line.
    Text,
    /// Connectivity tables of secondary structures, of one RNA or several.
    Ct,
    /// Base pairs of one RNA or several.
    Bpseq,
    /// RNAs with brackets, and files of bpRNA.
    DotBracket,
}

/// Extensions and the format each stands for.
const EXTENSIONS: [(&str, Format); 28] = [
    ("csv", Format::Csv),
    ("tsv", Format::Tsv),
    ("tab", Format::Tsv),
    ("jsonl", Format::Json),
    ("ndjson", Format::Json),
    ("json", Format::Json),
    ("parquet", Format::Parquet),
    ("pq", Format::Parquet),
    ("fasta", Format::Fasta),
    ("fa", Format::Fasta),
    ("fas", Format::Fasta),
    ("fna", Format::Fasta),
    ("ffn", Format::Fasta),
    ("faa", Format::Fasta),
    ("frn", Format::Fasta),
    ("pep", Format::Fasta),
    ("cds", Format::Fasta),
    ("cdna", Format::Fasta),
    ("fsa", Format::Fasta),
    ("mfa", Format::Fasta),
    ("mpfa", Format::Fasta),
    ("fastq", Format::Fastq),
    ("fq", Format::Fastq),
    ("txt", Format::Text),
    ("ct", Format::Ct),
    ("bpseq", Format::Bpseq),
    ("dbn", Format::DotBracket),
    ("st", Format::DotBracket),
];

impl Format {
    /// The format that a file's extension stands for, in upper or lower case; that of a compressed file comes before `.gz` or `.zst`.
    pub fn of(path: &Path) -> Option<Format> {
        let name = path.file_name()?.to_str()?;
        let (_, extension) = Compression::split(name).0.rsplit_once('.')?;
        let extension = extension.to_ascii_lowercase();
        EXTENSIONS
            .iter()
            .find(|(known, _)| *known == extension)
            .map(|(_, format)| *format)
    }

    /// The extensions that are read, as a list for messages.
    pub fn known() -> String {
        let listed = EXTENSIONS.map(|(extension, _)| format!(".{extension}"));
        format!("{}, each also with .gz or .zst", listed.join(", "))
    }

    /// What the format is called in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::Csv => "CSV",
            Format::Tsv => "TSV",
            Format::Json => "JSON",
            Format::Parquet => "Parquet",
            Format::Fasta => "FASTA",
            Format::Fastq => "FASTQ",
            Format::Text => "plain text",
            Format::Ct => "CT",
            Format::Bpseq => "BPSEQ",
            Format::DotBracket => "dot-bracket",
        }
    }
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    const EXTENSIONS: [(&'static str, Compression); 4] = [
        ("gz", Compression::Gzip),
        ("bgz", Compression::Gzip),
        ("zst", Compression::Zstd),
        ("zstd", Compression::Zstd),
    ];

    /// A file's name without the extension of a compression, and the compression it stood for.
    pub(crate) fn split(name: &str) -> (&str, Option<Compression>) {
        let split = name.rsplit_once('.').and_then(|(stem, extension)| {
            let extension = extension.to_ascii_lowercase();
            let mut known = Self::EXTENSIONS.into_iter();
            let (_, compression) = known.find(|(known, _)| *known == extension)?;
            Some((stem, Some(compression)))
        });
        split.unwrap_or((name, None))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "Zstandard",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_before_that_of_a_compression_decides() {
        let of = |name: &str| Format::of(Path::new(name));
        assert_eq!(of("d/train.TSV.gz"), Some(Format::Tsv));
        assert_eq!(of("reads.fq.zst"), Some(Format::Fastq));
        assert_eq!(of("genome.fa.bgz"), Some(Format::Fasta));
        assert_eq!(of("lines.txt"), Some(Format::Text));
        assert_eq!(of("arabidopsis.pep.gz"), Some(Format::Fasta));
        assert_eq!(of("arabidopsis.CDS"), Some(Format::Fasta));
        assert_eq!(of("train.gz"), None);
        assert_eq!(of("gz"), None);
    }
}
