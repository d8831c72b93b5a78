//! What the footer of a Parquet file and the header of a page consist of: the number of each field, and what it holds.
//!
//! The format's own definition (`parquet.thrift`, version 2.12), without names. Fields beyond it may be anything.

/// The fields of a struct that the format defines.
pub(super) type Fields = &'static [(i16, Kind)];

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Truth,
    Byte,
    /// Of 16, 32 or 64 bits.
    Integer,
    Double,
    Bytes,
    List(&'static Kind),
    Struct(Fields),
}

use Kind::{Byte, Bytes, Double, Integer, List, Struct, Truth};

/// The footer of a file.
pub(super) const FILE: Fields = &[
    (1, Integer),
    (2, List(&Struct(SCHEMA_ELEMENT))),
    (3, Integer),
    (4, List(&Struct(ROW_GROUP))),
    (5, List(&Struct(KEY_VALUE))),
    (6, Bytes),
    (7, List(&Struct(COLUMN_ORDER))),
    (8, Struct(ENCRYPTION)),
    (9, Bytes),
];

/// The header of a page.
pub(super) const PAGE: Fields = &[
    (1, Integer),
    (2, Integer),
    (3, Integer),
    (4, Integer),
    (5, Struct(DATA_PAGE)),
    (6, Struct(&[])),
    (7, Struct(&[(1, Integer), (2, Integer), (3, Truth)])),
    (8, Struct(DATA_PAGE_2)),
];

const DATA_PAGE: Fields = &[
    (1, Integer),
    (2, Integer),
    (3, Integer),
    (4, Integer),
    (5, Struct(STATISTICS)),
];

const DATA_PAGE_2: Fields = &[
    (1, Integer),
    (2, Integer),
    (3, Integer),
    (4, Integer),
    (5, Integer),
    (6, Integer),
    (7, Truth),
    (8, Struct(STATISTICS)),
];

const SCHEMA_ELEMENT: Fields = &[
    (1, Integer),
    (2, Integer),
    (3, Integer),
    (4, Bytes),
    (5, Integer),
    (6, Integer),
    (7, Integer),
    (8, Integer),
    (9, Integer),
    (10, Struct(LOGICAL_TYPE)),
];

const LOGICAL_TYPE: Fields = &[
    (1, Struct(&[])),
    (2, Struct(&[])),
    (3, Struct(&[])),
    (4, Struct(&[])),
    (5, Struct(&[(1, Integer), (2, Integer)])),
    (6, Struct(&[])),
    (7, Struct(TIME)),
    (8, Struct(TIME)),
    (10, Struct(&[(1, Byte), (2, Truth)])),
    (11, Struct(&[])),
    (12, Struct(&[])),
    (13, Struct(&[])),
    (14, Struct(&[])),
    (15, Struct(&[])),
    (16, Struct(&[(1, Byte)])),
    (17, Struct(&[(1, Bytes)])),
    (18, Struct(&[(1, Bytes), (2, Integer)])),
];

const TIME: Fields = &[
    (1, Truth),
    (
        2,
        Struct(&[(1, Struct(&[])), (2, Struct(&[])), (3, Struct(&[]))]),
    ),
];

const ROW_GROUP: Fields = &[
    (1, List(&Struct(COLUMN))),
    (2, Integer),
    (3, Integer),
    (4, List(&Struct(&[(1, Integer), (2, Truth), (3, Truth)]))),
    (5, Integer),
    (6, Integer),
    (7, Integer),
];

const COLUMN: Fields = &[
    (1, Bytes),
    (2, Integer),
    (3, Struct(COLUMN_METADATA)),
    (4, Integer),
    (5, Integer),
    (6, Integer),
    (7, Integer),
    (8, Struct(COLUMN_ENCRYPTION)),
    (9, Bytes),
];

const COLUMN_METADATA: Fields = &[
    (1, Integer),
    (2, List(&Integer)),
    (3, List(&Bytes)),
    (4, Integer),
    (5, Integer),
    (6, Integer),
    (7, Integer),
    (8, List(&Struct(KEY_VALUE))),
    (9, Integer),
    (10, Integer),
    (11, Integer),
    (12, Struct(STATISTICS)),
    (
        13,
        List(&Struct(&[(1, Integer), (2, Integer), (3, Integer)])),
    ),
    (14, Integer),
    (15, Integer),
    (16, Struct(SIZES)),
    (17, Struct(&[(1, Struct(BOX)), (2, List(&Integer))])),
];

const STATISTICS: Fields = &[
    (1, Bytes),
    (2, Bytes),
    (3, Integer),
    (4, Integer),
    (5, Bytes),
    (6, Bytes),
    (7, Truth),
    (8, Truth),
    (9, Integer),
];

const SIZES: Fields = &[(1, Integer), (2, List(&Integer)), (3, List(&Integer))];

const BOX: Fields = &[
    (1, Double),
    (2, Double),
    (3, Double),
    (4, Double),
    (5, Double),
    (6, Double),
    (7, Double),
    (8, Double),
];

const KEY_VALUE: Fields = &[(1, Bytes), (2, Bytes)];

const COLUMN_ORDER: Fields = &[(1, Struct(&[])), (2, Struct(&[]))];

const ENCRYPTION: Fields = &[
    (1, Struct(&[(1, Bytes), (2, Bytes), (3, Truth)])),
    (2, Struct(&[(1, Bytes), (2, Bytes), (3, Truth)])),
];

const COLUMN_ENCRYPTION: Fields = &[
    (1, Struct(&[])),
    (2, Struct(&[(1, List(&Bytes)), (2, Bytes)])),
];
