//! What `extra_reader_kwargs` says of how files are read.

use super::*;

fn with(arguments: &str, name: &str, text: &str) -> Result<Table, String> {
    let node = engraft_component::read_yaml(arguments.as_bytes(), "e.yaml").unwrap();
    let (arguments, _) = engraft_component::decode(&node).map_err(|error| error.to_string())?;
    let options = ReaderOptions {
        arguments,
        ..ReaderOptions::default()
    };
    table_of_bytes(Path::new(name), text.as_bytes(), &options).map_err(|error| error.to_string())
}

#[test]
fn arguments_say_what_a_table_leaves_open() {
    let cells = |arguments: &str, name: &str, text: &str| {
        let table = with(arguments, name, text).unwrap();
        let columns = shown(&table).into_iter();
        columns
            .map(|(name, cells)| format!("{name}={}", cells.join("|")))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(cells("{sep: ;}", "a.csv", "a;b\n1,5;2\n"), "a=1,5 b=2");
    assert_eq!(
        cells("{delimiter: '\\t'}", "a.csv", "a\tb\n1\t2\n"),
        "a=1 b=2"
    );
    assert_eq!(cells("{quotechar: null}", "a.tsv", "a\n\"x\n"), "a=\"x");
    assert_eq!(cells("{quotechar: \"'\"}", "a.csv", "a\n'x,y'\n"), "a=x,y");
    assert_eq!(
        cells("{names: [x, y]}", "a.csv", "1,2\n3,4\n"),
        "x=1|3 y=2|4"
    );
    assert_eq!(
        cells("{names: [x, y], header: 0}", "a.csv", "a,b\n3,4\n"),
        "x=3 y=4"
    );
    assert_eq!(
        cells("{header: null}", "a.csv", "1,2\n3,4\n"),
        "0=1|3 1=2|4"
    );
    assert_eq!(
        cells("{skiprows: 1}", "a.csv", "# made by hand\na,b\n3,4\n"),
        "a=3 b=4"
    );
    assert_eq!(cells("{columns: b}", "a.csv", "a,b\n3,4\n"), "b=4");
    assert_eq!(
        cells("{columns: [id, label]}", "a.fa", ">p label=1\nA\n"),
        "id=p label=1"
    );
    assert_eq!(
        cells(
            "{header_pattern: '^(?P<id>\\w+)\\|(?<label>\\d)'}",
            "a.fa",
            ">p|1|x rest\nA\n"
        ),
        "id=p description=rest label=1 sequence=A"
    );
    assert_eq!(
        cells(
            "{sep: '|', names: [db, id, name]}",
            "a.fa",
            ">sp|P1|N x\nA\n"
        ),
        "id=P1 description=x db=sp name=N x sequence=A"
    );
    let table = with("{skiprows: 2}", "a.csv", "x\r\n\r\na\r\n1\r\n").unwrap();
    assert_eq!(table.origins[0].line, 4);
}

#[test]
fn arguments_without_meaning_are_refused() {
    for (arguments, name, expected) in [
        (
            "{delimeter: ;}",
            "a.csv",
            "e.yaml:1: delimeter: unknown key. Did you mean \"delimiter\"?",
        ),
        (
            "{sep: ab}",
            "a.csv",
            "extra_reader_kwargs.sep: must be one ASCII character, not \"ab\"",
        ),
        (
            "{sample_by: line, header: 1}",
            "a.csv",
            "e.yaml:1: header: expected 0, null or infer",
        ),
        (
            "{sample_by: document}",
            "a.fa",
            "extra_reader_kwargs.sample_by: has no meaning for FASTA files, only for plain text",
        ),
        (
            "{header_pattern: '(?<x>.)'}",
            "a.csv",
            "extra_reader_kwargs.header_pattern: has no meaning for CSV files, only for FASTA, FASTQ",
        ),
        (
            "{header_pattern: '('}",
            "a.fa",
            "extra_reader_kwargs.header_pattern: is no regular expression",
        ),
        (
            "{header_pattern: 'x'}",
            "a.fa",
            "extra_reader_kwargs.header_pattern: names no group",
        ),
        (
            "{header_pattern: '(?<sequence>.)'}",
            "a.fa",
            "extra_reader_kwargs.header_pattern: \"sequence\" is the name",
        ),
        (
            "{header_pattern: 'z(?<x>.)'}",
            "a.fa",
            "a.fa:1: the header \"p\" does not match header_pattern",
        ),
        (
            "{sep: '|', names: [a, b]}",
            "a.fa",
            "a.fa:1: the header \"p\" has 1 fields between \"|\", and there are 2 names",
        ),
        (
            "{names: [a, a]}",
            "a.csv",
            "extra_reader_kwargs.names: \"a\" is given twice",
        ),
        (
            "{names: [a]}",
            "a.csv",
            "a.csv:2: expected 1 cells as in names, found 2",
        ),
        (
            "{columns: [sequenc]}",
            "a.fa",
            "a.fa: no column \"sequenc\" (extra_reader_kwargs.columns); the file has \"id\", \"description\", \"sequence\". Did you mean \"sequence\"?",
        ),
        (
            "{quotechar: ','}",
            "a.csv",
            "extra_reader_kwargs.quotechar: is the separator of cells as well",
        ),
    ] {
        let text = if name == "a.fa" {
            ">p\nA\n"
        } else {
            "a\n1,2\n"
        };
        let error = with(arguments, name, text).unwrap_err();
        assert!(error.starts_with(expected), "{arguments}: {error}");
    }
}
