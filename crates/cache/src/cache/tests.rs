//! What a cache promises, with several of them on one folder as several processes have it.

use std::fs;

use proptest::prelude::*;

use super::*;

const SPACE: Space = Space([5; 32]);
const LARGE: Limits = Limits {
    size: 1 << 30,
    waiting: 1000,
};

fn key(number: usize) -> Key {
    Key(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

fn value(number: usize) -> Vec<u8> {
    (0..40 + number % 7).map(|at| (at * number) as u8).collect()
}

fn open(folder: &tempfile::TempDir) -> Cache {
    Cache::open(folder.path(), SPACE, LARGE, false)
}

fn fill(cache: &mut Cache, numbers: impl Iterator<Item = usize>) {
    for number in numbers {
        cache.put(key(number), value(number));
    }
}

fn has(cache: &mut Cache, number: usize) -> bool {
    let found = cache.get(key(number));
    assert!(
        found.is_none() || found == Some(value(number)),
        "a wrong value of {number}"
    );
    found.is_some()
}

/// The segments' paths, in the order of their names.
fn segments(folder: &tempfile::TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "segment")
        })
        .collect();
    paths.sort();
    paths
}

fn size(folder: &tempfile::TempDir) -> u64 {
    segments(folder)
        .iter()
        .map(|path| path.metadata().unwrap().len())
        .sum()
}

#[test]
fn what_one_process_keeps_the_next_one_finds() {
    let folder = tempfile::tempdir().unwrap();
    let mut cache = open(&folder);
    fill(&mut cache, 0..50);
    assert!(has(&mut cache, 7), "before it is written");
    drop(cache);
    let mut next = open(&folder);
    assert!((0..50).all(|number| has(&mut next, number)));
    assert!(!has(&mut next, 50));
    assert_eq!(next.take_notes(), [""; 0]);
}

#[test]
fn spaces_do_not_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    fill(&mut open(&folder), 0..3);
    let mut other = Cache::open(folder.path(), Space([6; 32]), LARGE, false);
    assert!(!has(&mut other, 0));
}

#[test]
fn processes_at_once_see_what_the_others_have_written() {
    let folder = tempfile::tempdir().unwrap();
    let (mut one, mut two) = (open(&folder), open(&folder));
    fill(&mut one, 0..10);
    one.flush();
    assert!(!has(&mut two, 3));
    fill(&mut two, 5..20);
    two.flush();
    assert!(
        (0..20).all(|number| has(&mut two, number)),
        "it has looked when it wrote"
    );
    assert_eq!(segments(&folder).len(), 2, "each has its own");
    let before = size(&folder);
    fill(&mut one, 10..20);
    one.flush();
    assert_eq!(size(&folder), before, "nothing is written twice");
    assert!((0..20).all(|number| has(&mut one, number)));
}

#[test]
fn a_later_process_appends_to_what_an_earlier_one_left() {
    let folder = tempfile::tempdir().unwrap();
    for run in 0..5 {
        fill(&mut open(&folder), 10 * run..10 * run + 10);
    }
    assert_eq!(segments(&folder).len(), 1);
    let mut cache = open(&folder);
    assert!((0..50).all(|number| has(&mut cache, number)));
}

#[test]
fn what_a_killed_process_left_unfinished_is_cut_off_by_the_next_writer() {
    let folder = tempfile::tempdir().unwrap();
    fill(&mut open(&folder), 0..10);
    let path = &segments(&folder)[0];
    let whole = fs::read(path).unwrap();
    for cut in [1, 40, 63, 64, 65, 100, whole.len() - 1] {
        fs::write(path, &whole[..cut]).unwrap();
        let mut cache = open(&folder);
        let found = (0..10).filter(|&number| has(&mut cache, number)).count();
        assert!(found < 10);
        fill(&mut cache, 0..10);
        drop(cache);
        let mut cache = open(&folder);
        assert!((0..10).all(|number| has(&mut cache, number)), "{cut}");
        assert_eq!(cache.take_notes(), [""; 0], "{cut}");
        assert_eq!(segments(&folder).len(), 1);
        assert_eq!(fs::read(path).unwrap().len(), whole.len());
    }
}

#[test]
fn a_damaged_value_is_absent_noted_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    fill(&mut open(&folder), 0..3);
    let path = &segments(&folder)[0];
    let whole = fs::read(path).unwrap();
    let mut bytes = whole.clone();
    bytes[64 + 64 + 5] ^= 1;
    fs::write(path, &bytes).unwrap();
    let mut cache = open(&folder);
    assert!(!has(&mut cache, 0) && has(&mut cache, 1) && has(&mut cache, 2));
    let notes = cache.take_notes();
    assert!(
        notes[0].contains(path.to_str().unwrap()) && notes[0].contains("byte 128"),
        "{notes:?}"
    );
    assert!(!has(&mut cache, 0));
    assert_eq!(cache.take_notes(), [""; 0], "a note is said once");
    cache.put(key(0), value(0));
    cache.flush();
    assert!(has(&mut cache, 0));
    assert_eq!(fs::read(path).unwrap(), whole);
}

#[test]
fn a_damaged_value_that_comes_out_otherwise_is_kept_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut cache = open(&folder);
    cache.put(key(1), vec![1; 10]);
    drop(cache);
    let path = &segments(&folder)[0];
    let mut bytes = fs::read(path).unwrap();
    bytes[130] ^= 1;
    fs::write(path, &bytes).unwrap();
    let mut cache = open(&folder);
    assert_eq!(cache.get(key(1)), None);
    cache.put(key(1), vec![2; 10]);
    drop(cache);
    assert_eq!(open(&folder).get(key(1)), Some(vec![2; 10]));
}

#[test]
fn a_damaged_header_ends_a_segment_and_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    fill(&mut open(&folder), 0..10);
    let path = &segments(&folder)[0];
    for at in [0, 20, 64, 64 + 64 + 40 + 3] {
        let mut bytes = fs::read(path).unwrap();
        bytes[at] ^= 0x10;
        fs::write(path, &bytes).unwrap();
        let mut cache = open(&folder);
        let notes = cache.take_notes();
        assert!(notes[0].contains("is damaged after byte"), "{notes:?}");
        assert!(!has(&mut cache, 9));
        fill(&mut cache, 0..10);
        drop(cache);
        let mut cache = open(&folder);
        assert!((0..10).all(|number| has(&mut cache, number)));
        assert_eq!(cache.take_notes(), [""; 0]);
    }
}

#[test]
fn segments_of_a_later_version_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut header = SPACE.header();
    header[8] = 2;
    let seal = blake3::hash(&header[..56]);
    header[56..].copy_from_slice(&seal.as_bytes()[..8]);
    let path = folder
        .path()
        .join(format!("{}-0123456789abcdef.segment", SPACE.name()));
    fs::write(&path, [&header[..], b"what follows"].concat()).unwrap();
    let before = fs::read(&path).unwrap();
    let mut cache = open(&folder);
    fill(&mut cache, 0..3);
    cache.flush();
    assert!(has(&mut cache, 1));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn the_folder_never_grows_beyond_its_bound_and_loses_what_was_used_longest_ago() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        size: 20_000,
        waiting: 7,
    };
    for run in 0..12u8 {
        let mut cache = Cache::open(folder.path(), Space([run; 32]), limits, false);
        for number in 0..40 {
            cache.put(key(number), value(number));
            assert!(size(&folder) <= limits.size, "run {run}");
        }
        cache.flush();
        assert!(has(&mut cache, 0), "run {run} has room for its own");
        assert_eq!(cache.left_out(), 0);
    }
    let mut first = Cache::open(folder.path(), Space([0; 32]), limits, false);
    assert!(!has(&mut first, 0));
    let mut last = Cache::open(folder.path(), Space([11; 32]), limits, false);
    assert!((0..40).all(|number| has(&mut last, number)));
}

#[test]
fn what_was_used_lately_stays_before_what_was_only_written_later() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        size: 12_000,
        waiting: 50,
    };
    let space = |number| Cache::open(folder.path(), Space([number; 32]), limits, false);
    fill(&mut space(1), 0..40);
    std::thread::sleep(std::time::Duration::from_millis(20));
    fill(&mut space(2), 0..40);
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert!(has(&mut space(1), 3));
    fill(&mut space(3), 0..40);
    assert!(has(&mut space(1), 3));
    assert!(!has(&mut space(2), 3));
}

#[test]
fn what_others_use_is_not_removed_and_what_does_not_fit_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        size: 6000,
        waiting: 10,
    };
    let mut user = Cache::open(folder.path(), Space([1; 32]), limits, false);
    fill(&mut user, 0..40);
    user.flush();
    let mut other = Cache::open(folder.path(), Space([2; 32]), limits, false);
    fill(&mut other, 0..40);
    other.flush();
    assert!((0..40).all(|number| has(&mut user, number)));
    assert!(other.left_out() > 0);
    let notes = other.take_notes();
    assert!(notes[0].contains("is full of what is in use"), "{notes:?}");
    assert!(size(&folder) <= limits.size);
    // A run larger than the bound keeps what it kept first, so that the same run again has that much.
    let mut large = Cache::open(folder.path(), Space([1; 32]), limits, false);
    fill(&mut large, 40..200);
    large.flush();
    assert!((0..40).all(|number| has(&mut large, number)));
    assert!(size(&folder) <= limits.size);
}

#[test]
fn a_value_larger_than_the_bound_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        size: 100,
        waiting: 1,
    };
    let mut cache = Cache::open(folder.path(), SPACE, limits, false);
    cache.put(key(1), vec![0; 1000]);
    assert_eq!((cache.left_out(), size(&folder)), (1, 0));
    assert_eq!(segments(&folder).len(), 0);
}

#[test]
fn beginning_anew_removes_what_is_there_or_passes_over_what_is_used() {
    let folder = tempfile::tempdir().unwrap();
    fill(&mut open(&folder), 0..3);
    let mut anew = Cache::open(folder.path(), SPACE, LARGE, true);
    assert!(!has(&mut anew, 0));
    fill(&mut anew, 0..3);
    anew.flush();
    let mut other = Cache::open(folder.path(), SPACE, LARGE, true);
    assert!(!has(&mut other, 0));
    fill(&mut other, 0..3);
    other.flush();
    assert!(has(&mut other, 0) && has(&mut anew, 0));
}

#[test]
fn a_folder_that_cannot_be_made_is_said_and_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let mut cache = Cache::open(file.join("cache"), SPACE, LARGE, false);
    let notes = cache.take_notes();
    assert!(
        notes[0].contains("cannot write to") && notes[0].contains("nothing new is kept"),
        "{notes:?}"
    );
    fill(&mut cache, 0..3);
    cache.flush();
    assert!(!has(&mut cache, 0));
    assert_eq!(cache.left_out(), 3);
    assert_eq!(cache.take_notes(), [""; 0]);
}

#[test]
fn a_folder_that_disappears_is_said_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    let mut cache = Cache::open(&path, SPACE, LARGE, false);
    fill(&mut cache, 0..3);
    cache.flush();
    fs::remove_dir_all(&path).unwrap();
    fill(&mut cache, 3..6);
    cache.flush();
    assert_eq!(cache.left_out(), 3);
    assert!(cache.take_notes()[0].contains("is not kept"));
    // On Unix an open file outlives its name.
    #[cfg(unix)]
    assert!(has(&mut cache, 1));
}

#[test]
fn a_large_folder_has_few_segments() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        size: 8 << 20,
        waiting: 3,
    };
    let mut cache = Cache::open(folder.path(), SPACE, limits, false);
    for number in 0..60 {
        cache.put(key(number), vec![number as u8; 100_000]);
    }
    cache.flush();
    assert!(segments(&folder).len() <= 8, "{}", segments(&folder).len());
    for path in segments(&folder) {
        assert!(path.metadata().unwrap().len() <= SMALLEST);
    }
    for number in 0..60 {
        assert_eq!(cache.get(key(number)), Some(vec![number as u8; 100_000]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_to_the_files_values_are_right_or_absent_and_can_be_kept_again(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 0..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        tail in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let folder = tempfile::tempdir().unwrap();
        fill(&mut open(&folder), 0..8);
        let path = &segments(&folder)[0];
        let mut bytes = fs::read(path).unwrap();
        for (at, change) in changes {
            let at = at.index(bytes.len());
            bytes[at] ^= change;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes.extend(tail);
        fs::write(path, &bytes).unwrap();
        let mut cache = open(&folder);
        for number in 0..8 {
            if !has(&mut cache, number) {
                cache.put(key(number), value(number));
            }
        }
        drop(cache);
        let mut cache = open(&folder);
        prop_assert!((0..8).all(|number| has(&mut cache, number)));
    }
}
