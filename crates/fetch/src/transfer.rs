//! One file from a hub to the disk: in as many pieces as it takes, and none that was not announced.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use ureq::http::HeaderMap;

use crate::behind::Behind;
use crate::client::{Answer, Call, Client, Failed, Wait};
use crate::digest::{Digest, Sum};
use crate::watch::report;
use crate::{Error, Result};

/// The bytes that are held at a time.
const HELD: usize = 1 << 18;

/// Bytes that have to come for another round of tries.
const STEP: u64 = 1 << 16;

/// A file that is wanted.
pub(crate) struct Wanted<'a> {
    /// What it is of, as a user names it.
    pub(crate) name: &'a str,
    /// Its path in that.
    pub(crate) file: &'a str,
    /// How long it is; none where the answer is to say so.
    pub(crate) size: Option<u64>,
    /// What it adds up to; none where the answer is to say so.
    pub(crate) digest: Option<&'a Digest>,
    /// What the hub calls its content, where it says that too.
    pub(crate) etag: Option<&'a str>,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) size: u64,
    /// What it adds up to; none where nobody said what it should.
    pub(crate) digest: Option<Digest>,
}

/// Brings a file to `partial`, going on where an earlier try ended, and checks it.
///
/// `explain` puts answers with an error status into words. Only one process may do this for a partial file at a time; where a file system has no
/// locks and several do, they write the same bytes at the same places, and none shortens what another writes.
///
/// # Errors
///
/// It cannot be had as announced, or not be written. What came of it stays, unless it is wrong.
pub(crate) fn fetch(
    client: &Client,
    call: &Call<'_>,
    wanted: &Wanted<'_>,
    partial: &Path,
    explain: impl Fn(&mut Answer) -> Error,
) -> Result<Came> {
    let mut begun = Begun::open(partial)?;
    let (mut tried, mut furthest) = (0, begun.length);
    loop {
        let failed = match begun.go_on(client, call, wanted, &explain) {
            Ok(came) => return Ok(came),
            Err(failed) => failed,
        };
        if begun.length >= furthest.saturating_add(STEP) {
            (tried, furthest) = (0, begun.length);
        }
        client.wait_to_try_again(&mut tried, failed)?;
    }
}

/// A file of which a part is there.
struct Begun<'a> {
    path: &'a Path,
    file: File,
    /// The bytes that are there.
    length: u64,
    /// What these add up to so far, once it is known how to add them.
    sum: Option<(Digest, Sum)>,
    /// Whether some of them came in an earlier process.
    is_inherited: bool,
    /// Whether it was begun anew because it added up to something else.
    was_wrong: bool,
}

impl<'a> Begun<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let (file, length) = open(path)?;
        Ok(Self {
            path,
            file,
            length,
            sum: None,
            is_inherited: length > 0,
            was_wrong: false,
        })
    }

    /// Asks for what is missing, takes what comes, and checks the whole.
    fn go_on(
        &mut self,
        client: &Client,
        call: &Call<'_>,
        wanted: &Wanted<'_>,
        explain: &impl Fn(&mut Answer) -> Error,
    ) -> Result<Came, Failed> {
        // Longer than it can be: of another file, or put there by somebody.
        if wanted.size.is_some_and(|size| self.length > size) {
            self.begin_anew()?;
        }
        if let (Some(size), Some(digest)) = (wanted.size, wanted.digest)
            && self.length == size
        {
            self.add_up(digest.clone())?;
            return self.check(wanted, size);
        }
        let mut call = call.clone();
        call.from = (self.length > 0).then_some(self.length);
        let mut answer = client.ask(&call)?;
        match answer.status {
            200 if self.length > 0 => self.begin_anew()?,
            200 => {}
            206 if self.length > 0 && begins_at(&answer.headers) == Some(self.length) => {}
            // All of it came before, of a file whose digest only an answer says.
            416 if whole_length(&answer.headers) == Some(self.length) => {
                let digest = Digest::of_google(google_hashes(&answer.headers));
                if let Some(digest) = wanted.digest.cloned().or(digest) {
                    self.add_up(digest)?;
                    return self.check(wanted, self.length);
                }
                self.begin_anew()?;
                return Err(wanted.untrue("the hub does not say what it adds up to", Wait::Backoff));
            }
            206 | 416 if self.length > 0 => {
                self.begin_anew()?;
                return Err(wanted.untrue(
                    "the hub sent another part than was asked for",
                    Wait::Backoff,
                ));
            }
            _ => {
                let wait = answer.wait(&call)?;
                let error = explain(&mut answer);
                return Err(Failed { error, wait });
            }
        }
        check_etag(&answer, wanted)?;
        let size = self.announced(&answer, wanted)?;
        let digest = wanted.digest.cloned();
        let digest = digest.or_else(|| Digest::of_google(google_hashes(&answer.headers)));
        match &self.sum {
            Some((before, _)) if Some(before) == digest.as_ref() => {}
            _ => {
                self.sum = None;
                if let Some(digest) = digest {
                    self.add_up(digest)?;
                }
            }
        }
        self.take(answer, wanted, size)?;
        self.check(wanted, size)
    }

    /// How long the whole is.
    fn announced(&self, answer: &Answer, wanted: &Wanted<'_>) -> Result<u64, Failed> {
        let comes = answer.number("content-length");
        let comes = comes.and_then(|comes| comes.checked_add(self.length));
        match (wanted.size, comes) {
            (Some(size), Some(comes)) if comes != size => {
                let reason = format!("the hub lists it with {size} bytes and sends {comes}");
                Err(wanted.untrue(&reason, Wait::Backoff))
            }
            (Some(size), _) | (None, Some(size)) => Ok(size),
            (None, None) => Err(wanted.untrue("the hub does not say how long it is", Wait::Never)),
        }
    }

    /// Writes what comes to the disk, no more than was announced.
    fn take(&mut self, answer: Answer, wanted: &Wanted<'_>, size: u64) -> Result<(), Failed> {
        let io = engraft_files::Error::io;
        let at = self.file.seek(SeekFrom::Start(self.length));
        at.map_err(|error| io("write", self.path)(error))
            .map_err(Error::from)?;
        std::thread::scope(|scope| {
            let (digest, sum) = self.sum.take().unzip();
            let behind = Behind::begin(scope, sum, &self.file);
            let behind = behind
                .map_err(io("write", self.path))
                .map_err(Error::from)?;
            self.take_with(behind, answer, wanted, size, digest)
        })
    }

    fn take_with(
        &mut self,
        mut behind: Behind<'_>,
        answer: Answer,
        wanted: &Wanted<'_>,
        size: u64,
        digest: Option<Digest>,
    ) -> Result<(), Failed> {
        let mut body = answer.body.into_reader();
        let ended = loop {
            let mut piece = behind.piece(HELD);
            let read = match body.read(&mut piece) {
                Ok(0) => break Ok(()),
                Ok(read) => read,
                Err(error) => break Err(error.to_string()),
            };
            piece.truncate(read);
            if self.length + read as u64 > size {
                behind.end();
                self.begin_anew()?;
                let reason = format!("more than the {size} bytes came that were announced");
                return Err(wanted.untrue(&reason, Wait::Never));
            }
            let written = self.file.write_all(&piece);
            written
                .map_err(|error| engraft_files::Error::io("write", self.path)(error))
                .map_err(Error::from)?;
            behind.take(piece);
            self.length += read as u64;
            advance(i64::try_from(read).unwrap_or_default());
        };
        self.sum = digest.zip(behind.end());
        match ended {
            Err(why) => Err(self.cut(wanted, size, &why)),
            Ok(()) if self.length < size => Err(self.cut(wanted, size, "the connection ended")),
            Ok(()) => Ok(()),
        }
    }

    fn cut(&self, wanted: &Wanted<'_>, size: u64, why: &str) -> Failed {
        let have = self.length;
        let reason = format!(
            "{why} after {have} of {size} bytes; what came is kept, and the next try goes on there"
        );
        wanted.untrue(&reason, Wait::Backoff)
    }

    /// Whether it is what was announced.
    fn check(&mut self, wanted: &Wanted<'_>, size: u64) -> Result<Came, Failed> {
        let synced = self.file.sync_all();
        synced
            .map_err(|error| engraft_files::Error::io("write", self.path)(error))
            .map_err(Error::from)?;
        let Some((announced, sum)) = self.sum.take() else {
            return Ok(Came { size, digest: None });
        };
        let found = sum.end();
        if found == announced {
            let digest = Some(found);
            return Ok(Came { size, digest });
        }
        // What an earlier process left may be of another file.
        let again = if self.is_inherited || !self.was_wrong {
            Wait::Backoff
        } else {
            Wait::Never
        };
        self.begin_anew()?;
        self.was_wrong |= !std::mem::take(&mut self.is_inherited);
        let reason = "its digest is not the one that the hub announces; it was changed on the way or at the hub, and nothing of it was kept";
        Err(wanted.untrue(reason, again))
    }

    /// Adds up the bytes that are there.
    fn add_up(&mut self, digest: Digest) -> Result<()> {
        let mut sum = digest.sum();
        let io = engraft_files::Error::io;
        let added = self
            .file
            .rewind()
            .and_then(|()| sum.add_start_of(&mut self.file, self.length));
        let added = added.map_err(io("read", self.path))?;
        if added == self.length {
            self.sum = Some((digest, sum));
            return Ok(());
        }
        // It became shorter meanwhile.
        self.begin_anew()?;
        self.sum = Some((digest.clone(), digest.sum()));
        Ok(())
    }

    /// Forgets what came. The file begins anew and is not emptied: another process may have it open, or have given it its final name.
    fn begin_anew(&mut self) -> Result<()> {
        let _ = std::fs::remove_file(self.path);
        self.file = open(self.path)?.0;
        advance(-i64::try_from(self.length).unwrap_or(i64::MAX));
        self.length = 0;
        self.sum = None;
        Ok(())
    }
}

/// Opens a file that may be there, with its length.
fn open(path: &Path) -> Result<(File, u64)> {
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(false);
    let opened = options
        .open(path)
        .and_then(|file| Ok((file.metadata()?.len(), file)));
    let (length, file) = opened.map_err(engraft_files::Error::io("write", path))?;
    Ok((file, length))
}

impl Wanted<'_> {
    fn untrue(&self, reason: &str, wait: Wait) -> Failed {
        let error = Error::Untrue {
            name: self.name.to_owned(),
            file: self.file.to_owned(),
            reason: reason.to_owned(),
        };
        Failed { error, wait }
    }
}

fn advance(bytes: i64) {
    if bytes != 0 {
        report(|watch| watch.advances(bytes));
    }
}

/// Where a part begins that an answer is.
fn begins_at(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get("content-range")?.to_str().ok()?;
    let (start, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    start.trim().parse().ok()
}

/// How long the whole is, by an answer that has no part of it.
fn whole_length(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get("content-range")?.to_str().ok()?;
    range.strip_prefix("bytes */")?.trim().parse().ok()
}

/// Whether the hub still means the content that it listed.
fn check_etag(answer: &Answer, wanted: &Wanted<'_>) -> Result<(), Failed> {
    let header = |name: &str| answer.first.get(name)?.to_str().ok();
    let said = header("x-linked-etag").or_else(|| header("etag"));
    let said = said.map(|said| said.trim_start_matches("W/").trim_matches('"'));
    match (wanted.etag, said) {
        (Some(etag), Some(said)) if etag != said => {
            let reason = "the hub has another file under this name than it listed; fetch anew with engraft download";
            Err(wanted.untrue(reason, Wait::Never))
        }
        _ => Ok(()),
    }
}

fn google_hashes(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all("x-goog-hash").iter();
    values.filter_map(|value| value.to_str().ok())
}
