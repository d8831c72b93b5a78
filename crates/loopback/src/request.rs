//! What the server has seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use crate::http::Incoming;

/// Which of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The one with the interface of the hubs.
    Hub,
    /// The one that holds large files.
    Store,
}

/// A request that the server has seen, and how far it has answered it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which of the two servers.
    pub origin: Origin,
    /// GET, HEAD or POST.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// The header `Host`.
    pub host: String,
    /// The header `Authorization`.
    pub authorization: Option<String>,
    /// The header `Range`.
    pub range: Option<String>,
    /// The body.
    pub body: Vec<u8>,
    /// The status of the answer; 0 if there is none.
    pub status: u16,
    /// Bytes of the answer's body handed to the system so far.
    pub sent: u64,
    headers: Vec<(String, String)>,
}

impl Request {
    /// Any other header; its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// A request in the log; how far it is answered changes while the log is read.
pub(crate) struct Logged {
    request: Request,
    progress: Arc<Progress>,
}

#[derive(Default)]
pub(crate) struct Progress {
    status: AtomicU16,
    sent: AtomicU64,
}

impl Progress {
    pub(crate) fn answered(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn sent(&self, bytes: u64) {
        self.sent.store(bytes, Ordering::SeqCst);
    }
}

impl Logged {
    pub(crate) fn new(origin: Origin, incoming: &Incoming) -> Logged {
        let owned = |name: &str| incoming.header(name).map(str::to_string);
        let request = Request {
            origin,
            method: incoming.method.clone(),
            target: incoming.target.clone(),
            host: owned("Host").unwrap_or_default(),
            authorization: owned("Authorization"),
            range: owned("Range"),
            body: incoming.body.clone(),
            status: 0,
            sent: 0,
            headers: incoming.headers.clone(),
        };
        Logged {
            request,
            progress: Arc::default(),
        }
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    pub(crate) fn request(&self) -> Request {
        Request {
            status: self.progress.status.load(Ordering::SeqCst),
            sent: self.progress.sent.load(Ordering::SeqCst),
            ..self.request.clone()
        }
    }
}
