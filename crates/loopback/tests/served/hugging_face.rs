//! The hub's information, trees, files and errors.

use engraft_loopback::{Access, Content, Hub, Repository};
use serde_json::json;

use crate::client::{Client, Reply, follow};

const WEIGHTS: Content = Content::Generated {
    seed: 5,
    size: 100_000,
};

fn hub() -> (Hub, Client, Repository) {
    let hub = Hub::start().unwrap();
    let repository = Repository::model("org/name")
        .file("config.json", b"{}")
        .file("sub/deep/a b.txt", b"hello\n")
        .large("model.safetensors", WEIGHTS)
        .revision("refs/pr/1")
        .revision_of(
            "v0",
            Repository::model("").file("config.json", b"{\"old\":1}"),
        );
    hub.add(repository.clone());
    let client = Client::to(&hub.url());
    (hub, client, repository)
}

fn code(reply: &Reply) -> (u16, &str) {
    (reply.status, reply.header("X-Error-Code"))
}

#[test]
fn information_names_commit_and_files() {
    let (_hub, mut client, repository) = hub();
    let info = client.get("/api/models/org/name").json();
    assert_eq!(
        (&info["id"], &info["sha"]),
        (&json!("org/name"), &json!(repository.commit()))
    );
    assert_eq!(info["siblings"][0], json!({ "rfilename": "config.json" }));
    let info = client
        .get("/api/models/org/name/revision/refs%2Fpr%2F1?blobs=true")
        .json();
    assert_eq!(info["sha"], json!(repository.commit()));
    let weights = &info["siblings"][1];
    assert_eq!(
        weights["lfs"],
        json!({ "sha256": WEIGHTS.sha256(), "size": 100_000, "pointerSize": 131 })
    );
    assert_eq!(
        info["siblings"][2]["blobId"],
        json!("ce013625030ba8dba906f756967f9e9ca394464a")
    );
    let old = client.get("/api/models/org/name/revision/v0").json();
    assert_ne!(old["sha"], info["sha"]);
    assert_eq!(
        client
            .get(&format!(
                "/api/models/org/name/revision/{}",
                repository.commit()
            ))
            .json()["sha"],
        info["sha"]
    );
}

#[test]
fn data_sets_and_bare_names_have_addresses_of_their_own() {
    let (hub, mut client, _) = hub();
    hub.add(Repository::data_set("squad").file("train.csv", b"a,b"));
    assert_eq!(
        client.get("/api/datasets/squad").json()["id"],
        json!("squad")
    );
    assert_eq!(
        client.get("/api/datasets/squad/tree/main").json()[0]["path"],
        json!("train.csv")
    );
    assert_eq!(
        client.get("/datasets/squad/resolve/main/train.csv").body,
        b"a,b"
    );
    assert_eq!(
        code(&client.get("/api/models/squad")),
        (401, "RepoNotFound")
    );
}

#[test]
fn a_tree_comes_in_pages_and_by_folder() {
    let (hub, mut client, _) = hub();
    hub.page_size(2);
    let mut target = "/api/models/org/name/tree/main?recursive=true&expand=false".to_string();
    let mut entries = Vec::new();
    loop {
        let page = client.get(&target);
        entries.extend(
            page.json()
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| format!("{} {}", entry["type"], entry["path"])),
        );
        let Some((url, _)) = page
            .header("Link")
            .strip_prefix('<')
            .and_then(|link| link.split_once(">; rel=\"next\""))
        else {
            break;
        };
        target = url.strip_prefix(&hub.url()).unwrap().to_string();
    }
    let expected = [
        "file config.json",
        "file model.safetensors",
        "directory sub",
        "directory sub/deep",
        "file sub/deep/a b.txt",
    ];
    let expected: Vec<String> = expected
        .iter()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(a, b)| format!("\"{a}\" \"{b}\""))
        .collect();
    assert_eq!(entries, expected);
    assert_eq!(
        client
            .get("/api/models/org/name/tree/main/sub?recursive=false")
            .json()[0]["path"],
        json!("sub/deep")
    );
    assert_eq!(
        code(&client.get("/api/models/org/name/tree/main/absent")),
        (404, "EntryNotFound")
    );
    let large = &client.get("/api/models/org/name/tree/main?limit=2").json()[1];
    assert_eq!(large["lfs"]["oid"], json!(WEIGHTS.sha256()));
}

#[test]
fn a_regular_file_comes_from_the_hub_whole_or_in_part() {
    let (_hub, mut client, repository) = hub();
    let target = "/org/name/resolve/main/sub/deep/a%20b.txt";
    let whole = client.get(target);
    assert_eq!(
        (whole.status, whole.body.as_slice()),
        (200, &b"hello\n"[..])
    );
    assert_eq!(
        whole.header("ETag"),
        "\"ce013625030ba8dba906f756967f9e9ca394464a\""
    );
    assert_eq!(
        (whole.header("X-Repo-Commit"), whole.header("Accept-Ranges")),
        (repository.commit().as_str(), "bytes")
    );
    let part = client.get_with(target, "Range", "bytes=2-3");
    assert_eq!(
        (
            part.status,
            part.body.as_slice(),
            part.header("Content-Range")
        ),
        (206, &b"ll"[..], "bytes 2-3/6")
    );
    let beyond = client.get_with(target, "Range", "bytes=6-");
    assert_eq!(
        (beyond.status, beyond.header("Content-Range")),
        (416, "bytes */6")
    );
    let changed = client
        .ask(
            "GET",
            target,
            &[("Range", "bytes=2-"), ("If-Range", "\"other\"")],
            "",
        )
        .unwrap();
    assert_eq!(changed.status, 200);
    assert_eq!(
        client.get("/org/name/resolve/v0/config.json").body,
        b"{\"old\":1}"
    );
}

#[test]
fn a_large_file_is_redirected_to_the_store_which_refuses_tokens() {
    let (hub, mut client, _) = hub();
    let reply = client.get("/org/name/resolve/main/model.safetensors");
    assert_eq!(
        (reply.status, reply.header("X-Linked-Size")),
        (302, "100000")
    );
    assert_eq!(
        reply.header("X-Linked-Etag"),
        format!("\"{}\"", WEIGHTS.sha256())
    );
    assert_ne!(reply.header("ETag"), reply.header("X-Linked-Etag"));
    assert!(reply.header("Location").starts_with(&hub.store_url()));
    assert_eq!(follow(&reply).body, WEIGHTS.to_vec());
    let target = reply
        .header("Location")
        .strip_prefix(&hub.store_url())
        .unwrap();
    let mut store = Client::to(&hub.store_url());
    let part = store.get_with(target, "Range", "bytes=99990-");
    assert_eq!(
        (part.status, part.body.as_slice()),
        (206, &WEIGHTS.to_vec()[99_990..])
    );
    assert_eq!(
        store.get_with(target, "Authorization", "Bearer t").status,
        403
    );
    assert_eq!(
        hub.seen().last().unwrap().authorization.as_deref(),
        Some("Bearer t")
    );
    assert_eq!(store.get(target.split_once('?').unwrap().0).status, 403);
    assert_eq!(store.get("/models/absent?signature=abc").status, 404);
}

#[test]
fn what_is_absent_is_named() {
    let (_hub, mut client, _) = hub();
    let absent = client.get("/api/models/org/absent");
    assert_eq!(code(&absent), (401, "RepoNotFound"));
    assert_eq!(
        absent.json()["error"],
        json!(absent.header("X-Error-Message"))
    );
    assert_eq!(
        code(&client.get_with("/org/absent/resolve/main/a", "Authorization", "Bearer t")),
        (404, "RepoNotFound")
    );
    assert_eq!(
        code(&client.get("/api/models/org/name/revision/absent")),
        (404, "RevisionNotFound")
    );
    assert_eq!(
        code(&client.get("/org/name/resolve/absent/config.json")),
        (404, "RevisionNotFound")
    );
    assert_eq!(
        code(&client.get("/org/name/resolve/main/absent")),
        (404, "EntryNotFound")
    );
    assert_eq!(client.get("/some/where/else").status, 404);
}

#[test]
fn a_gated_repository_shows_its_tree_and_keeps_its_files() {
    let (hub, mut client, _) = hub();
    hub.add(
        Repository::model("org/gated")
            .file("a", b"a")
            .access(Access::Gated)
            .token("secret"),
    );
    assert_eq!(
        client.get("/api/models/org/gated").json()["gated"],
        json!("manual")
    );
    assert_eq!(client.get("/api/models/org/gated/tree/main").status, 200);
    let target = "/org/gated/resolve/main/a";
    assert_eq!(code(&client.get(target)), (401, "GatedRepo"));
    assert_eq!(
        code(&client.get_with(target, "Authorization", "Bearer wrong")),
        (403, "GatedRepo")
    );
    assert_eq!(
        client
            .get_with(target, "Authorization", "Bearer secret")
            .body,
        b"a"
    );
}

#[test]
fn a_private_repository_is_seen_with_its_token_only() {
    let (hub, mut client, _) = hub();
    hub.add(
        Repository::model("org/private")
            .file("a", b"a")
            .access(Access::Private)
            .token("secret"),
    );
    hub.add(
        Repository::model("org/others")
            .access(Access::Private)
            .token("of somebody else"),
    );
    let target = "/api/models/org/private";
    assert_eq!(code(&client.get(target)), (401, "RepoNotFound"));
    assert_eq!(
        code(&client.get_with(target, "Authorization", "Bearer of somebody else")),
        (404, "RepoNotFound")
    );
    let invalid = client.get_with(target, "Authorization", "Bearer wrong");
    assert_eq!(
        (invalid.status, invalid.header("X-Error-Message")),
        (401, "Invalid credentials in Authorization header")
    );
    assert_eq!(
        client
            .get_with(target, "Authorization", "Bearer secret")
            .json()["private"],
        json!(true)
    );
    assert_eq!(
        client
            .get_with(
                "/org/private/resolve/main/a",
                "Authorization",
                "Bearer secret"
            )
            .body,
        b"a"
    );
}

#[test]
fn a_search_finds_public_names() {
    let (hub, mut client, _) = hub();
    hub.add(Repository::model("org/Name-2"));
    hub.add(Repository::model("org/name-3").access(Access::Private));
    let names = |reply: Reply| {
        reply
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(client.get("/api/models?search=name&limit=5")),
        ["org/Name-2", "org/name"]
    );
    assert_eq!(
        names(client.get("/api/models?search=name&limit=1")),
        ["org/Name-2"]
    );
    assert!(names(client.get("/api/datasets?search=name")).is_empty());
}
