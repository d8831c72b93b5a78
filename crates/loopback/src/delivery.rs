//! Sends an answer, as it is or spoiled by a fault.

use std::io::{self, ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::answer::Answer;
use crate::content::PIECE;
use crate::fault::What;
use crate::http::reason;
use crate::request::Progress;

/// How long the server keeps quiet at most.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often it looks meanwhile whether the peer is still there.
const TICK: Duration = Duration::from_millis(20);

/// Bytes a second of a body without end.
const ENDLESS_PACE: u64 = 64 * 1024 * 1024;

/// Bytes sent beyond the end of a file.
const FILLER: u8 = b'+';

/// How the head announces the body.
enum Length {
    Of(u64),
    Chunked,
}

/// How one answer goes out.
struct Delivery {
    length: Length,
    /// Bytes of the body to send; those beyond the file are filler.
    bytes: u64,
    flipped: Option<u64>,
    pace: Option<u64>,
    /// After the bytes nothing more comes, not even the end.
    stalls: bool,
    persistent: bool,
}

/// Where an answer goes, and what watches it.
pub(crate) struct Outlet<'a> {
    pub(crate) stream: &'a TcpStream,
    pub(crate) progress: &'a Progress,
    pub(crate) stopping: &'a AtomicBool,
    /// Whether only the head is wanted.
    pub(crate) head_only: bool,
    /// Whether the peer wants to keep the connection.
    pub(crate) persistent: bool,
}

impl Outlet<'_> {
    /// Sends the answer; whether the connection stays open.
    pub(crate) fn send(&self, mut answer: Answer, what: Option<&What>) -> io::Result<bool> {
        match what {
            Some(What::Drop) => return Ok(false),
            Some(What::Silent) => {
                self.keep_quiet()?;
                return Ok(false);
            }
            Some(What::Garbage) => {
                let mut stream = self.stream;
                stream.write_all(b"\x16\x03\x01\xff this is no HTTP\n\n\0\0\0")?;
                return Ok(false);
            }
            Some(what) => answer = spoiled(answer, what),
            None => {}
        }
        self.deliver(&answer, Delivery::of(&answer, what, self.persistent))
    }

    fn deliver(&self, answer: &Answer, delivery: Delivery) -> io::Result<bool> {
        let mut stream = self.stream;
        let head = delivery.head(answer);
        self.progress.answered(answer.status);
        if self.head_only {
            stream.write_all(head.as_bytes())?;
            return Ok(delivery.persistent);
        }
        let mut packet = head.into_bytes();
        let mut sent = 0;
        let began = Instant::now();
        while sent < delivery.bytes {
            let most = delivery
                .pace
                .map_or(PIECE as u64, |pace| (pace / 50).clamp(1, PIECE as u64));
            let length = most.min(delivery.bytes - sent) as usize;
            delivery.add_piece(answer, sent, length, &mut packet);
            sent += length as u64;
            self.progress.sent(sent);
            stream.write_all(&packet)?;
            packet.clear();
            if let Some(pace) = delivery.pace {
                self.wait_until(began + Duration::from_secs_f64(sent as f64 / pace as f64))?;
            }
        }
        if matches!(delivery.length, Length::Chunked) && !delivery.stalls {
            packet.extend_from_slice(b"0\r\n\r\n");
        }
        stream.write_all(&packet)?;
        if delivery.stalls {
            self.keep_quiet()?;
        }
        Ok(delivery.persistent)
    }

    fn wait_until(&self, moment: Instant) -> io::Result<()> {
        while let Some(rest) = moment
            .checked_duration_since(Instant::now())
            .filter(|rest| !rest.is_zero())
        {
            self.fail_if_stopping()?;
            thread::sleep(rest.min(TICK));
        }
        Ok(())
    }

    /// Sends nothing until the peer closes, the server stops or the patience ends.
    fn keep_quiet(&self) -> io::Result<()> {
        let began = Instant::now();
        self.stream.set_read_timeout(Some(TICK))?;
        while began.elapsed() < PATIENCE {
            self.fail_if_stopping()?;
            match self.stream.peek(&mut [0]) {
                Ok(0) => break,
                Ok(_) => thread::sleep(TICK),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
        self.stream.shutdown(Shutdown::Both)
    }

    fn fail_if_stopping(&self) -> io::Result<()> {
        if self.stopping.load(Ordering::SeqCst) {
            return Err(io::Error::other("the server stops"));
        }
        Ok(())
    }
}

impl Delivery {
    fn of(answer: &Answer, what: Option<&What>, persistent: bool) -> Delivery {
        let true_length = answer.body.length;
        let mut delivery = Delivery {
            length: Length::Of(true_length),
            bytes: true_length,
            flipped: None,
            pace: None,
            stalls: false,
            persistent,
        };
        match what {
            Some(What::Cut { after }) => {
                delivery.bytes = true_length.min(*after);
                delivery.persistent = false;
            }
            Some(What::Length(by)) => {
                delivery.length = Length::Of(true_length.saturating_add_signed(*by));
                delivery.persistent = false;
            }
            Some(What::Longer { announced, by }) => {
                delivery.bytes = true_length + by;
                delivery.length = if *announced {
                    Length::Of(delivery.bytes)
                } else {
                    Length::Chunked
                };
            }
            Some(What::Endless) => {
                delivery.length = Length::Chunked;
                delivery.bytes = u64::MAX;
                delivery.pace = Some(ENDLESS_PACE);
                delivery.persistent = false;
            }
            Some(What::Flipped) => delivery.flipped = Some(true_length / 2),
            Some(What::Stall { after }) => {
                delivery.bytes = true_length.min(*after);
                delivery.stalls = true;
                delivery.persistent = false;
            }
            Some(What::Slow { bytes_per_second }) => {
                delivery.pace = Some((*bytes_per_second).max(1))
            }
            _ => {}
        }
        delivery
    }

    fn head(&self, answer: &Answer) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
        let mut add = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
        answer
            .headers
            .iter()
            .for_each(|(name, value)| add(name, value));
        if answer.status == 206 {
            let body = &answer.body;
            add(
                "Content-Range",
                &format!(
                    "bytes {}-{}/{}",
                    body.start,
                    body.start + body.length - 1,
                    body.source.size()
                ),
            );
        }
        match self.length {
            Length::Of(length) => add("Content-Length", &length.to_string()),
            Length::Chunked => add("Transfer-Encoding", "chunked"),
        }
        add(
            "Connection",
            if self.persistent {
                "keep-alive"
            } else {
                "close"
            },
        );
        head.push_str("\r\n");
        head
    }

    /// Appends `length` bytes of the body from `position` on.
    fn add_piece(&self, answer: &Answer, position: u64, length: usize, packet: &mut Vec<u8>) {
        let chunked = matches!(self.length, Length::Chunked);
        if chunked {
            packet.extend_from_slice(format!("{length:x}\r\n").as_bytes());
        }
        let start = packet.len();
        packet.resize(start + length, FILLER);
        let piece = &mut packet[start..];
        let in_file = answer
            .body
            .length
            .saturating_sub(position)
            .min(length as u64) as usize;
        answer.body.source.read_at(
            answer.body.start + position.min(answer.body.length),
            &mut piece[..in_file],
        );
        let flipped = self
            .flipped
            .and_then(|flipped| flipped.checked_sub(position));
        if let Some(byte) = flipped.and_then(|at| piece.get_mut(at as usize)) {
            *byte ^= 1;
        }
        if chunked {
            packet.extend_from_slice(b"\r\n");
        }
    }
}

/// The answer with the status, headers or place that a fault gives it.
fn spoiled(mut answer: Answer, what: &What) -> Answer {
    match what {
        What::Status {
            code,
            headers,
            body,
        } => {
            answer = Answer::text(*code, body);
            answer.headers.clone_from(headers);
        }
        What::Redirect { to, code } => answer = Answer::redirect(*code, to),
        What::Etag(etag) => {
            for (name, value) in &mut answer.headers {
                if name.eq_ignore_ascii_case("ETag") || name.eq_ignore_ascii_case("X-Linked-Etag") {
                    *value = format!("\"{etag}\"");
                }
            }
        }
        What::WrongRange => {
            let body = &mut answer.body;
            if body.start > 0 {
                body.start -= 1;
            } else if body.length > 1 {
                body.start = 1;
                body.length -= 1;
            }
        }
        What::NoRanges => answer
            .headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case("Accept-Ranges")),
        _ => {}
    }
    answer
}
