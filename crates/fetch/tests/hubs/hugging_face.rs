//! Hugging Face as it should be.

use std::fs;

use engraft_fetch::{Checked, Kind, Wish};
use engraft_loopback::{Access, Content, Fault, Origin, Repository, What};

use crate::{Place, below, said};

const NAME: &str = "org/small";

fn small() -> Repository {
    Repository::model(NAME)
        .file("config.json", b"{\"model_type\": \"bert\"}")
        .file("1_Pooling/config.json", b"{}")
        .large(
            "model.safetensors",
            Content::Generated {
                seed: 1,
                size: 3_000_000,
            },
        )
        .file("onnx/model.onnx", b"not wanted")
}

const WANTED: [&str; 3] = ["config.json", "1_Pooling/config.json", "model.safetensors"];

#[test]
fn what_is_wanted_is_fetched_once_and_kept_as_hugging_faces_tools_keep_it() {
    let place = Place::new();
    place.hub.add(small());
    let commit = small().commit();
    let snapshot = place
        .hubs()
        .repository(Kind::Model, NAME, None, Wish::AsCached)
        .unwrap();
    assert_eq!(snapshot.missing(WANTED), (3, 3_000_024));
    snapshot.fetch(WANTED).unwrap();
    assert_eq!(snapshot.missing(WANTED), (0, 0));

    let cache = place.at("huggingface/hub/models--org--small");
    assert_eq!(fs::read_to_string(cache.join("refs/main")).unwrap(), commit);
    let files = cache.join("snapshots").join(&commit);
    assert_eq!(snapshot.folder(), files);
    let large = Content::Generated {
        seed: 1,
        size: 3_000_000,
    };
    assert_eq!(
        fs::read(files.join("model.safetensors")).unwrap(),
        large.to_vec()
    );
    let link = fs::read_link(files.join("1_Pooling/config.json")).unwrap();
    assert!(link.starts_with("../../../blobs"), "{}", link.display());
    assert!(cache.join("blobs").join(large.sha256()).is_file());
    assert!(!files.join("onnx").exists());

    // Another process asks nobody.
    place.hub.forget();
    let again = place
        .hubs()
        .repository(Kind::Model, NAME, None, Wish::AsCached)
        .unwrap();
    again.fetch(WANTED).unwrap();
    assert!(place.hub.seen().is_empty());
    let offline = place.hubs_with(&[("HF_HUB_OFFLINE", "1")]);
    let offline = offline
        .repository(Kind::Model, NAME, None, Wish::AsCached)
        .unwrap();
    offline.fetch(WANTED).unwrap();
    let message = said(offline.fetch(["onnx/model.onnx"]));
    assert!(
        message.contains("without onnx/model.onnx") && message.contains("--offline"),
        "{message}"
    );
}

#[test]
fn large_files_come_from_the_store_which_never_sees_the_token() {
    let place = Place::new();
    place
        .hub
        .add(small().access(Access::Gated).token("hf_mine"));
    let hubs = place.hubs_with(&[("HF_TOKEN", "hf_mine")]);
    let snapshot = hubs
        .repository(Kind::Model, NAME, None, Wish::AsCached)
        .unwrap();
    snapshot.fetch(WANTED).unwrap();
    let (mut to_hub, mut to_store) = (0, 0);
    for request in place.hub.seen() {
        match request.origin {
            Origin::Hub => {
                assert_eq!(request.authorization.as_deref(), Some("Bearer hf_mine"));
                to_hub += 1;
            }
            Origin::Store => {
                assert_eq!(request.authorization, None);
                to_store += 1;
            }
        }
    }
    assert_eq!((to_hub, to_store), (5, 1));
    assert!(
        !format!("{hubs:?}{snapshot:?}").contains("hf_mine"),
        "a token is printed"
    );
}

#[test]
fn revisions_are_branches_tags_and_commits() {
    let place = Place::new();
    let old = Repository::model(NAME).file("config.json", b"old");
    let old_commit = old.commit();
    let new = Repository::model(NAME).file("config.json", b"new");
    place.hub.add(
        new.clone()
            .revision_of("v1", old.clone())
            .revision_of("refs/pr/1", old),
    );
    let read = |revision: Option<&str>| {
        let snapshot = place
            .hubs()
            .repository(Kind::Model, NAME, revision, Wish::AsCached)
            .unwrap();
        snapshot.fetch(["config.json"]).unwrap();
        fs::read_to_string(snapshot.folder().join("config.json")).unwrap()
    };
    assert_eq!(read(None), "new");
    for revision in ["v1", "refs/pr/1", &old_commit] {
        assert_eq!(read(Some(revision)), "old", "{revision}");
    }
    // A name means the same until somebody asks for what is new.
    place
        .hub
        .add(Repository::model(NAME).file("config.json", b"newest"));
    assert_eq!(read(None), "new");
    let newest = place
        .hubs()
        .repository(Kind::Model, NAME, None, Wish::Newest)
        .unwrap();
    newest.fetch(["config.json"]).unwrap();
    assert_eq!(read(None), "newest");
    let message = said(
        place
            .hubs()
            .repository(Kind::Model, NAME, Some("v9"), Wish::AsCached),
    );
    assert!(
        message.contains("no branch, tag or commit \"v9\""),
        "{message}"
    );
}

#[test]
fn data_sets_lie_apart_and_lists_of_many_pages_are_read_to_their_end() {
    let place = Place::new();
    place.hub.page_size(7);
    let files = (0..40).fold(Repository::data_set("org/rows"), |repository, number| {
        repository.file(
            &format!("data/train-{number:05}.csv"),
            format!("x\n{number}\n").as_bytes(),
        )
    });
    place.hub.add(files);
    let snapshot = place
        .hubs()
        .repository(Kind::DataSet, "org/rows", None, Wish::AsCached)
        .unwrap();
    let paths = snapshot.files();
    assert_eq!(paths.len(), 40);
    snapshot.fetch(paths.iter().map(String::as_str)).unwrap();
    assert!(
        snapshot
            .folder()
            .starts_with(place.at("huggingface/hub/datasets--org--rows"))
    );
    assert_eq!(below(snapshot.folder()).len(), 40);
}

#[test]
fn a_cache_that_others_filled_is_used_without_its_hub() {
    let place = Place::new();
    let cache = place.at("huggingface/hub/models--org--old");
    for folder in ["refs", "blobs", "snapshots/abc"] {
        fs::create_dir_all(cache.join(folder)).unwrap();
    }
    fs::write(cache.join("refs/main"), "abc\n").unwrap();
    fs::write(cache.join("snapshots/abc/config.json"), "{}").unwrap();
    let closed = ("HF_ENDPOINT", "http://127.0.0.1:1");
    let snapshot =
        place
            .hubs_with(&[closed])
            .repository(Kind::Model, "org/old", None, Wish::AsCached);
    let snapshot = snapshot.unwrap();
    assert!(!snapshot.is_listed() && snapshot.is_here("config.json"));
    snapshot.fetch(["config.json"]).unwrap();
    assert_eq!(snapshot.files(), ["config.json"]);
    fs::write(cache.join("refs/main"), "../../..").unwrap();
    let message = said(
        place
            .hubs()
            .repository(Kind::Model, "org/old", None, Wish::AsCached),
    );
    assert!(message.contains("does not hold a commit"), "{message}");
}

#[test]
fn bytes_are_looked_at_by_verify() {
    let place = Place::new();
    place.hub.add(small());
    let snapshot = place
        .hubs()
        .repository(Kind::Model, NAME, None, Wish::AsCached)
        .unwrap();
    snapshot.fetch(WANTED).unwrap();
    let all = snapshot.verify().unwrap();
    assert!(all.len() == 3 && all.iter().all(|(_, checked)| *checked == Checked::Whole));
    let file = snapshot.folder().join("model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    bytes[1_000_000] ^= 1;
    fs::write(&file, bytes).unwrap();
    let broken: Vec<_> = snapshot
        .verify()
        .unwrap()
        .into_iter()
        .filter(|(_, it)| *it == Checked::Broken)
        .collect();
    assert_eq!(broken, [("model.safetensors".to_owned(), Checked::Broken)]);
}

#[test]
fn what_was_lost_or_cut_since_is_fetched_anew() {
    let place = Place::new();
    place.hub.add(small());
    let open = || {
        let hubs = place.hubs();
        hubs.repository(Kind::Model, NAME, None, Wish::AsCached)
            .unwrap()
    };
    open().fetch(WANTED).unwrap();
    let whole = open();
    let (cut, lost) = (
        whole.folder().join("model.safetensors"),
        whole.folder().join("config.json"),
    );
    fs::write(&cut, b"cut").unwrap();
    fs::remove_file(fs::canonicalize(lost).unwrap()).unwrap();
    assert_eq!(open().missing(WANTED), (2, 3_000_022));
    open().fetch(WANTED).unwrap();
    let checked = open().verify().unwrap();
    assert!(checked.len() == 3 && checked.iter().all(|(_, it)| *it == Checked::Whole));
}

#[test]
fn what_was_cut_goes_on_where_it_ended() {
    let place = Place::new();
    place.hub.add(small());
    let cut = What::Cut { after: 400_000 };
    place.hub.misbehave(Fault::new("model.safetensors", cut));
    let snapshot = place
        .hubs()
        .repository(Kind::Model, NAME, None, Wish::AsCached)
        .unwrap();
    snapshot.fetch(WANTED).unwrap();
    let ranges = place
        .hub
        .seen()
        .into_iter()
        .filter(|it| it.origin == Origin::Store);
    let ranges: Vec<_> = ranges.map(|it| it.range).collect();
    assert_eq!(ranges.len(), 8);
    assert_eq!(ranges[0], None);
    assert_eq!(ranges[7].as_deref(), Some("bytes=2800000-"));
}

#[test]
fn who_may_not_have_it_is_told_what_to_do() {
    let place = Place::new();
    place
        .hub
        .add(small().access(Access::Gated).token("hf_mine"));
    let fetch = |variables: &[(&str, &str)]| {
        let snapshot =
            place
                .hubs_with(variables)
                .repository(Kind::Model, NAME, None, Wish::AsCached)?;
        snapshot.fetch(["config.json"])
    };
    let message = said(fetch(&[]));
    let page = format!("accept its terms at {}/org/small", place.hub.url());
    assert!(
        message.contains(&page) && message.contains("HF_TOKEN"),
        "{message}"
    );
    let message = said(fetch(&[("HF_TOKEN", "hf_other")]));
    assert!(message.contains("no access; ask for it at"), "{message}");
    assert!(!message.contains("hf_other"), "{message}");
    assert!(fetch(&[("HF_TOKEN", "hf_mine")]).is_ok());
}

#[test]
fn a_name_that_is_not_there_is_answered_with_the_nearest() {
    let place = Place::new();
    place
        .hub
        .add(Repository::model("facebook/esm2_t6_8M_UR50D").file("config.json", b"{}"));
    let find = |name: &str| {
        said(
            place
                .hubs()
                .repository(Kind::Model, name, None, Wish::AsCached),
        )
    };
    let message = find("facebook/esm2_t6_8M_UR50");
    assert!(
        message.ends_with("Did you mean hf://facebook/esm2_t6_8M_UR50D?"),
        "{message}"
    );
    let message = find("nobody/nothing");
    assert!(
        message.contains("has no model nobody/nothing, or it is private"),
        "{message}"
    );
    assert!(below(&place.at("huggingface")).is_empty());
}

#[test]
fn a_private_one_opens_with_its_token_and_a_wrong_token_is_called_so() {
    let place = Place::new();
    place
        .hub
        .add(small().access(Access::Private).token("hf_mine"));
    let find = |token: &str| {
        place
            .hubs_with(&[("HF_TOKEN", token)])
            .repository(Kind::Model, NAME, None, Wish::AsCached)
    };
    let message = said(find("hf_wrong"));
    assert!(
        message.contains("does not know the token") && !message.contains("hf_wrong"),
        "{message}"
    );
    find("hf_mine").unwrap().fetch(WANTED).unwrap();
}
