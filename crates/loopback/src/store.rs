//! The file store: signed addresses that lead to files, and nothing for who shows a token.

use crate::answer::Answer;
use crate::http::{Incoming, decode};
use crate::shelf::Shelf;

/// What a request to the file store is answered with.
pub(crate) fn answer(shelf: &Shelf, incoming: &Incoming) -> Answer {
    if incoming.method != "GET" && incoming.method != "HEAD" {
        return error(405, "MethodNotAllowed");
    }
    // As with the real ones: a signed address is refused if the request authorizes itself in a second way.
    if incoming.authorization().is_some() || incoming.query("signature").is_none() {
        return error(403, "AccessDenied");
    }
    let Some(stored) = shelf.stored(&decode(incoming.path())) else {
        return error(404, "NoSuchKey");
    };
    let answer = Answer::file(stored.source, &stored.etag, incoming);
    match &stored.goog_hash {
        Some(hash) => answer.with("x-goog-hash", hash),
        None => answer,
    }
}

fn error(status: u16, code: &str) -> Answer {
    let xml =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code></Error>");
    Answer::text(status, &xml).with("Content-Type", "application/xml")
}
