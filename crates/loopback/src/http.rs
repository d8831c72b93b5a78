//! Requests of HTTP/1.1 as they come in, and the encoding of addresses.

use std::io::{self, BufRead, Read};

/// The most bytes that the head of a request may have.
const HEAD_LIMIT: u64 = 64 * 1024;

/// The most bytes that the body of a request may have.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// A request with its body.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the connection stays open after the answer.
    pub(crate) persistent: bool,
}

impl Incoming {
    /// The next request of a connection; none where the peer has closed it.
    pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Option<Incoming>> {
        let mut head = reader.by_ref().take(HEAD_LIMIT);
        let Some(first) = line(&mut head)? else {
            return Ok(None);
        };
        let mut words = first.split_ascii_whitespace();
        let (Some(method), Some(target), Some(version)) =
            (words.next(), words.next(), words.next())
        else {
            return Err(invalid("the first line is no request"));
        };
        if !version.starts_with("HTTP/1.") {
            return Err(invalid("only HTTP/1 is spoken here"));
        }
        let mut headers = Vec::new();
        loop {
            let Some(header) = line(&mut head)? else {
                return Err(invalid("the head ends early"));
            };
            if header.is_empty() {
                break;
            }
            let Some((name, value)) = header.split_once(':') else {
                return Err(invalid("a header has no colon"));
            };
            headers.push((name.trim().to_string(), value.trim().to_string()));
        }
        let mut incoming = Incoming {
            method: method.to_string(),
            target: target.to_string(),
            persistent: version != "HTTP/1.0",
            headers,
            body: Vec::new(),
        };
        if let Some(connection) = incoming.header("Connection") {
            incoming.persistent = if incoming.persistent {
                !connection.eq_ignore_ascii_case("close")
            } else {
                connection.eq_ignore_ascii_case("keep-alive")
            };
        }
        incoming.read_body(reader)?;
        Ok(Some(incoming))
    }

    fn read_body(&mut self, reader: &mut impl BufRead) -> io::Result<()> {
        if self.header("Transfer-Encoding").is_some() {
            return Err(invalid("chunked requests are not read"));
        }
        let length = self
            .header("Content-Length")
            .map_or(Ok(0), str::parse)
            .map_err(|_| invalid("the length is no number"))?;
        if length > BODY_LIMIT {
            return Err(invalid("the body is too long"));
        }
        self.body = vec![0; length];
        reader.read_exact(&mut self.body)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn authorization(&self) -> Option<&str> {
        self.header("Authorization")
    }

    /// The same request without its range.
    pub(crate) fn without_range(&self) -> Incoming {
        let mut incoming = self.clone();
        incoming
            .headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case("Range"));
        incoming
    }

    pub(crate) fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The parts of the path between slashes, decoded.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.path()
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(decode)
            .collect()
    }

    /// A value of the query, decoded.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let pairs = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| decode(&value.replace('+', " ")))
            .next()
    }
}

fn line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if reader.read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    if !bytes.ends_with(b"\n") {
        return Err(invalid("a line of the head has no end"));
    }
    let text = String::from_utf8(bytes).map_err(|_| invalid("the head is no text"))?;
    Ok(Some(text.trim_end().to_string()))
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Undoes percent encoding.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes
            .get(at + 1..at + 3)
            .and_then(|digits| str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let (b'%', Some(byte)) = (bytes[at], byte) {
            decoded.push(byte);
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Percent encoding of a path; slashes stay.
pub(crate) fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(byte as char);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The words after a status.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_again() {
        let path = "a b/ü%+?#/c.txt";
        assert_eq!(encode(path), "a%20b/%C3%BC%25%2B%3F%23/c.txt");
        assert_eq!(decode(&encode(path)), path);
        assert_eq!(decode("100%"), "100%");
    }

    #[test]
    fn a_request_is_read_with_its_body_and_its_query() {
        let mut bytes = &b"POST /a%2Fb/c?x=1&name=two+w%C3%B6rds HTTP/1.1\r\nhost: h\r\nContent-Length: 3\r\n\r\nabcGET"[..];
        let incoming = Incoming::read(&mut bytes).unwrap().unwrap();
        assert_eq!(incoming.segments(), ["a/b", "c"]);
        assert_eq!(incoming.query("name").as_deref(), Some("two wörds"));
        assert_eq!(incoming.header("Host"), Some("h"));
        assert_eq!(
            (incoming.body.as_slice(), bytes),
            (&b"abc"[..], &b"GET"[..])
        );
        assert!(incoming.persistent);
    }
}
