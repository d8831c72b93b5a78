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
        "a.xlsx: unknown kind of table; the extensions read are .csv, .tsv, .tab, .jsonl, .ndjson, .json, .parquet, .pq, .fasta, .fa, .fas, .fna, .ffn, .faa, .frn, .pep, .cds, .cdna, .fsa, .mfa, .mpfa, .fastq, .fq, .txt, .ct, .bpseq, .dbn, .st, each also with .gz or .zst"
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

/// Ids with their sequences.
type Records = Vec<(String, String)>;

/// The ids and sequences of a file, with what is said of it, and its rows that are left out.
fn records(name: &str, bytes: &[u8]) -> (Records, Vec<String>, Vec<(u64, String)>) {
    let table = table_of_bytes(Path::new(name), bytes, &ReaderOptions::default()).unwrap();
    let cells = |name: &str| {
        let cells = &table.column(name).unwrap().cells;
        cells.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let rows = cells("id").into_iter().zip(cells("sequence")).collect();
    let skipped = table.skipped.into_iter();
    let skipped = skipped.map(|row| (row.origin.line, row.problem)).collect();
    (rows, table.notes, skipped)
}

fn pairs<const N: usize>(rows: [(&str, &str); N]) -> Records {
    rows.map(|(id, sequence)| (id.to_owned(), sequence.to_owned()))
        .to_vec()
}

#[test]
fn records_that_are_not_quite_as_their_format_has_them_are_read_and_said() {
    for (name, bytes, rows, notes) in [
        (
            "a.fa",
            &b">p\nA\n>q\nC\n>p x\nG\n>p\nT\n"[..],
            pairs([("p", "A"), ("q", "C"), ("p", "G"), ("p", "T")]),
            "a.fa: 2 records have the id of an earlier one, the first: \"p\" on line 5 and on line 1; each is a row under the id that it has",
        ),
        (
            "a.pep",
            b"> p one\nMK\n>\tq\nV\n",
            pairs([("p", "MK"), ("q", "V")]),
            "a.pep: 2 headers have a space before the id (the first on line 1), which is left out",
        ),
        (
            "a.fa",
            b">q\nA\n>\nMK\n",
            pairs([("q", "A"), ("1", "MK")]),
            "a.fa: 1 header has no id (line 3): a record without one is called by the number of its row, from 0",
        ),
        (
            "a.fa",
            b">p th\xe9 \xe9\nA\n>q \xc3\xa9\nC\n>r\xfc\nG\n",
            pairs([("p", "A"), ("q", "C"), ("r\u{fc}", "G")]),
            "a.fa: 2 headers hold bytes that are not UTF-8 (the first on line 1), read as Latin-1",
        ),
        (
            "a.fasta",
            b">p x\rAC\rGT\r>q\rA",
            pairs([("p", "ACGT"), ("q", "A")]),
            "a.fasta: 4 carriage returns alone are read as ends of lines",
        ),
        (
            "a.fa",
            b"\n>p\nAC\n>q\n\n>r\nA\n",
            pairs([("p", "AC"), ("r", "A")]),
            "a.fa: 1 record has no sequence and is left out: \"q\" on line 4",
        ),
        (
            "a.fa",
            b">p\nAC\n>q\n",
            pairs([("p", "AC")]),
            "a.fa: 1 record has no sequence and is left out: \"q\" on line 3; the file ends with such a record and may be cut short",
        ),
        (
            "a.fa",
            b";made by hand\n>p\n;two\nAC\n",
            pairs([("p", "AC")]),
            "a.fa: 2 lines begin with \";\" (the first on line 1), as comments do, and no letters are read there",
        ),
        (
            "a.fq",
            b"@p \xe9\nAC\n+\nII\n",
            pairs([("p", "AC")]),
            "a.fq: 1 header holds bytes that are not UTF-8 (line 1), read as Latin-1",
        ),
        (
            "a.fq",
            b"@ p\rAC\r+\rII\r",
            pairs([("p", "AC")]),
            "a.fq: 1 header has a space before the id (line 1), which is left out",
        ),
        (
            "a.fq",
            b"@p\nAC\n+\nII\n@q\n\n+\n\n",
            pairs([("p", "AC")]),
            "a.fq: 1 record has no sequence and is left out: \"q\" on line 5",
        ),
    ] {
        let (found, said, _) = records(name, bytes);
        assert_eq!(found, rows, "{}", bytes.escape_ascii());
        assert_eq!(said.first().map(String::as_str), Some(notes));
    }
    // Nothing is said of what is as it should be.
    assert_eq!(records("a.fa", b">p\r\nA\r\n>q x\r\nC\r\n").1, [""; 0]);
    let (_, _, skipped) = records("a.fa", b">p\nAC\n>q\n>r\nA\n");
    assert_eq!(
        skipped,
        [(3, "the record \"q\" has no sequence".to_owned())]
    );
}

#[test]
fn bytes_that_are_not_utf_8_are_refused_outside_headers() {
    assert_eq!(
        message("a.fa", b">p \xe9\nAC\xe9GT\n"),
        "a.fa:2: a byte that is not UTF-8; is this a text file in UTF-8?"
    );
    assert_eq!(
        message("a.fq", b"@p\nA\xe9\n+\nII\n"),
        "a.fq:2: a byte that is not UTF-8; is this a text file in UTF-8?"
    );
}

/// A file in which every header has bytes of Latin-1, larger than what is read at once.
#[test]
fn headers_in_latin_1_and_carriage_returns_are_read_across_pieces() {
    let letters = "ACGT".repeat(50);
    let mut bytes = vec![];
    for number in 0..3000 {
        bytes.extend(format!(">r{number} ").bytes());
        bytes.extend(b"\xe9t\xe9");
        bytes.extend(format!("\r{letters}\r").bytes());
    }
    let table = table_of_bytes(Path::new("a.fa"), &bytes, &ReaderOptions::default()).unwrap();
    assert_eq!(table.len(), 3000);
    let every = |name: &str, expected: &str| {
        let mut cells = table.column(name).unwrap().cells.iter();
        cells.all(|cell| cell.text().as_deref() == Some(expected))
    };
    assert!(every("sequence", &letters) && every("description", "\u{e9}t\u{e9}"));
    assert_eq!(table.origins[2999].line, 5999);
    assert_eq!(
        table.notes,
        [
            "a.fa: 3000 headers hold bytes that are not UTF-8 (the first on line 1), read as Latin-1",
            "a.fa: 6000 carriage returns alone are read as ends of lines",
        ]
    );
}

#[test]
fn rows_that_cannot_be_read_are_skipped_if_they_are_to_be() {
    let skip = |name: &str, text: &str| {
        let options = ReaderOptions {
            on_bad_row: OnBadRow::Skip,
            ..ReaderOptions::default()
        };
        let table = table_of_bytes(Path::new(name), text.as_bytes(), &options);
        table.map(|table| {
            let skipped = table.skipped.iter();
            let skipped = skipped.map(|row| (row.origin.line, row.problem.clone()));
            (table.len(), skipped.collect::<Vec<_>>())
        })
    };
    for (name, text, rows, line, problem) in [
        (
            "a.csv",
            "a,b\n1,2\n3\n4,5\n",
            2,
            3,
            "expected 2 cells as in the header, found 1",
        ),
        (
            "a.tsv",
            "a\tb\n1\t2\n3\t4\t5\n6\t7\n",
            2,
            3,
            "expected 2 cells as in the header, found 3",
        ),
        (
            "a.jsonl",
            "{\"a\": 1}\n{\"a\": }\n{\"a\": 2}\n",
            2,
            2,
            "not JSON: expected value (column 7)",
        ),
        (
            "a.json",
            "[{\"a\": 1},\n3,\n{\"a\": 2}]",
            2,
            2,
            "a row must be an object of column names and values, this one is a number",
        ),
        (
            "a.fa",
            ">p\nA\n>q\nA>C\nG\n>r\nT\n",
            2,
            3,
            "the sequence of \"q\" has a \">\" within a line",
        ),
        (
            "a.fq",
            "@p\nA\n+\nI\n@q\nAC\n+\nI\n@r\nA\n+\nI\n",
            2,
            5,
            "the record \"q\" has 2 letters and 1 qualities",
        ),
    ] {
        let refused = message(name, text.as_bytes());
        assert_eq!(refused, format!("{name}:{line}: {problem}"));
        let skipped = vec![(line, problem.to_owned())];
        assert_eq!(skip(name, text).unwrap(), (rows, skipped), "{text}");
    }
    // What may hide rows, or is no fault of a row, is refused all the same.
    for (name, text, problem) in [
        (
            "a.csv",
            "a,b\n1,2\n\"3\n4,5\n6,7\n",
            "a.csv:3: expected 2 cells as in the header, found 1 (the row spans 3 lines; is a quote left open?)",
        ),
        (
            "a.csv",
            "a,b\n1\n2\n3,4\n",
            "a.csv:2: expected 2 cells as in the header, found 1 (2 of 3 rows cannot be read, which are too many to be skipped)",
        ),
        (
            "a.csv",
            "a,b\n1\n",
            "a.csv:2: expected 2 cells as in the header, found 1",
        ),
        (
            "a.fq",
            "@p\nA\n+\nI\n@q\nAC\nGT\n+\nIIII\n",
            "a.fq:5: the third line of this record does not begin with \"+\"; a sequence takes one line",
        ),
    ] {
        assert_eq!(skip(name, text).unwrap_err().to_string(), problem);
    }
}

#[test]
fn what_another_format_would_read_is_said() {
    assert!(message("a.seq", b">p\nACGT\n").starts_with(
        "a.seq: unknown kind of table. It looks like FASTA: give it a name that ends in .fasta; the extensions read are"
    ));
    let table = table_of_bytes(Path::new("a.txt"), b">p\nACGT\n", &ReaderOptions::default());
    assert_eq!(
        table.unwrap().notes,
        [
            "a.txt: it begins with \">\" as FASTA does, and is read as plain text; give it a name that ends in .fasta if it holds sequences"
        ]
    );
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
