//! What holds of every table that is read, whatever its format.

use std::path::Path;

use engraft_data::{Cell, Format, ReaderOptions, Table, table_of_bytes};

/// Reads a file that is called `name`, and checks what comes of it.
pub fn read(name: &str, file: &[u8], options: &ReaderOptions) -> Option<Table> {
    let table = match table_of_bytes(Path::new(name), file, options) {
        Ok(table) => table,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    assert!(!table.is_empty());
    for column in &table.columns {
        assert_eq!(column.cells.len(), table.len(), "{}", column.name);
    }
    // Where texts lie makes no difference. Each file of them costs calls of the system, so not every input has one.
    if file.len() % 32 == 0 {
        let stored = ReaderOptions {
            text_memory: 0,
            ..options.clone()
        };
        let stored = table_of_bytes(Path::new(name), file, &stored).expect("a table is read again");
        for (column, other) in table.columns.iter().zip(&stored.columns) {
            // Cells are compared as they are written, because no NaN equals another.
            let same = |(cell, other): (&Cell, &Cell)| cell.to_string() == other.to_string();
            assert!(column.cells.iter().zip(&other.cells).all(same));
        }
    }
    Some(table)
}

/// Whether a file is decompressed before it is read, so that it may hold more than its own length.
#[allow(dead_code)]
pub fn is_packed(file: &[u8]) -> bool {
    file.starts_with(&[0x1f, 0x8b]) || file.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
}

/// Bytes of text in a table.
#[allow(dead_code)]
pub fn text_bytes(table: &Table) -> usize {
    let cells = table.columns.iter().flat_map(|column| &column.cells);
    cells
        .map(|cell| cell.text().map_or(0, |text| text.len()))
        .sum()
}

/// The default options, for a format.
pub fn options(format: Format) -> ReaderOptions {
    ReaderOptions {
        format: Some(format),
        ..ReaderOptions::default()
    }
}
