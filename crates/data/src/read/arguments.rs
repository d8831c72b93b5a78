//! What a user may say of how files are read.

use engraft_component::{Component, Context, FromNode, Kind, Node, Words};
use regex::Regex;

use super::format::Format;
use crate::error::{Error, argument, list, once};

/// How files are read, where their formats leave it open.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(
    keep_default_na = "every cell is kept as the text it is, as with keep_default_na: false, so \"NA\" stays \"NA\"",
    na_filter = "every cell is kept as the text it is, so \"NA\" stays \"NA\"",
    dtype = "every cell is kept as the text it is, and read as a number where one is needed",
    low_memory = "files are always read row by row",
    engine = "there is one reader for each format",
))]
pub struct ReaderArguments {
    /// The character between the cells of a CSV or TSV file, `\t` for a tab; or between the fields of a FASTA or FASTQ header, which `names` then names.
    #[arg(alias = "delimiter")]
    pub sep: Option<String>,
    /// The character around cells that hold separators or line ends, in CSV and TSV; null where quotes are ordinary characters.
    #[arg(default = Quote::Default)]
    pub quotechar: Quote,
    /// Names of the columns of a CSV or TSV file that has no line of names (or whose line `header: 0` replaces); or of the fields that `sep` divides a FASTA or FASTQ header into.
    #[arg(alias = "column_names")]
    pub names: Option<Vec<String>>,
    /// Whether the first line of a CSV or TSV file names its columns: `0` if it does, null if not; by default it does unless `names` are given.
    #[arg(default = Header::Infer)]
    pub header: Header,
    /// Lines to skip at the start of a CSV, TSV or plain text file.
    #[arg(default = 0)]
    pub skiprows: usize,
    /// The only columns to read; by default all.
    #[arg(alias = "usecols")]
    pub columns: Option<Vec<String>>,
    /// What is a row of a plain text file: a `line`, a `paragraph` between blank lines, or the whole file (`document`).
    #[arg(default = SampleBy::Line)]
    pub sample_by: SampleBy,
    /// A regular expression that the header of every FASTA or FASTQ record matches, without its `>` or `@`; its named groups, such as `(?<label>\d+)`, become columns.
    pub header_pattern: Option<String>,
}

/// The character around cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quote {
    /// `"`.
    #[default]
    Default,
    /// This ASCII character.
    Character(u8),
    /// None.
    Off,
}

/// Whether a table begins with the names of its columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Header {
    /// It does unless names are given.
    #[default]
    Infer,
    /// It does.
    First,
    /// It does not.
    Absent,
}

/// What a row of plain text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Words)]
pub enum SampleBy {
    /// A line that is not blank.
    #[default]
    Line,
    /// Lines without a blank one between them.
    Paragraph,
    /// The whole file.
    Document,
}

impl ReaderArguments {
    /// Checks what can be checked without a file.
    ///
    /// # Errors
    /// A value is one that it cannot have.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for (key, names) in [("names", &self.names), ("columns", &self.columns)] {
            let Some(names) = names else { continue };
            if names.is_empty() {
                return Err(Self::wrong(key, "the list is empty"));
            }
            once(&Self::key(key), names)?;
        }
        if self.sep.as_ref().is_some_and(String::is_empty) {
            return Err(Self::wrong("sep", "is empty"));
        }
        if self.header_pattern.is_some() && (self.sep.is_some() || self.names.is_some()) {
            return Err(Self::wrong(
                "header_pattern",
                "goes without sep and names, which divide headers in another way",
            ));
        }
        self.pattern().map(drop)
    }

    /// The pattern of headers.
    pub(super) fn pattern(&self) -> Result<Option<Regex>, Error> {
        let Some(pattern) = &self.header_pattern else {
            return Ok(None);
        };
        let compiled = Regex::new(pattern).map_err(|error| {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim();
            Self::wrong(
                "header_pattern",
                format!("is no regular expression: {reason}"),
            )
        })?;
        match compiled.capture_names().flatten().next() {
            Some(_) => Ok(Some(compiled)),
            None => Err(Self::wrong(
                "header_pattern",
                "names no group. Write (?<label>...) around what is to become the column \"label\"",
            )),
        }
    }

    /// Refuses what has no meaning for a format.
    pub(super) fn check_for(&self, format: Format) -> Result<(), Error> {
        use Format::{Csv, Fasta, Fastq, Text, Tsv};
        let tables: &[Format] = &[Csv, Tsv];
        let sequences: &[Format] = &[Fasta, Fastq];
        let both: &[Format] = &[Csv, Tsv, Fasta, Fastq];
        let uses = [
            ("sep", self.sep.is_some(), both),
            ("quotechar", self.quotechar != Quote::Default, tables),
            ("names", self.names.is_some(), both),
            ("header", self.header != Header::Infer, tables),
            ("skiprows", self.skiprows != 0, &[Csv, Tsv, Text]),
            ("sample_by", self.sample_by != SampleBy::Line, &[Text]),
            ("header_pattern", self.header_pattern.is_some(), sequences),
        ];
        let meaningless =
            |(_, given, formats): &&(_, bool, &[Format])| *given && !formats.contains(&format);
        if let Some((key, _, formats)) = uses.iter().find(meaningless) {
            let names: Vec<&str> = formats.iter().map(|format| format.name()).collect();
            let message = format!(
                "has no meaning for {} files, only for {}",
                format.name(),
                names.join(", ")
            );
            return Err(Self::wrong(key, message));
        }
        match (&self.sep, &self.names) {
            (Some(_), None) if sequences.contains(&format) => Err(Self::wrong(
                "sep",
                "divides headers into fields, so names must name these",
            )),
            (None, Some(names)) if sequences.contains(&format) => Err(Self::wrong(
                "names",
                format!(
                    "{} are to be fields of headers, so sep must say what divides these",
                    list(names)
                ),
            )),
            _ => Ok(()),
        }
    }

    /// The separator where it must be one byte.
    pub(super) fn one_byte_separator(&self) -> Result<Option<u8>, Error> {
        let Some(sep) = self.sep.as_deref() else {
            return Ok(None);
        };
        match unescaped(sep).as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(Some(*byte)),
            _ => Err(Self::wrong(
                "sep",
                format!("must be one ASCII character, not {sep:?}"),
            )),
        }
    }

    /// The separator of the fields of headers, of any length, and the names of the fields.
    pub(super) fn header_fields(&self) -> Option<(String, &[String])> {
        let (sep, names) = (self.sep.as_deref()?, self.names.as_deref()?);
        Some((unescaped(sep), names))
    }

    /// An error of the argument `key`.
    pub(super) fn wrong(key: &str, message: impl Into<String>) -> Error {
        argument(&Self::key(key), message)
    }

    /// The whole name of the argument `key`.
    fn key(key: &str) -> String {
        format!("extra_reader_kwargs.{key}")
    }
}

/// A tab as it is written where backslashes are kept.
fn unescaped(sep: &str) -> String {
    sep.replace("\\t", "\t")
}

impl FromNode for Quote {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, engraft_component::Refusal> {
        match node.as_text().map(str::as_bytes) {
            _ if node.is_null() => Ok(Quote::Off),
            Some([b'"']) => Ok(Quote::Default),
            Some([byte]) if byte.is_ascii() => Ok(Quote::Character(*byte)),
            _ => Err(cx.expected(node, "one ASCII character, or null")),
        }
    }

    fn to_node(&self) -> Node {
        match self {
            Quote::Default => Node::text("\""),
            Quote::Character(byte) => Node::text(char::from(*byte).to_string()),
            Quote::Off => Node::null(),
        }
    }

    fn kind() -> Kind {
        Kind::Optional(Box::new(Kind::Text))
    }
}

impl FromNode for Header {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, engraft_component::Refusal> {
        match node.as_scalar().map(|scalar| scalar.text.as_str()) {
            _ if node.is_null() => Ok(Header::Absent),
            Some("infer") => Ok(Header::Infer),
            Some("0") => Ok(Header::First),
            _ => Err(cx.expected(node, "0, null or infer")),
        }
    }

    fn to_node(&self) -> Node {
        match self {
            Header::Infer => Node::text("infer"),
            Header::First => Node::plain("0"),
            Header::Absent => Node::null(),
        }
    }

    fn kind() -> Kind {
        Kind::Optional(Box::new(Kind::Words(vec!["infer", "0"])))
    }
}
