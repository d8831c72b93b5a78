//! What is done with bytes while the next ones come: they are added up, and forced to the disk.
//!
//! Added up by the thread that fetches, or forced to the disk at the end, a file of two gigabytes takes twice as long over a fast line.

use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use crate::digest::Sum;

/// Pieces that wait to be added up.
const WAITING: usize = 8;

/// Bytes after which those before are forced to the disk.
const BEAT: u64 = 64 << 20;

/// Threads that work behind the one that fetches.
pub(crate) struct Behind<'scope> {
    pieces: Option<SyncSender<Vec<u8>>>,
    /// Pieces to be filled again.
    empty: Receiver<Vec<u8>>,
    adding: ScopedJoinHandle<'scope, Option<Sum>>,
    beats: Option<SyncSender<()>>,
    since: u64,
}

impl<'scope> Behind<'scope> {
    /// Begins, with what was added up so far, for a file that is written.
    ///
    /// # Errors
    ///
    /// There are no threads, or no second handle of the file, to be had.
    pub(crate) fn begin<'env>(
        scope: &'scope Scope<'scope, 'env>,
        sum: Option<Sum>,
        file: &File,
    ) -> io::Result<Self> {
        let (pieces, to_add) = sync_channel::<Vec<u8>>(WAITING);
        let (done, empty) = sync_channel(WAITING + 2);
        let adding = std::thread::Builder::new().spawn_scoped(scope, move || {
            let mut sum = sum;
            for piece in to_add {
                if let Some(sum) = &mut sum {
                    sum.add(&piece);
                }
                // Nobody wants it back at the end.
                let _ = done.send(piece);
            }
            sum
        })?;
        let (beats, forced) = sync_channel::<()>(1);
        let file = file.try_clone()?;
        std::thread::Builder::new().spawn_scoped(scope, move || {
            for () in forced {
                // What fails here fails at the end too, where it is said.
                let _ = file.sync_data();
            }
        })?;
        Ok(Self {
            pieces: Some(pieces),
            empty,
            adding,
            beats: Some(beats),
            since: 0,
        })
    }

    /// A piece of memory to be filled.
    pub(crate) fn piece(&self, length: usize) -> Vec<u8> {
        let mut piece = self.empty.try_recv().unwrap_or_default();
        piece.resize(length, 0);
        piece
    }

    /// Takes a piece that was written.
    pub(crate) fn take(&mut self, piece: Vec<u8>) {
        self.since += piece.len() as u64;
        if let Some(pieces) = &self.pieces {
            let _ = pieces.send(piece);
        }
        if self.since >= BEAT
            && let Some(beats) = &self.beats
        {
            self.since = 0;
            let _ = beats.try_send(());
        }
    }

    /// Waits until all is added up; gives what it is.
    pub(crate) fn end(mut self) -> Option<Sum> {
        self.pieces = None;
        self.beats = None;
        drop(self.empty);
        match self.adding.join() {
            Ok(sum) => sum,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}
