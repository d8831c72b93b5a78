//! Parts of the contigs of a reference genome, from a FASTA file with an index.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use engraft_component::nearest;
use noodles_core::{Position, Region};
use noodles_fasta::fai::Record;
use noodles_fasta::io::{BufReader, IndexedReader, indexed_reader::Builder};

use crate::error::{Error, list};

/// A FASTA file that is read in parts.
pub(crate) struct Reference {
    path: PathBuf,
    reader: IndexedReader<BufReader<File>>,
    /// The bases of each contig.
    lengths: HashMap<String, u64>,
}

impl Reference {
    /// Opens a file with its index (`.fai`); without one, the file is read once for it, as a note says.
    ///
    /// # Errors
    /// The file or its index cannot be read, or is damaged.
    pub(crate) fn open(path: &Path, notes: &mut Vec<String>) -> Result<Reference, Error> {
        let failed = |action: &'static str| {
            move |source| Error::Io {
                path: path.to_path_buf(),
                action,
                source,
            }
        };
        let mut index_path = path.as_os_str().to_owned();
        index_path.push(".fai");
        let index = if Path::new(&index_path).is_file() {
            noodles_fasta::fai::fs::read(&index_path).map_err(failed("read its index (.fai)"))?
        } else {
            notes.push(format!(
                "{} has no index beside it (.fai), so the whole file is read once; samtools faidx makes one",
                path.display()
            ));
            noodles_fasta::fs::index(path).map_err(failed("read the contigs"))?
        };
        let records: &[Record] = index.as_ref();
        let lengths = records
            .iter()
            .map(|record| (record.name().to_string(), record.length()));
        let lengths = lengths.collect();
        let reader = Builder::default()
            .set_index(index)
            .build_from_path(path)
            .map_err(failed("open the file"))?;
        Ok(Reference {
            path: path.to_path_buf(),
            reader,
            lengths,
        })
    }

    /// The file, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How many bases a contig has.
    ///
    /// # Errors
    /// There is none of that name; the sentence says which there are.
    pub(crate) fn length(&self, contig: &str) -> Result<u64, String> {
        self.lengths.get(contig).copied().ok_or_else(|| {
            let mut names: Vec<&str> = self.lengths.keys().map(String::as_str).collect();
            names.sort_unstable();
            let nearest = nearest(contig, names.iter().copied());
            let nearest = nearest.map(|name| format!(". Did you mean \"{name}\"?"));
            format!(
                "{} has no contig \"{contig}\", it has {}{}",
                self.path.display(),
                list(&names),
                nearest.unwrap_or_default()
            )
        })
    }

    /// The bases of a contig from `start`, counted from 0, up to `end`, which is no more than its length; in upper case, and `N` for what is
    /// none of A, C, G and T.
    ///
    /// # Errors
    /// The file cannot be read, or its index is that of another.
    pub(crate) fn bases(&mut self, contig: &str, start: u64, end: u64) -> Result<String, Error> {
        if start >= end {
            return Ok(String::new());
        }
        let read = self.read(contig, start, end).and_then(|bases| {
            if bases.len() as u64 == end - start {
                Ok(bases)
            } else {
                Err(io::Error::other(
                    "the contig is shorter than the index says; the index is that of another file",
                ))
            }
        });
        let bases = read.map_err(|source| Error::Io {
            path: self.path.clone(),
            action: "read a part of a contig",
            source,
        })?;
        Ok(bases.into_iter().map(base).collect())
    }

    fn read(&mut self, contig: &str, start: u64, end: u64) -> io::Result<Vec<u8>> {
        // Positions of a region are counted from 1, and the last is within it.
        let position = |at: u64| {
            let at = usize::try_from(at).map_err(io::Error::other)?;
            Position::try_from(at).map_err(io::Error::other)
        };
        let region = Region::new(contig, position(start + 1)?..=position(end)?);
        let record = self.reader.query(&region)?;
        Ok(record.sequence().as_ref().to_vec())
    }
}

/// A base as models read it.
fn base(letter: u8) -> char {
    match letter.to_ascii_uppercase() {
        letter @ (b'A' | b'C' | b'G' | b'T') => char::from(letter),
        _ => 'N',
    }
}
