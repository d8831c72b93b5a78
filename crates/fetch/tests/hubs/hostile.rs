//! Hubs that lie, break off, or want what is not theirs. The cache is right or empty afterwards.

use std::fs;
use std::time::{Duration, Instant};

use engraft_fetch::{Checked, KaggleModel, Kind, Result, Wish};
use engraft_loopback::{Content, Fault, KaggleModel as Published, Origin, Repository, What};

use crate::{Place, below, said};

const SIZE: u64 = 1_000_000;

fn model() -> Repository {
    let small = Repository::model("org/m").file("config.json", b"{}");
    small.large(
        "w.bin",
        Content::Generated {
            seed: 3,
            size: SIZE,
        },
    )
}

fn try_to_fetch(place: &Place) -> Result<()> {
    let snapshot = place
        .hubs()
        .repository(Kind::Model, "org/m", None, Wish::AsCached)?;
    snapshot.fetch(["config.json", "w.bin"])
}

/// Whether every blob of the cache is what its name says, and no file of a snapshot leads nowhere.
fn assert_right(place: &Place) {
    let blobs = place.at("huggingface/hub/models--org--m/blobs");
    for name in below(&blobs)
        .iter()
        .filter(|name| !name.ends_with(".incomplete"))
    {
        let bytes = fs::read(blobs.join(name)).unwrap();
        let content = Content::from(bytes);
        assert!(
            [content.sha256(), content.git_blob()].contains(name),
            "{name}"
        );
    }
    let hubs = place.hubs_with(&[("HF_HUB_OFFLINE", "1")]);
    if let Ok(snapshot) = hubs.repository(Kind::Model, "org/m", None, Wish::AsCached) {
        let checked = snapshot.verify().unwrap();
        assert!(
            checked
                .iter()
                .all(|(_, checked)| *checked == Checked::Whole)
        );
    }
}

/// A fault that never ends, what is said of it, and that all is well once it does.
fn check(what: What, says: &str) {
    let place = Place::new();
    place.hub.add(model());
    let name = format!("{what:?}");
    place.hub.misbehave(Fault::new("w.bin", what));
    let began = Instant::now();
    let message = said(try_to_fetch(&place));
    assert!(message.contains(says), "{name}: {message}");
    assert!(began.elapsed() < Duration::from_secs(20), "{name}");
    assert!(place.asked("w.bin") < 20, "{name}");
    assert_right(&place);
    place.hub.clear_faults();
    try_to_fetch(&place).unwrap();
    assert_right(&place);
}

#[test]
fn lengths_that_are_no_true_ones_are_not_believed() {
    check(What::Length(5), "1000000 bytes and sends 1000005");
    check(What::Length(-5), "1000000 bytes and sends 999995");
    check(
        What::Longer {
            announced: true,
            by: 9,
        },
        "1000000 bytes and sends 1000009",
    );
    check(
        What::Longer {
            announced: false,
            by: 9,
        },
        "more than the 1000000 bytes came",
    );
    check(What::Endless, "more than the 1000000 bytes came");
}

#[test]
fn bytes_that_are_no_true_ones_are_thrown_away() {
    check(
        What::Flipped,
        "its digest is not the one that the hub announces",
    );
    check(
        What::Etag("f".repeat(64)),
        "has another file under this name",
    );
}

#[test]
fn what_breaks_off_at_once_ends_after_some_tries() {
    check(What::Drop, "cannot be reached");
    check(What::Garbage, "cannot be reached");
    check(What::Cut { after: 0 }, "after 0 of 1000000 bytes");
}

#[test]
fn a_hub_that_falls_silent_is_not_waited_for_without_end() {
    check(What::Stall { after: 1000 }, "of 1000000 bytes");
    check(What::Silent, "it did not answer in time");
}

#[test]
fn troubles_of_a_hub_are_told_apart() {
    let status = |code, headers: &[(&str, &str)]| What::Status {
        code,
        headers: headers
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect(),
        body: String::new(),
    };
    check(status(500, &[]), "is in trouble (status 500)");
    check(status(503, &[]), "is in trouble (status 503)");
    check(status(429, &[]), "too many questions");
    check(
        status(429, &[("Retry-After", "3600")]),
        "come back in 3600 seconds",
    );
    check(
        status(403, &[("X-Error-Message", "You are in the wrong country")]),
        "refuses: You are in the wrong country",
    );
    check(status(418, &[]), "answered with status 418");
}

#[test]
fn troubles_that_pass_are_waited_for() {
    for (code, headers) in [
        (503, vec![]),
        (429, vec![("Retry-After".to_owned(), "1".to_owned())]),
    ] {
        let place = Place::new();
        place.hub.add(model());
        let body = String::new();
        let what = What::Status {
            code,
            headers,
            body,
        };
        place.hub.misbehave(Fault::new("", what).times(2));
        try_to_fetch(&place).unwrap();
        assert_right(&place);
    }
}

#[test]
fn a_hub_without_ranges_sends_all_anew() {
    let place = Place::new();
    place.hub.add(model());
    place
        .hub
        .misbehave(Fault::new("w.bin", What::Cut { after: 600_000 }).times(1));
    place.hub.misbehave(Fault::new("w.bin", What::NoRanges));
    try_to_fetch(&place).unwrap();
    assert_right(&place);
    let place = Place::new();
    place.hub.add(model());
    place
        .hub
        .misbehave(Fault::new("w.bin", What::Cut { after: 600_000 }).times(1));
    place
        .hub
        .misbehave(Fault::new("w.bin", What::WrongRange).times(1));
    try_to_fetch(&place).unwrap();
    assert_right(&place);
}

#[test]
fn a_redirect_to_another_host_gets_no_token() {
    let place = Place::new();
    place.hub.add(model());
    let thief = engraft_loopback::Hub::start().unwrap();
    for target in [
        "/api/models/org/m/revision",
        "/api/models/org/m/tree",
        "/org/m/resolve",
    ] {
        let to = format!("{}/stolen", thief.url());
        place.hub.clear_faults();
        place
            .hub
            .misbehave(Fault::new(target, What::Redirect { to, code: 307 }));
        let hubs = place.hubs_with(&[
            ("HF_TOKEN", "hf_mine"),
            ("HF_HOME", &place.at("other").display().to_string()),
        ]);
        let fetched = hubs.repository(Kind::Model, "org/m", None, Wish::AsCached);
        let message = said(fetched.and_then(|snapshot| snapshot.fetch(["config.json"])));
        assert!(!message.contains("hf_mine"), "{message}");
    }
    assert!(thief.seen().len() >= 3);
    for request in thief.seen() {
        assert_eq!(request.authorization, None, "{}", request.target);
        assert!(!String::from_utf8_lossy(&request.body).contains("hf_mine"));
    }
}

#[test]
fn redirects_that_lead_nowhere_or_around_are_ended() {
    for (to, says) in [
        (
            "file:///etc/passwd".to_owned(),
            "a redirect that leads nowhere",
        ),
        (
            "http://user:word@127.0.0.1/x".to_owned(),
            "a redirect that leads nowhere",
        ),
        (
            "/org/m/resolve/main/w.bin".to_owned(),
            "redirects without end",
        ),
    ] {
        let place = Place::new();
        place.hub.add(model());
        let what = What::Redirect { to, code: 302 };
        place
            .hub
            .misbehave(Fault::new("w.bin", what).at(Origin::Hub));
        let message = said(try_to_fetch(&place));
        assert!(message.contains(says), "{message}");
        assert_right(&place);
    }
}

#[test]
fn a_listing_with_names_that_leave_the_cache_is_refused() {
    let place = Place::new();
    place.hub.add(model().file("../../../evil", b"x"));
    let message = said(try_to_fetch(&place));
    assert!(
        message.contains("cannot be the path of a file in a folder"),
        "{message}"
    );
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 0);
}

fn archive_of(files: usize, build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> (Place, Result<()>) {
    let place = Place::new();
    let mut model = Published::new("o/m/keras/v").version(1);
    for number in 0..files {
        model = model.file(&format!("f{number:02}"), &b"x"[..]);
    }
    let mut builder = tar::Builder::new(Vec::new());
    build(&mut builder);
    place
        .hub
        .add_kaggle(model.archive(builder.into_inner().unwrap()));
    let name = KaggleModel::parse("o/m/keras/v/1").unwrap();
    let snapshot = place.hubs().kaggle(&name, Wish::AsCached).unwrap();
    let files = snapshot.files();
    let fetched = snapshot.fetch(files.iter().map(String::as_str));
    (place, fetched)
}

fn entry(builder: &mut tar::Builder<Vec<u8>>, path: &str, kind: tar::EntryType, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    let _ = header.set_link_name("/etc/passwd");
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    builder.append(&header, bytes).unwrap();
}

#[test]
fn an_archive_that_would_leave_its_folder_is_thrown_away() {
    use tar::EntryType;
    type Build = Box<dyn FnOnce(&mut tar::Builder<Vec<u8>>)>;
    let cases: [(Build, &str); 5] = [
        (
            Box::new(|it| entry(it, "../../evil", EntryType::Regular, b"x")),
            "cannot be the path",
        ),
        (
            Box::new(|it| entry(it, "f00", EntryType::Symlink, b"")),
            "a link",
        ),
        (
            Box::new(|it| entry(it, "f00", EntryType::Link, b"")),
            "a link",
        ),
        (
            Box::new(|it| {
                (0..1_000_000).for_each(|n| entry(it, &format!("d{n}"), EntryType::Directory, b""))
            }),
            "more than 1120 entries",
        ),
        (
            Box::new(|it| entry(it, "f00", EntryType::Regular, b"x")),
            "its f01 is not the file",
        ),
    ];
    for (build, says) in cases {
        let (place, fetched) = archive_of(30, build);
        let message = said(fetched);
        assert!(message.contains(says), "{message}");
        let left = below(&place.at("kagglehub"));
        assert!(
            left.iter().all(|name| name.contains(".complete/")),
            "{left:?}"
        );
        assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn two_at_once_fetch_a_file_once() {
    let place = Place::new();
    place.hub.add(model());
    let slow = What::Slow {
        bytes_per_second: 2_000_000,
    };
    place.hub.misbehave(Fault::new("w.bin", slow));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| try_to_fetch(&place).unwrap());
        }
    });
    let stored = place
        .hub
        .seen()
        .into_iter()
        .filter(|it| it.origin == Origin::Store);
    assert_eq!(stored.count(), 1);
    assert_right(&place);
}

#[test]
fn a_cache_that_cannot_be_written_to_is_named_with_the_variable_that_names_it() {
    let place = Place::new();
    place.hub.add(model());
    // A file in the place of a folder: permissions mean nothing to a superuser.
    fs::write(place.at("huggingface"), "").unwrap();
    let message = said(try_to_fetch(&place));
    assert!(
        message.contains("huggingface") && message.contains("HF_HOME"),
        "{message}"
    );
}

#[test]
fn more_than_the_disk_holds_is_refused_before_it_begins() {
    let place = Place::new();
    let huge = Content::Generated {
        seed: 1,
        size: 4096,
    };
    place.hub.add(
        Repository::model("org/m")
            .file("config.json", b"{}")
            .large("w.bin", huge),
    );
    let hubs = place.hubs();
    let snapshot = hubs
        .repository(Kind::Model, "org/m", None, Wish::AsCached)
        .unwrap();
    snapshot.fetch(["config.json"]).unwrap();
    // What the hub says of a size is believed before anything is fetched.
    let commit = snapshot
        .folder()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let tree = place
        .at("huggingface/hub/models--org--m/trees")
        .join(format!("{commit}.json"));
    let said_so = fs::read_to_string(&tree)
        .unwrap()
        .replace("4096", "9000000000000000000");
    fs::write(&tree, said_so).unwrap();
    place.hub.forget();
    let message = said(try_to_fetch(&place));
    assert!(message.contains(" free, and 9000.0 PB more"), "{message}");
    assert!(place.hub.seen().is_empty());
}
