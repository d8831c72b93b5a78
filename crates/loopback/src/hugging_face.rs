//! The interface of the Hugging Face hub: information, trees, files.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::content::Content;
use crate::http::{Incoming, encode};
use crate::repository::{Access, Held, Kind, Published, Snapshot};
use crate::shelf::Shelf;

/// What a request to the hub is answered with; none if its path is none of Hugging Face's.
pub(crate) fn answer(shelf: &Shelf, incoming: &Incoming) -> Option<Answer> {
    let segments = incoming.segments();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let result = match parts.as_slice() {
        ["api", kind] => Ok(search(shelf, kind_of(kind)?, incoming)),
        ["api", kind, rest @ ..] => api(shelf, kind_of(kind)?, rest, incoming),
        ["datasets", rest @ ..] => resolve(shelf, Kind::DataSet, rest, incoming)?,
        rest => resolve(shelf, Kind::Model, rest, incoming)?,
    };
    Some(result.unwrap_or_else(|error| error))
}

fn kind_of(plural: &str) -> Option<Kind> {
    [Kind::Model, Kind::DataSet]
        .into_iter()
        .find(|kind| kind.plural() == plural)
}

fn api(shelf: &Shelf, kind: Kind, rest: &[&str], incoming: &Incoming) -> Result<Answer, Answer> {
    let (name, rest) = match rest {
        [name, "revision" | "tree", _, ..] | [name] => ((*name).to_string(), &rest[1..]),
        [owner, name, rest @ ..] => (format!("{owner}/{name}"), rest),
        [] => return Err(unknown()),
    };
    let repository = find(shelf, kind, &name, incoming)?;
    match rest {
        [] => Ok(info(&repository, &*at(&repository, "main")?, incoming)),
        ["revision", revision] => Ok(info(&repository, &*at(&repository, revision)?, incoming)),
        ["tree", revision, folder @ ..] => tree(
            shelf,
            &*at(&repository, revision)?,
            &folder.join("/"),
            incoming,
        ),
        _ => Err(unknown()),
    }
}

fn unknown() -> Answer {
    Answer::error(
        404,
        None,
        "Sorry, we can't find the page you are looking for.",
    )
}

/// The repository, if the request may know of it.
fn find(
    shelf: &Shelf,
    kind: Kind,
    name: &str,
    incoming: &Incoming,
) -> Result<Arc<Published>, Answer> {
    let authorization = incoming.authorization();
    let missing = || {
        let status = if authorization.is_none() { 401 } else { 404 };
        Answer::error(status, Some("RepoNotFound"), "Repository not found")
    };
    let repository = shelf.repository(kind, name).ok_or_else(missing)?;
    if repository.access != Access::Private || repository.opened_by(authorization) {
        return Ok(repository);
    }
    // The token of somebody else is a valid one, which sees nothing here.
    if authorization.is_some() && !shelf.knows_token(authorization) {
        return Err(Answer::error(
            401,
            None,
            "Invalid credentials in Authorization header",
        ));
    }
    Err(missing())
}

fn at(repository: &Published, revision: &str) -> Result<Arc<Snapshot>, Answer> {
    let missing = || {
        Answer::error(
            404,
            Some("RevisionNotFound"),
            &format!("Invalid rev id: {revision}"),
        )
    };
    repository.at(revision).ok_or_else(missing)
}

fn search(shelf: &Shelf, kind: Kind, incoming: &Incoming) -> Answer {
    let word = incoming.query("search").unwrap_or_default().to_lowercase();
    let limit = incoming
        .query("limit")
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(1000);
    let found = shelf
        .public_names(kind)
        .into_iter()
        .filter(|name| name.to_lowercase().contains(&word))
        .take(limit);
    Answer::json(
        200,
        &found
            .map(|name| json!({ "_id": identity(&name), "id": name }))
            .collect(),
    )
}

fn info(repository: &Published, snapshot: &Snapshot, incoming: &Incoming) -> Answer {
    let blobs = incoming
        .query("blobs")
        .is_some_and(|value| value != "false" && value != "0");
    let sibling = |(path, file): (&String, &Held)| {
        let mut sibling = json!({ "rfilename": path });
        if blobs {
            sibling["blobId"] = json!(file.blob);
            sibling["size"] = json!(file.source.size());
            if let Some(large) = &file.large {
                sibling["lfs"] = json!({ "sha256": large.sha256, "size": file.source.size(), "pointerSize": large.pointer_size });
            }
        }
        sibling
    };
    let mut info = json!({
        "_id": identity(&repository.name),
        "id": repository.name,
        "private": repository.access == Access::Private,
        "gated": if repository.access == Access::Gated { json!("manual") } else { json!(false) },
        "disabled": false,
        "sha": snapshot.commit,
        "tags": [],
        "downloads": 0,
        "likes": 0,
        "createdAt": "2026-01-01T00:00:00.000Z",
        "lastModified": "2026-01-01T00:00:00.000Z",
        "siblings": snapshot.files.iter().map(sibling).collect::<Value>(),
    });
    if repository.kind == Kind::Model {
        info["modelId"] = json!(repository.name);
    }
    Answer::json(200, &info)
}

/// 24 hexadecimal digits that follow from the name.
fn identity(name: &str) -> String {
    Content::from(name).sha256()[..24].to_string()
}

fn tree(
    shelf: &Shelf,
    snapshot: &Snapshot,
    folder: &str,
    incoming: &Incoming,
) -> Result<Answer, Answer> {
    let recursive = incoming
        .query("recursive")
        .is_some_and(|value| value == "true" || value == "1");
    let prefix = if folder.is_empty() {
        String::new()
    } else {
        format!("{folder}/")
    };
    let entries = entries(snapshot, &prefix, recursive);
    if entries.is_empty() && !folder.is_empty() {
        return Err(Answer::error(
            404,
            Some("EntryNotFound"),
            &format!("{folder} does not exist on \"{}\"", snapshot.commit),
        ));
    }
    let limit = incoming
        .query("limit")
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(usize::MAX);
    let page = shelf.page_size().min(limit).max(1);
    let cursor = incoming
        .query("cursor")
        .map(|cursor| URL_SAFE_NO_PAD.decode(cursor).unwrap_or_default());
    let start = cursor
        .and_then(|bytes| String::from_utf8(bytes).ok()?.parse::<usize>().ok())
        .unwrap_or(0);
    let listed: Vec<&Value> = entries.iter().skip(start).take(page).collect();
    let answer = Answer::json(200, &json!(listed));
    let next = start + listed.len();
    if next >= entries.len() {
        return Ok(answer);
    }
    let host = incoming
        .header("Host")
        .map_or_else(|| shelf.hub_url(), |host| format!("http://{host}"));
    let mut url = format!(
        "{host}{}?recursive={recursive}&expand=false",
        incoming.path()
    );
    if limit != usize::MAX {
        url += &format!("&limit={limit}");
    }
    url += &format!("&cursor={}", URL_SAFE_NO_PAD.encode(next.to_string()));
    Ok(answer.with("Link", &format!("<{url}>; rel=\"next\"")))
}

/// Folders and files below `prefix`, folders before what is in them.
fn entries(snapshot: &Snapshot, prefix: &str, recursive: bool) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut folders = BTreeSet::new();
    for (path, file) in &snapshot.files {
        let Some(below) = path.strip_prefix(prefix) else {
            continue;
        };
        let ends = below
            .match_indices('/')
            .map(|(end, _)| end)
            .take(if recursive { usize::MAX } else { 1 });
        for end in ends {
            let folder = &path[..prefix.len() + end];
            if folders.insert(folder) {
                entries.push(json!({ "type": "directory", "oid": Content::from(folder).git_blob(), "size": 0, "path": folder }));
            }
        }
        if recursive || !below.contains('/') {
            entries.push(file_entry(path, file));
        }
    }
    entries
}

fn file_entry(path: &str, file: &Held) -> Value {
    let size = file.source.size();
    let mut entry = json!({ "type": "file", "oid": file.blob, "size": size, "path": path });
    if let Some(large) = &file.large {
        entry["lfs"] =
            json!({ "oid": large.sha256, "size": size, "pointerSize": large.pointer_size });
        entry["xetHash"] = json!(Content::from(large.sha256.as_str()).sha256());
    }
    entry
}

fn resolve(
    shelf: &Shelf,
    kind: Kind,
    parts: &[&str],
    incoming: &Incoming,
) -> Option<Result<Answer, Answer>> {
    let (name, revision, path) = match parts {
        [name, "resolve", revision, path @ ..] => ((*name).to_string(), revision, path.join("/")),
        [owner, name, "resolve", revision, path @ ..] => {
            (format!("{owner}/{name}"), revision, path.join("/"))
        }
        _ => return None,
    };
    Some(
        find(shelf, kind, &name, incoming)
            .and_then(|repository| file(shelf, &repository, revision, &path, incoming)),
    )
}

fn file(
    shelf: &Shelf,
    repository: &Published,
    revision: &str,
    path: &str,
    incoming: &Incoming,
) -> Result<Answer, Answer> {
    let authorization = incoming.authorization();
    if repository.access == Access::Gated && !repository.opened_by(authorization) {
        let status = if authorization.is_none() { 401 } else { 403 };
        let message = format!(
            "Access to {} {} is restricted.",
            repository.kind.plural(),
            repository.name
        );
        return Err(Answer::error(status, Some("GatedRepo"), &message));
    }
    let snapshot = at(repository, revision)?;
    let commit = |answer: Answer| answer.with("X-Repo-Commit", &snapshot.commit);
    let Some(held) = snapshot.files.get(path) else {
        return Err(commit(Answer::error(
            404,
            Some("EntryNotFound"),
            "Entry not found",
        )));
    };
    let Some(large) = &held.large else {
        return Ok(commit(Answer::file(
            held.source.clone(),
            &held.blob,
            incoming,
        )));
    };
    let location = format!(
        "{}{}?signature=abc",
        shelf.store_url(),
        encode(&store_path(repository, &large.sha256, path))
    );
    let answer = Answer::redirect(302, &location)
        .with("X-Linked-Size", &held.source.size().to_string())
        .with("X-Linked-Etag", &format!("\"{}\"", large.sha256))
        .with("ETag", &format!("\"{}\"", held.blob))
        .with("Accept-Ranges", "bytes");
    Ok(commit(answer))
}

/// Where the file store keeps a file of LFS.
pub(crate) fn store_path(repository: &Published, sha256: &str, path: &str) -> String {
    format!(
        "/{}/{}/{sha256}/{path}",
        repository.kind.plural(),
        repository.name
    )
}
