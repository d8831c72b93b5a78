//! What the server does wrong, and when.

use crate::answer::Answer;
use crate::http::Incoming;
use crate::request::Origin;

/// Something done wrong for the requests that match. Of several faults that match a request the first one added is used.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Part of the target, path and query as sent; empty for all.
    pub path: String,
    /// Only at this origin.
    pub origin: Option<Origin>,
    /// Only with this method.
    pub method: Option<String>,
    /// For so many requests; always if none.
    pub times: Option<u32>,
    /// What goes wrong.
    pub what: What,
}

impl Fault {
    /// `what` goes wrong with every request whose target contains `path`.
    pub fn new(path: &str, what: What) -> Self {
        Fault {
            path: path.to_string(),
            origin: None,
            method: None,
            times: None,
            what,
        }
    }

    /// Only at this origin.
    pub fn at(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Only with this method.
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_string());
        self
    }

    /// Only for so many requests.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    pub(crate) fn matches(&self, origin: Origin, incoming: &Incoming, answer: &Answer) -> bool {
        self.times != Some(0)
            && incoming.target.contains(&self.path)
            && self.origin.is_none_or(|wanted| wanted == origin)
            && self
                .method
                .as_ref()
                .is_none_or(|method| method.eq_ignore_ascii_case(&incoming.method))
            && self.what.concerns(incoming, answer)
    }
}

/// What goes wrong. Faults of the body concern only requests that are answered with content (status 200 or 206, no HEAD); requests they
/// do not concern do not use up [`Fault::times`].
#[derive(Clone, Debug)]
pub enum What {
    /// Another answer, such as 503, or 429 with `Retry-After`.
    Status {
        /// The status.
        code: u16,
        /// Headers beside `Content-Length`.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// The connection closes after so many bytes of the body; the announced length is the true one.
    Cut {
        /// Bytes sent.
        after: u64,
    },
    /// `Content-Length` is wrong by so much (also of HEAD); the body is the true one and the connection closes at its end.
    Length(i64),
    /// The body has more bytes than the file.
    Longer {
        /// With the greater length announced, or chunked without one.
        announced: bool,
        /// Bytes added.
        by: u64,
    },
    /// A chunked body that goes on until the peer closes, at 64 MiB a second at most, so that no disk is full at once.
    Endless,
    /// One bit in the middle of the body differs.
    Flipped,
    /// Range is ignored: 200 and the whole. Concerns requests with a range only.
    NoRanges,
    /// 206 with a part that starts one byte before the one asked for (at byte 1 if 0 was asked for), as its `Content-Range` says.
    WrongRange,
    /// A redirect to any address.
    Redirect {
        /// `Location`.
        to: String,
        /// The status.
        code: u16,
    },
    /// So many bytes of the body, then nothing for as long as the peer stays, at most 120 s.
    Stall {
        /// Bytes sent.
        after: u64,
    },
    /// The body at this pace.
    Slow {
        /// The pace.
        bytes_per_second: u64,
    },
    /// The request is read and never answered, at most 120 s.
    Silent,
    /// The connection closes without an answer.
    Drop,
    /// Another `ETag`, and `X-Linked-Etag` where there is one; quotes are added. Concerns answers that have one (also to HEAD).
    Etag(String),
    /// Bytes that are no HTTP.
    Garbage,
}

impl What {
    fn concerns(&self, incoming: &Incoming, answer: &Answer) -> bool {
        let content = matches!(answer.status, 200 | 206);
        match self {
            What::Status { .. }
            | What::Redirect { .. }
            | What::Silent
            | What::Drop
            | What::Garbage => true,
            What::Etag(_) => answer.header("ETag").is_some(),
            What::Length(_) => content,
            What::NoRanges => matches!(answer.status, 206 | 416),
            What::WrongRange => answer.status == 206,
            What::Cut { .. } | What::Flipped => {
                content && incoming.method != "HEAD" && answer.body.length > 0
            }
            What::Longer { .. } | What::Endless | What::Stall { .. } | What::Slow { .. } => {
                content && incoming.method != "HEAD"
            }
        }
    }
}
