//! An answer before it is sent.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::content::{Content, Source};
use crate::http::Incoming;

/// Status, headers and body; the headers of the body's length and place are written when it is sent.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

/// A part of a file.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) source: Arc<Source>,
    pub(crate) start: u64,
    pub(crate) length: u64,
}

impl Body {
    fn whole(source: Arc<Source>) -> Body {
        Body {
            start: 0,
            length: source.size(),
            source,
        }
    }
}

impl Answer {
    pub(crate) fn text(status: u16, text: &str) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: Body::whole(Arc::new(Source::of(&Content::from(text)))),
        }
    }

    pub(crate) fn json(status: u16, value: &Value) -> Answer {
        Answer::text(status, &value.to_string())
            .with("Content-Type", "application/json; charset=utf-8")
    }

    /// An error of Hugging Face, which names itself in the headers.
    pub(crate) fn error(status: u16, code: Option<&str>, message: &str) -> Answer {
        let mut answer = Answer::json(status, &json!({ "error": message }));
        if let Some(code) = code {
            answer = answer.with("X-Error-Code", code);
        }
        answer.with("X-Error-Message", message)
    }

    pub(crate) fn redirect(status: u16, to: &str) -> Answer {
        Answer::text(status, &format!("Found. Redirecting to {to}")).with("Location", to)
    }

    /// A file, or the range of it that is asked for.
    pub(crate) fn file(source: Arc<Source>, etag: &str, incoming: &Incoming) -> Answer {
        let size = source.size();
        let etag = format!("\"{etag}\"");
        let unchanged = incoming
            .header("If-Range")
            .is_none_or(|known| known == etag);
        let asked = incoming
            .header("Range")
            .filter(|_| unchanged && incoming.method == "GET")
            .and_then(Range::parse);
        let answer = match asked.map(|range| range.within(size)) {
            None => Answer {
                status: 200,
                headers: Vec::new(),
                body: Body::whole(source),
            },
            Some(Some((start, length))) => Answer {
                status: 206,
                headers: Vec::new(),
                body: Body {
                    source,
                    start,
                    length,
                },
            },
            Some(None) => Answer::text(416, "").with("Content-Range", &format!("bytes */{size}")),
        };
        answer
            .with("ETag", &etag)
            .with("Accept-Ranges", "bytes")
            .with("Content-Type", "application/octet-stream")
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// One range of bytes as asked for; several in one request are answered with the whole, as a server may.
enum Range {
    From { start: u64, last: u64 },
    Last(u64),
}

impl Range {
    fn parse(header: &str) -> Option<Range> {
        let (start, last) = header.strip_prefix("bytes=")?.split_once('-')?;
        if start.is_empty() {
            return Some(Range::Last(last.parse().ok()?));
        }
        let last = if last.is_empty() {
            u64::MAX
        } else {
            last.parse().ok()?
        };
        let start = start.parse().ok()?;
        (start <= last).then_some(Range::From { start, last })
    }

    /// Start and length in a file of this size; none if nothing of it is there.
    fn within(&self, size: u64) -> Option<(u64, u64)> {
        match *self {
            Range::From { start, last } if start < size => {
                Some((start, last.min(size - 1) - start + 1))
            }
            Range::Last(length) if length > 0 && size > 0 => {
                Some((size - length.min(size), length.min(size)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let within = |header| Range::parse(header).map(|range| range.within(10));
        assert_eq!(within("bytes=0-0"), Some(Some((0, 1))));
        assert_eq!(within("bytes=3-"), Some(Some((3, 7))));
        assert_eq!(within("bytes=8-99"), Some(Some((8, 2))));
        assert_eq!(within("bytes=-4"), Some(Some((6, 4))));
        assert_eq!(within("bytes=-40"), Some(Some((0, 10))));
        assert_eq!(within("bytes=10-"), Some(None));
        assert_eq!(within("bytes=0-1,4-5"), None);
        assert_eq!(within("bytes=5-4"), None);
        assert_eq!(within("lines=1-2"), None);
    }
}
