//! What all formats have in common.

mod arguments;

use std::fs;

use proptest::prelude::*;

use super::*;

fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn message(name: &str, bytes: &[u8]) -> String {
    let (folder, path) = written(name, bytes);
    let error = read_table(&path, &ReaderOptions::default())
        .unwrap_err()
        .to_string();
    error.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_missing_file_is_named() {
    let error = read_table(Path::new("no/such.tsv"), &ReaderOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no/such.tsv: there is no such file or folder"
    );
}

#[test]
fn files_without_rows_are_refused() {
    assert_eq!(message("a.csv", b""), "a.csv: the file is empty");
    assert_eq!(
        message("a.csv", b"\xef\xbb\xbf \n"),
        "a.csv: the file is empty"
    );
    assert_eq!(
        message("a.csv", b"text,label\n"),
        "a.csv: the file has no rows"
    );
    assert_eq!(message("a.json", b"[]"), "a.json: the file has no rows");
}

#[test]
fn a_binary_file_is_refused_with_the_line() {
    assert_eq!(
        message("a.tsv", b"a\tb\n1\t2\n\x00\t"),
        "a.tsv:3: a zero byte; is this a text file in UTF-8?"
    );
    assert_eq!(
        message("a.jsonl", b"{}\r\n\xff"),
        "a.jsonl:2: a byte that is not UTF-8; is this a text file in UTF-8?"
    );
}

#[test]
fn an_unknown_extension_lists_the_known_ones() {
    assert_eq!(
        message("a.xlsx", b"x"),
        "a.xlsx: unknown kind of table; the extensions read are .csv, .tsv, .tab, .jsonl, .ndjson, .json, .parquet, .pq, .fasta, .fa, .fas, .fna, .ffn, .faa, .fastq, .fq, .txt, each also with .gz or .zst"
    );
}

#[test]
fn a_format_can_be_forced_on_any_extension() {
    let (_folder, path) = written("a.txt", b"x,y\n1,2\n");
    let options = ReaderOptions {
        format: Some(Format::Csv),
        ..ReaderOptions::default()
    };
    assert_eq!(read_table(&path, &options).unwrap().names(), ["x", "y"]);
}

fn is_read_or_refused(bytes: &[u8]) {
    use Format::{Csv, Fasta, Fastq, Json, Parquet, Text, Tsv};
    for format in [Csv, Tsv, Json, Parquet, Fasta, Fastq, Text] {
        let options = ReaderOptions {
            format: Some(format),
            ..ReaderOptions::default()
        };
        if let Ok(table) = table_of_bytes(Path::new("a"), bytes, &options) {
            let mut columns = table.columns.iter();
            assert!(columns.all(|column| column.cells.len() == table.len()));
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        is_read_or_refused(&bytes);
    }

    #[test]
    fn arbitrary_text_is_read_or_refused(text in "[\\[\\]{}\",:a1é\t\r\n ]{0,60}") {
        is_read_or_refused(text.as_bytes());
    }
}

fn golden(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("../../tests/golden/tables").join(name)
}

fn read(name: &str) -> Table {
    read_table(&golden(name), &ReaderOptions::default()).unwrap()
}

/// The columns of a table with all cells as they are written.
fn shown(table: &Table) -> Vec<(&str, Vec<String>)> {
    let columns = table.columns.iter();
    columns
        .map(|column| {
            let cells = column.cells.iter().map(ToString::to_string);
            (column.name.as_str(), cells.collect())
        })
        .collect()
}

#[test]
fn the_same_rows_come_from_every_format_of_tables() {
    let expected = read("rows.csv");
    for name in [
        "rows.tsv",
        "rows.jsonl",
        "rows.json",
        "rows.parquet",
        "zstd.parquet",
        "gzip.parquet",
    ] {
        assert_eq!(shown(&read(name)), shown(&expected), "{name}");
    }
}

#[test]
fn a_compressed_file_has_the_rows_of_the_file_it_was() {
    for name in [
        "rows.tsv",
        "rows.jsonl",
        "proteins.fasta",
        "reads.fastq",
        "lines.txt",
    ] {
        for extension in ["gz", "zst"] {
            let packed = read(&format!("{name}.{extension}"));
            assert_eq!(packed.columns, read(name).columns, "{name}.{extension}");
        }
    }
    for name in ["members.fasta.gz", "blocks.fasta.gz"] {
        assert_eq!(read(name).columns, read("proteins.fasta").columns, "{name}");
    }
    let (_folder, path) = written("rows.parquet.gz", &{
        let mut packed = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        io::Write::write_all(&mut packed, &fs::read(golden("rows.parquet")).unwrap()).unwrap();
        packed.finish().unwrap()
    });
    let packed = read_table(&path, &ReaderOptions::default()).unwrap();
    assert_eq!(packed.columns, read("rows.parquet").columns);
}

#[test]
fn a_compressed_file_cut_short_anywhere_is_refused() {
    for name in [
        "rows.tsv.gz",
        "rows.tsv.zst",
        "proteins.fasta.gz",
        "proteins.fasta.zst",
        "blocks.fasta.gz",
        "reads.fastq.gz",
        "lines.txt.gz",
        "lines.txt.zst",
        "rows.parquet",
        "zstd.parquet",
    ] {
        let bytes = fs::read(golden(name)).unwrap();
        for length in 0..bytes.len() {
            let options = ReaderOptions::default();
            let read = table_of_bytes(Path::new(name), &bytes[..length], &options);
            assert!(
                read.is_err(),
                "{name} cut to {length} of {} bytes",
                bytes.len()
            );
        }
    }
    let bytes = fs::read(golden("proteins.fasta.gz")).unwrap();
    assert_eq!(
        message("p.fasta.gz", &bytes[..80]),
        "p.fasta.gz:7: the file is cut short: its gzip data end in the middle; fetch or copy it again"
    );
    let blocks = fs::read(golden("blocks.fasta.gz")).unwrap();
    assert_eq!(
        message("p.fa.gz", &blocks[..blocks.len() - 28]),
        "p.fa.gz: the file is cut short: the end that bgzip writes is missing; fetch or copy it again"
    );
    assert_eq!(
        message("p.fasta.zst", b">p\nACGT\n"),
        "p.fasta.zst: the name promises Zstandard data, but the file does not begin like them; it is damaged or misnamed"
    );
}

#[test]
fn a_damaged_file_is_read_or_refused() {
    for name in [
        "rows.parquet",
        "zstd.parquet",
        "kinds.parquet",
        "rows.tsv.gz",
        "rows.tsv.zst",
    ] {
        let bytes = fs::read(golden(name)).unwrap();
        for at in 0..bytes.len() {
            for bits in [0x01, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] ^= bits;
                let _ = table_of_bytes(Path::new(name), &bytes, &ReaderOptions::default());
            }
        }
    }
}

#[test]
fn every_kind_of_parquet_value_is_a_cell() {
    let expected: Vec<(&str, [&str; 3])> = vec![
        ("text", ["a", "", "é"]),
        ("bytes", ["x", "", "y"]),
        ("whole", ["1", "", "-3"]),
        ("small", ["1", "", "255"]),
        ("large", ["1", "", "18446744073709551615"]),
        ("single", ["0.1", "", "2.5"]),
        ("double", ["0.1", "", "nan"]),
        ("truth", ["true", "", "false"]),
        ("date", ["2024-02-29", "", "1969-12-31"]),
        ("price", ["1.50", "", "-0.25"]),
        ("list", ["[1,2]", "", "[]"]),
        ("words", ["[\"a\",null]", "", "[\"b\"]"]),
        ("struct", ["{\"k\":1}", "", "{\"k\":null}"]),
    ];
    let table = read("kinds.parquet");
    let expected = expected
        .into_iter()
        .map(|(name, cells)| (name, cells.map(String::from).to_vec()));
    assert_eq!(shown(&table), expected.collect::<Vec<_>>());
    assert_eq!(table.origins[2].line, 3);
}

#[test]
fn bytes_that_are_no_text_are_named_by_column_and_row() {
    let error = read_table(&golden("binary.parquet"), &ReaderOptions::default()).unwrap_err();
    let message = error.to_string();
    assert!(
        message.ends_with(
            "binary.parquet:2: the column \"sequences\" holds bytes that are not UTF-8, which is neither text nor a number"
        ),
        "{message}"
    );
}

#[test]
fn records_of_sequences_have_their_headers_as_columns() {
    let table = read("proteins.fasta");
    assert_eq!(
        shown(&table),
        [
            (
                "id",
                vec!["p1".to_owned(), "p2".to_owned(), "p3".to_owned()]
            ),
            (
                "description",
                ["label=0 kd=0.5", "label=1 kd=-1.25", "label=0 kd=3.0"]
                    .map(String::from)
                    .to_vec()
            ),
            (
                "sequence",
                ["EVQLVESGGG", "GIGAVLKVLTTGLPALISWIKRKRQQ", "MKTAYIAK"]
                    .map(String::from)
                    .to_vec()
            ),
            ("label", ["0", "1", "0"].map(String::from).to_vec()),
            ("kd", ["0.5", "-1.25", "3.0"].map(String::from).to_vec()),
        ]
    );
    let lines: Vec<u64> = table.origins.iter().map(|origin| origin.line).collect();
    assert_eq!(lines, [1, 5, 9]);
    assert_eq!(table.text_column, Some("sequence"));
    let reads = read("reads.fastq");
    assert_eq!(
        reads.names(),
        ["id", "description", "sequence", "quality", "lane"]
    );
    assert_eq!(reads.columns[3].cells, ["IIII".into(), "@+>I!".into()]);
    assert_eq!(reads.origins[1].line, 5);
}

#[test]
fn what_is_wrong_with_records_is_said_with_the_line() {
    for (name, text, expected) in [
        (
            "a.fa",
            "ACGT\n>p\nA\n",
            "a.fa:1: expected a header, which begins with \">\"",
        ),
        (
            "a.fa",
            "\n>p\nAC\n>q\n\n>r\nA\n",
            "a.fa:4: the record \"q\" has no sequence",
        ),
        (
            "a.fa",
            ">p\nA\n>p x\nC\n",
            "a.fa:3: the id \"p\" is also that of the record on line 1; give each record its own",
        ),
        (
            "a.fa",
            "> p\nA\n",
            "a.fa:1: the header names no record: its id follows \">\" without a space",
        ),
        (
            "a.fa",
            ">p\nA>C\n",
            "a.fa:1: the sequence of \"p\" has a \">\" within a line",
        ),
        ("a.fa", ">p", "a.fa:1: the record \"p\" has no sequence"),
        (
            "a.fq",
            ">p\nA\n",
            "a.fq:1: expected a header, which begins with \"@\"",
        ),
        (
            "a.fq",
            "@p\nACGT\n+\nIII\n",
            "a.fq:1: the record \"p\" has 4 letters and 3 qualities",
        ),
        (
            "a.fq",
            "@p\nA\n+\nI\n@q\nAC\nGT\n+\nIIII\n",
            "a.fq:5: the third line of this record does not begin with \"+\"; a sequence takes one line",
        ),
        (
            "a.fq",
            "@p\nA\n+\nI\n@q\nAC\n",
            "a.fq:5: the file ends within this record",
        ),
        (
            "a.fq",
            "@p\n\n+\n\n",
            "a.fq:1: the record \"p\" has no sequence",
        ),
        ("a.fa", "\n \n", "a.fa: the file is empty"),
        ("a.txt", "\n \n", "a.txt: the file is empty"),
    ] {
        assert_eq!(message(name, text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn sequences_keep_their_letters_and_lose_white_space() {
    let text = b"\xef\xbb\xbf>p one\r\nac gt\r\n\r\nNN*-\r\n>q\nA\t\n";
    let table = table_of_bytes(Path::new("a.fa"), text, &ReaderOptions::default()).unwrap();
    assert_eq!(
        table.column("sequence").unwrap().cells,
        ["acgtNN*-".into(), "A".into()]
    );
    assert_eq!(table.column("id").unwrap().cells, ["p".into(), "q".into()]);
}

#[test]
fn plain_text_is_read_by_lines_paragraphs_or_as_a_whole() {
    let by = |sample_by| {
        let options = ReaderOptions {
            arguments: ReaderArguments {
                sample_by,
                ..ReaderArguments::default()
            },
            ..ReaderOptions::default()
        };
        let text = b"\n a\nb\r\n \nc\n\n";
        let table = table_of_bytes(Path::new("a.txt"), text, &options).unwrap();
        let lines = table.origins.iter().map(|origin| origin.line);
        let cells = table
            .column("text")
            .unwrap()
            .cells
            .iter()
            .map(ToString::to_string);
        lines.zip(cells).collect::<Vec<_>>()
    };
    let rows = |rows: &[(u64, &str)]| -> Vec<(u64, String)> {
        rows.iter()
            .map(|(line, text)| (*line, (*text).to_owned()))
            .collect()
    };
    assert_eq!(by(SampleBy::Line), rows(&[(2, " a"), (3, "b"), (5, "c")]));
    assert_eq!(by(SampleBy::Paragraph), rows(&[(2, " a\nb"), (5, "c")]));
    assert_eq!(by(SampleBy::Document), rows(&[(1, "\n a\nb\n \nc\n")]));
}

/// A Parquet file with a field in its footer that no version of the format has.
fn with_field(field: &[u8]) -> Vec<u8> {
    let bytes = fs::read(golden("rows.parquet")).unwrap();
    let end = bytes.len() - 8;
    let size = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap());
    let size = size + u32::try_from(field.len()).unwrap();
    // The footer ends with a zero.
    let (before, end) = (&bytes[..end - 1], &bytes[end + 4..]);
    [before, field, &[0], &size.to_le_bytes(), end].concat()
}

#[test]
fn a_parquet_file_that_claims_more_values_than_it_has_bytes_is_refused() {
    const MOST: [u8; 5] = [0xff, 0xff, 0xff, 0xff, 0x07];
    // Field 11, which readers skip: a list of one number, and one of an empty text.
    for field in [&[0x49, 0x15, 0x02][..], &[0x49, 0x18, 0x00]] {
        let file = with_field(field);
        let read = table_of_bytes(Path::new("a.parquet"), &file, &ReaderOptions::default());
        assert_eq!(read.unwrap().columns, self::read("rows.parquet").columns);
    }
    let list = |kind: u8| [&[0x49, 0xf0 | kind], &MOST[..]].concat();
    let map = [&[0x4b], &MOST[..], &[0x11]].concat();
    let truths = "a.parquet: cannot be read as Parquet: the footer holds a list of truth values, which the format has nowhere; fetch or write it again";
    let short = "a.parquet: cannot be read as Parquet: the footer ends within a value; fetch or write it again";
    for (field, expected) in [
        (list(1), truths),
        (list(2), truths),
        (map, truths),
        (list(7), short),
        (list(13), short),
    ] {
        assert_eq!(message("a.parquet", &with_field(&field)), expected);
    }
    // One that a fuzzer found: two hundred million truth values instead of the texts that are the path of a column.
    assert_eq!(
        message("a.parquet", include_bytes!("tests/many_truths.parquet")),
        "a.parquet: cannot be read as Parquet: the footer holds a list of another kind than its field; fetch or write it again"
    );
    // The first page begins after the four bytes of the signature: its kind, its two sizes, then field 20.
    let mut bytes = fs::read(golden("rows.parquet")).unwrap();
    let sizes = bytes[4..].iter().enumerate();
    let ends: Vec<usize> = sizes
        .filter(|(_, it)| **it & 0x80 == 0)
        .map(|(at, _)| at)
        .collect();
    let at = 4 + ends[5] + 1;
    bytes.splice(at..at, [&[0x09, 0x28, 0xf1], &MOST[..], &[0]].concat());
    assert!(
        message("a.parquet", &bytes).contains("the header of a page holds a list of truth values"),
        "{}",
        message("a.parquet", &bytes)
    );
}
