//! Event files against TensorBoard's own writer, and against a reader that knows nothing of ours.

use std::path::Path;

use super::*;

/// What a test's reader finds in an event.
#[derive(Debug, PartialEq)]
enum Seen {
    Version,
    Text,
    Start(u64),
    Scalars(u64, Vec<(String, f32)>),
}

/// CRC-32C by its definition, a bit at a time.
fn checked(bytes: &[u8]) -> u32 {
    let mut rest = u32::MAX;
    for byte in bytes {
        rest ^= u32::from(*byte);
        for _ in 0..8 {
            rest = if rest & 1 == 1 {
                rest >> 1 ^ 0x82f6_3b78
            } else {
                rest >> 1
            };
        }
    }
    let value = !rest;
    value.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Fields of a message by number, each with its bytes; of whole numbers their value.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    let varint = |bytes: &mut &[u8]| {
        let mut value = 0;
        for place in 0.. {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value += u64::from(byte % 128) << (7 * place);
            if byte < 128 {
                break;
            }
        }
        value
    };
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let (value, length) = match key % 8 {
            0 => (varint(&mut bytes), 0),
            1 => (0, 8),
            2 => (0, varint(&mut bytes) as usize),
            5 => (0, 4),
            wire => panic!("wire type {wire}"),
        };
        found.push((key / 8, value, &bytes[..length]));
        bytes = &bytes[length..];
    }
    found
}

/// Every event of a file, whose checks must hold.
fn read(path: &Path) -> Vec<Seen> {
    let bytes = fs::read(path).unwrap();
    let mut rest = &bytes[..];
    let mut seen = Vec::new();
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        assert_eq!(rest[8..12], checked(&rest[..8]).to_le_bytes());
        let message = &rest[12..12 + length];
        assert_eq!(
            rest[12 + length..16 + length],
            checked(message).to_le_bytes()
        );
        rest = &rest[16 + length..];
        let event = fields(message);
        let step = event
            .iter()
            .find(|field| field.0 == 2)
            .map_or(0, |field| field.1);
        let (what, _, content) = event.last().unwrap();
        seen.push(match what {
            3 => Seen::Version,
            7 => Seen::Start(step),
            _ => {
                let values: Vec<_> = fields(content)
                    .iter()
                    .map(|value| fields(value.2))
                    .collect();
                let scalar = |value: &Vec<(u64, u64, &[u8])>| {
                    let tag = String::from_utf8(value[0].2.to_vec()).unwrap();
                    (tag, f32::from_le_bytes(value[1].2.try_into().unwrap()))
                };
                match values[0][1].0 {
                    2 => Seen::Scalars(step, values.iter().map(scalar).collect()),
                    _ => Seen::Text,
                }
            }
        });
    }
    seen
}

/// The row of a step: its loss is half the step, and every second step has another metric.
fn row(log: &mut EventLog, step: u64) {
    let mut metrics = vec![("train_loss".to_owned(), step as f64 / 2.0)];
    if step.is_multiple_of(2) {
        metrics.push(("val_loss".to_owned(), f64::NAN));
    }
    let row = Row {
        epoch: step / 3,
        step,
        time: 1_700_000_000.25,
        metrics: &metrics,
    };
    log.append(&row).unwrap();
}

fn steps(folder: &Path) -> Vec<u64> {
    let log = EventLog::open(folder, "", None).unwrap();
    let seen = log
        .files()
        .unwrap()
        .into_iter()
        .flat_map(|file| read(&file));
    seen.filter_map(|seen| match seen {
        Seen::Scalars(step, _) => Some(step),
        _ => None,
    })
    .collect()
}

#[test]
fn records_are_those_of_tensorboard_s_own_writer_to_the_byte() {
    let scalars = |values: &[(&str, f64)]| -> Vec<(String, f64)> {
        values
            .iter()
            .map(|(tag, value)| ((*tag).to_owned(), *value))
            .collect()
    };
    let start = 1_700_000_000.5;
    let ours = [
        record(start, 0, &Content::Version),
        record(
            start,
            0,
            &Content::Text("config", "```yaml\nseed_everything: 0\n```"),
        ),
        record(
            start + 1.0,
            1,
            &Content::Scalars(&scalars(&[("train_loss", 0.625), ("epoch", 0.0)])),
        ),
        record(
            start + 2.0,
            300,
            &Content::Scalars(&scalars(&[("val_loss", 1e-9), ("\u{3b1}", -3.0)])),
        ),
        record(start + 2.5, 301, &Content::Start),
        record(
            start + 3.0,
            1 << 40,
            &Content::Scalars(&scalars(&[("lr", f64::INFINITY)])),
        ),
    ]
    .concat();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden/training/events.out.tfevents.golden");
    assert_eq!(ours, fs::read(golden).unwrap());
}

#[test]
fn a_row_is_a_record_that_any_reader_understands() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = EventLog::open(folder.path(), "seed_everything: 0\n", None).unwrap();
    row(&mut log, 1);
    row(&mut log, 200);
    let files = log.files().unwrap();
    assert_eq!(files.len(), 1);
    let seen = read(&files[0]);
    assert_eq!(seen[..2], [Seen::Version, Seen::Text]);
    let first = vec![("train_loss".to_owned(), 0.5), ("epoch".to_owned(), 0.0)];
    assert_eq!(seen[2], Seen::Scalars(1, first));
    let Seen::Scalars(200, second) = &seen[3] else {
        panic!("{seen:?}")
    };
    assert!(second[1].0 == "val_loss" && second[1].1.is_nan());
}

#[test]
fn a_resumed_run_goes_on_in_a_file_that_comes_later_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut log = EventLog::open(folder, "", None).unwrap();
    (1..=6).for_each(|step| row(&mut log, step));
    // Killed at step 6, resumed from step 4, killed at 5, resumed from 4 and then from 5.
    for (rows, last) in [(4, 5), (4, 5), (5, 8)] {
        let mut log = EventLog::open(folder, "", Some(rows + 1)).unwrap();
        log.truncate_rows(rows).unwrap();
        (rows + 1..=last).for_each(|step| row(&mut log, step));
        assert_eq!(log.rows(), last);
    }
    assert_eq!(steps(folder), [1, 2, 3, 4, 5, 6, 7, 8]);
    let log = EventLog::open(folder, "", None).unwrap();
    let files = log.files().unwrap();
    assert_eq!(files.len(), 3);
    assert_eq!(read(&files[1])[..2], [Seen::Version, Seen::Start(5)]);
    assert_eq!(read(&files[2])[..2], [Seen::Version, Seen::Start(6)]);
}

#[test]
fn a_log_cut_back_to_nothing_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = EventLog::open(folder.path(), "", None).unwrap();
    row(&mut log, 1);
    log.truncate_rows(0).unwrap();
    assert!(log.files().unwrap().is_empty());
    row(&mut log, 1);
    assert_eq!(steps(folder.path()), [1]);
}

#[test]
fn a_record_that_was_cut_off_or_changed_ends_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut log = EventLog::open(folder, "", None).unwrap();
    (1..=3).for_each(|step| row(&mut log, step));
    let path = log.files().unwrap().remove(0);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    assert_eq!(EventLog::open(folder, "", None).unwrap().rows(), 2);
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&path, &changed).unwrap();
    assert_eq!(EventLog::open(folder, "", None).unwrap().rows(), 2);
    assert_eq!(steps(folder), [1, 2]);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes: Vec<u8>, whole: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{PREFIX}0000000001.a.1.0"));
        let start = if whole { record(1.0, 1, &Content::Version) } else { Vec::new() };
        fs::write(path, [start, bytes.clone()].concat()).unwrap();
        let mut log = EventLog::open(folder.path(), "", None).unwrap();
        row(&mut log, 1);
        let _ = holds_scalars(&bytes);
    }
}
