//! A small client of HTTP/1.1.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// A connection that stays open as long as the server keeps it.
pub(crate) struct Client {
    host: String,
    reader: BufReader<TcpStream>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body is as long as announced, or its chunks have an end.
    pub(crate) complete: bool,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Client {
    /// Connects to `http://host:port`.
    pub(crate) fn to(url: &str) -> Client {
        let host = url.strip_prefix("http://").unwrap().to_string();
        let stream = TcpStream::connect(&host).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        Client {
            host,
            reader: BufReader::new(stream),
        }
    }

    pub(crate) fn stream(&mut self) -> &mut BufReader<TcpStream> {
        &mut self.reader
    }

    pub(crate) fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) {
        let mut head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n",
            self.host,
            body.len()
        );
        headers
            .iter()
            .for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        self.reader
            .get_mut()
            .write_all(format!("{head}\r\n{body}").as_bytes())
            .unwrap();
    }

    /// Status and headers; none if the connection ends before.
    pub(crate) fn head(&mut self) -> Option<Reply> {
        let mut first = String::new();
        if self.reader.read_line(&mut first).ok()? == 0 {
            return None;
        }
        let status = first.strip_prefix("HTTP/1.1 ")?[..3].parse().unwrap();
        let mut reply = Reply {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            complete: true,
        };
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                return Some(reply);
            };
            reply.headers.push((name.to_string(), value.to_string()));
        }
    }

    pub(crate) fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Reply> {
        self.send(method, target, headers, body);
        let mut reply = self.head()?;
        if method == "HEAD" {
            return Some(reply);
        }
        if reply.header("Transfer-Encoding") == "chunked" {
            reply.complete = self.chunks(&mut reply.body);
        } else {
            let length: u64 = reply.header("Content-Length").parse().unwrap();
            self.reader
                .by_ref()
                .take(length)
                .read_to_end(&mut reply.body)
                .unwrap();
            reply.complete = reply.body.len() as u64 == length;
        }
        Some(reply)
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            let Ok(length) = usize::from_str_radix(line.trim_end(), 16) else {
                return false;
            };
            let mut chunk = vec![0; length + 2];
            if self.reader.read_exact(&mut chunk).is_err() {
                return false;
            }
            body.extend_from_slice(&chunk[..length]);
            if length == 0 {
                return true;
            }
        }
    }

    pub(crate) fn get(&mut self, target: &str) -> Reply {
        self.ask("GET", target, &[], "").unwrap()
    }

    pub(crate) fn get_with(&mut self, target: &str, name: &str, value: &str) -> Reply {
        self.ask("GET", target, &[(name, value)], "").unwrap()
    }
}

/// Follows a redirect: asks the other origin, on a new connection and without headers.
pub(crate) fn follow(reply: &Reply) -> Reply {
    let location = reply.header("Location");
    let path = location.match_indices('/').nth(2).unwrap().0;
    Client::to(&location[..path]).get(&location[path..])
}
