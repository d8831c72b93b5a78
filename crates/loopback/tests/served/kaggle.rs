//! Kaggle's three calls.

use std::io::Read;

use engraft_loopback::{Access, Hub, KaggleModel};
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::client::{Client, Reply, follow};

const HANDLE: &str = "keras/bert/PyTorch/base";

fn call(
    client: &mut Client,
    name: &str,
    extra: &[(&str, Value)],
    headers: &[(&str, &str)],
) -> Reply {
    let mut body = json!({
        "ownerSlug": "keras", "modelSlug": "bert", "framework": "MODEL_FRAMEWORK_PY_TORCH", "instanceSlug": "base",
    });
    extra
        .iter()
        .for_each(|(key, value)| body[*key] = value.clone());
    client
        .ask(
            "POST",
            &format!("/api/v1/models.ModelApiService/{name}"),
            headers,
            &body.to_string(),
        )
        .unwrap()
}

fn hub() -> (Hub, Client) {
    let hub = Hub::start().unwrap();
    let client = Client::to(&hub.url());
    (hub, client)
}

#[test]
fn the_version_added_last_is_the_current_one() {
    let (hub, mut client) = hub();
    hub.add_kaggle(KaggleModel::new(HANDLE).version(1).file("a", b"one"));
    hub.add_kaggle(KaggleModel::new(HANDLE).version(2).file("a", b"two"));
    assert_eq!(
        call(&mut client, "GetModelInstance", &[], &[]).json()["versionNumber"],
        json!(2)
    );
    let first = call(
        &mut client,
        "DownloadModelInstanceVersion",
        &[("path", json!("a")), ("versionNumber", json!(1))],
        &[],
    );
    assert_eq!(follow(&first).body, b"one");
    let body =
        r#"{"ownerSlug":"keras","modelSlug":"bert","framework":"pytorch","instanceSlug":"base"}"#;
    assert_eq!(
        client
            .ask(
                "POST",
                "/v1/models.ModelApiService/GetModelInstance",
                &[],
                body
            )
            .unwrap()
            .status,
        200
    );
}

#[test]
fn files_are_listed_by_pages() {
    let (hub, mut client) = hub();
    hub.add_kaggle((0..5).fold(KaggleModel::new(HANDLE), |model, n| {
        model.file(&format!("f{n}"), b"abc")
    }));
    let mut names = Vec::new();
    let mut token = json!("");
    loop {
        let page = call(
            &mut client,
            "ListModelInstanceVersionFiles",
            &[("pageSize", json!(2)), ("pageToken", token)],
            &[],
        )
        .json();
        names.extend(
            page["files"]
                .as_array()
                .unwrap()
                .iter()
                .map(|file| file["name"].clone()),
        );
        assert_eq!(page["files"][0]["size"], json!(3));
        token = page["nextPageToken"].clone();
        if token == json!("") {
            break;
        }
    }
    assert_eq!(names, ["f0", "f1", "f2", "f3", "f4"]);
}

#[test]
fn a_file_comes_from_the_store_with_its_hashes() {
    let (hub, mut client) = hub();
    hub.add_kaggle(KaggleModel::new(HANDLE).file("a/b c.txt", b"123456789"));
    let reply = call(
        &mut client,
        "DownloadModelInstanceVersion",
        &[("path", json!("a/b c.txt"))],
        &[],
    );
    assert_eq!(reply.status, 302);
    assert!(reply.header("Location").starts_with(&hub.store_url()));
    let file = follow(&reply);
    assert_eq!(
        (
            file.status,
            file.body.as_slice(),
            file.header("Accept-Ranges")
        ),
        (200, &b"123456789"[..], "bytes")
    );
    assert_eq!(
        file.header("x-goog-hash"),
        "crc32c=4waSgw==,md5=JfnnlDI7RTiF9RgfG2JNCw=="
    );
    assert_eq!(
        call(
            &mut client,
            "DownloadModelInstanceVersion",
            &[("path", json!("absent"))],
            &[]
        )
        .status,
        404
    );
}

#[test]
fn without_a_path_the_archive_comes() {
    let (hub, mut client) = hub();
    let long = format!("{}/end.txt", "folder/".repeat(20));
    hub.add_kaggle(
        KaggleModel::new(HANDLE)
            .file("a.txt", b"abc")
            .file(&long, b"deep"),
    );
    let archive = follow(&call(&mut client, "DownloadModelInstanceVersion", &[], &[]));
    let mut tar = Vec::new();
    GzDecoder::new(archive.body.as_slice())
        .read_to_end(&mut tar)
        .unwrap();
    assert!(tar.starts_with(b"a.txt\0") && tar[512..].starts_with(b"abc\0"));
    assert_eq!(tar.len() % 512, 0);
    assert!(
        tar.windows(long.len())
            .any(|window| window == long.as_bytes())
    );
    hub.add_kaggle(KaggleModel::new(HANDLE).archive(b"no archive".to_vec()));
    assert_eq!(
        follow(&call(&mut client, "DownloadModelInstanceVersion", &[], &[])).body,
        b"no archive"
    );
}

#[test]
fn credentials_are_checked() {
    let (hub, mut client) = hub();
    hub.add_kaggle(
        KaggleModel::new(HANDLE)
            .file("a", b"a")
            .access(Access::Gated)
            .authorization("Basic dTprZXk="),
    );
    let denied = call(&mut client, "GetModelInstance", &[], &[]);
    assert_eq!(
        denied.json(),
        json!({ "code": 403, "message": "Permission 'models.get' was denied" })
    );
    let wrong = call(
        &mut client,
        "GetModelInstance",
        &[],
        &[("Authorization", "Bearer x")],
    );
    assert_eq!(
        (wrong.status, wrong.json()["message"].as_str()),
        (401, Some("Unauthenticated"))
    );
    let header = [("Authorization", "Basic dTprZXk=")];
    assert_eq!(
        call(&mut client, "GetModelInstance", &[], &header).status,
        200
    );
    let absent = call(
        &mut client,
        "GetModelInstance",
        &[("modelSlug", json!("absent"))],
        &header,
    );
    assert_eq!(
        absent.json(),
        json!({ "code": 404, "message": "Not found" })
    );
    assert_eq!(hub.seen()[0].method, "POST");
    assert!(hub.seen()[0].body.starts_with(b"{"));
}
