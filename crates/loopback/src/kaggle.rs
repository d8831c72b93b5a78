//! The interface of Kaggle for models: the current version, the files of a version, downloads.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::http::{Incoming, encode};
use crate::kaggle_model::{Place, PublishedModel};
use crate::repository::Access;
use crate::shelf::{Shelf, Stored};

/// Files on one page of a list, unless the request says otherwise.
const PAGE_SIZE: u64 = 20;

/// What a request to the hub is answered with; none if its path is none of Kaggle's.
pub(crate) fn answer(shelf: &Shelf, incoming: &Incoming) -> Option<Answer> {
    let path = incoming
        .path()
        .strip_prefix("/api")
        .unwrap_or(incoming.path());
    let call = path.strip_prefix("/v1/models.ModelApiService/")?;
    if incoming.method != "POST" {
        return Some(error(405, "Method not allowed"));
    }
    Some(serve(shelf, call, incoming).unwrap_or_else(|error| error))
}

fn serve(shelf: &Shelf, call: &str, incoming: &Incoming) -> Result<Answer, Answer> {
    let body: Value =
        serde_json::from_slice(&incoming.body).map_err(|_| error(400, "The body is no JSON"))?;
    let model = find(
        shelf,
        &body,
        call == "GetModelInstance",
        incoming.authorization(),
    )?;
    match call {
        "GetModelInstance" => Ok(instance(&model, &body)),
        "ListModelInstanceVersionFiles" => Ok(list(&model, &body)),
        "DownloadModelInstanceVersion" => download(
            shelf,
            &model,
            body["path"].as_str().filter(|path| !path.is_empty()),
        ),
        _ => Err(error(404, "Not found")),
    }
}

fn error(code: u16, message: &str) -> Answer {
    Answer::json(code, &json!({ "code": code, "message": message }))
}

/// The model and version that the request names, if the request may read it.
fn find(
    shelf: &Shelf,
    body: &Value,
    current: bool,
    authorization: Option<&str>,
) -> Result<Arc<PublishedModel>, Answer> {
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let place = Place::new(
        text("ownerSlug"),
        text("modelSlug"),
        text("framework"),
        text("instanceSlug"),
    );
    let version = body["versionNumber"]
        .as_u64()
        .filter(|_| !current)
        .map(|version| u32::try_from(version).unwrap_or(0));
    let model = shelf
        .model(&place, version)
        .ok_or_else(|| error(404, "Not found"))?;
    let opened = authorization.is_some() && authorization == model.authorization.as_deref();
    if authorization.is_some() && model.authorization.is_some() && !opened {
        return Err(error(401, "Unauthenticated"));
    }
    if model.access != Access::Open && !opened {
        return Err(error(403, "Permission 'models.get' was denied"));
    }
    Ok(model)
}

fn instance(model: &PublishedModel, body: &Value) -> Answer {
    let instance = json!({
        "id": 1,
        "slug": body["instanceSlug"],
        "framework": body["framework"],
        "versionId": model.version,
        "versionNumber": model.version,
        "totalUncompressedBytes": model.files.values().map(|file| file.source.size()).sum::<u64>(),
    });
    Answer::json(200, &instance)
}

fn list(model: &PublishedModel, body: &Value) -> Answer {
    let size = body["pageSize"]
        .as_u64()
        .filter(|size| *size > 0)
        .unwrap_or(PAGE_SIZE) as usize;
    let start = body["pageToken"]
        .as_str()
        .and_then(|token| token.strip_prefix("from-")?.parse().ok())
        .unwrap_or(0);
    let file = |(path, file): (&String, &Stored)| json!({ "name": path, "size": file.source.size(), "creationDate": "2026-01-01T00:00:00Z" });
    let files: Vec<Value> = model
        .files
        .iter()
        .skip(start)
        .take(size)
        .map(file)
        .collect();
    let next = start + files.len();
    let token = if next < model.files.len() {
        format!("from-{next}")
    } else {
        String::new()
    };
    Answer::json(200, &json!({ "files": files, "nextPageToken": token }))
}

fn download(shelf: &Shelf, model: &PublishedModel, path: Option<&str>) -> Result<Answer, Answer> {
    let stored = match path {
        Some(path) => model
            .files
            .get(path)
            .cloned()
            .ok_or_else(|| error(404, "Not found"))?,
        None => model.archive(),
    };
    let address = model.store_path(path);
    let location = format!("{}{}?signature=abc", shelf.store_url(), encode(&address));
    shelf.put(address, stored);
    Ok(Answer::redirect(302, &location))
}
