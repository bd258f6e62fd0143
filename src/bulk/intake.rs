//! What is to be imported, as it arrives: cut into pieces of whole lines and packed, so that no more of it is in memory than a few pieces.

use sha2::{Digest, Sha256};

use super::model::{ChunkRow, INPUT, JobId};
use super::pieces::pack;
use crate::error::{Error, Result};

/// A piece ends with the line that makes it this large,
const BYTES: usize = 64 * 1024;
/// or with so many lines that say something.
const LINES: i32 = 256;
/// So many pieces are laid down together.
const TOGETHER: usize = 16;

/// What has arrived.
#[derive(Debug)]
pub struct Intake {
    job: JobId,
    limit: u64,
    line_limit: usize,
    digest: Sha256,
    bytes: u64,
    lines: i64,
    /// The piece that is being filled, its last line perhaps unfinished.
    piece: Vec<u8>,
    piece_lines: i32,
    /// How many of them are not blank.
    piece_said: i32,
    /// Bytes of the unfinished line; those above the limit are counted and thrown away.
    line: usize,
    full: Vec<ChunkRow>,
}

/// All that has arrived.
#[derive(Debug)]
pub struct Arrived {
    /// The last pieces.
    pub pieces: Vec<ChunkRow>,
    /// Lines in all.
    pub lines: i64,
    /// Bytes in all.
    pub bytes: i64,
    /// Their SHA-256.
    pub digest: Vec<u8>,
}

impl Intake {
    /// Nothing yet of a job whose input has so many bytes at most, and each of its lines so many.
    pub fn new(job: JobId, limit: u64, line_limit: usize) -> Self {
        Self {
            job,
            limit,
            line_limit,
            digest: Sha256::new(),
            bytes: 0,
            lines: 0,
            piece: Vec::new(),
            piece_lines: 0,
            piece_said: 0,
            line: 0,
            full: Vec::new(),
        }
    }

    /// Takes what comes next; the pieces that are to be laid down now. Fails with [`Error::TooLarge`] where it is too much in all.
    ///
    /// Of a line that is too long one byte more than it may have is kept, so that it is refused by itself.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Option<Vec<ChunkRow>>> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.limit {
            return Err(Error::TooLarge);
        }
        self.digest.update(bytes);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_ended) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            let room = (self.line_limit + 1).saturating_sub(self.line);
            self.piece.extend_from_slice(text.get(..room.min(text.len())).unwrap_or_default());
            self.line += text.len();
            if is_ended {
                self.end_line()?;
            }
        }
        Ok((self.full.len() >= TOGETHER).then(|| std::mem::take(&mut self.full)))
    }

    /// The rest, when all has arrived. The last line need not end.
    pub fn finish(mut self) -> Result<Arrived> {
        if self.line > 0 {
            self.end_line()?;
        }
        self.end_piece()?;
        Ok(Arrived {
            pieces: self.full,
            lines: self.lines,
            bytes: i64::try_from(self.bytes).unwrap_or(i64::MAX),
            digest: self.digest.finalize().to_vec(),
        })
    }

    fn end_line(&mut self) -> Result<()> {
        let said = self.piece.iter().rev().take_while(|byte| **byte != b'\n').any(|byte| !byte.is_ascii_whitespace());
        self.piece_said += i32::from(said);
        self.piece.push(b'\n');
        (self.line, self.lines, self.piece_lines) = (0, self.lines + 1, self.piece_lines + 1);
        if self.piece.len() >= BYTES || self.piece_said >= LINES { self.end_piece() } else { Ok(()) }
    }

    fn end_piece(&mut self) -> Result<()> {
        if self.piece_lines > 0 {
            let first_line = self.lines - i64::from(self.piece_lines) + 1;
            let content = pack(&self.piece)?;
            self.full.push(ChunkRow { job_id: self.job, file: INPUT.into(), first_line, lines: self.piece_lines, content });
        }
        self.piece.clear();
        self.piece.shrink_to(2 * BYTES);
        (self.piece_lines, self.piece_said) = (0, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::pieces::unpack;
    use super::*;
    use crate::db::types::Id;

    fn taken(parts: &[Vec<u8>], line_limit: usize) -> (Vec<u8>, Vec<ChunkRow>, Arrived) {
        let mut intake = Intake::new(Id::generate(), 1 << 30, line_limit);
        let mut pieces = Vec::new();
        for part in parts {
            pieces.extend(intake.take(part).unwrap().unwrap_or_default());
        }
        let mut arrived = intake.finish().unwrap();
        pieces.append(&mut arrived.pieces);
        let text = pieces.iter().flat_map(|piece| unpack(&piece.content).unwrap()).collect();
        (text, pieces, arrived)
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_arrive(lines in prop::collection::vec("[a-z]{0,40}", 0..600), cut in 1_usize..97) {
            let whole = lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect::<Vec<u8>>();
            let parts: Vec<Vec<u8>> = whole.chunks(cut).map(<[u8]>::to_vec).collect();
            let (text, pieces, arrived) = taken(&parts, 1_000);
            prop_assert_eq!(text, whole);
            prop_assert_eq!(arrived.lines, i64::try_from(lines.len()).unwrap());
            let mut next = 1;
            for piece in pieces {
                prop_assert_eq!(piece.first_line, next);
                next += i64::from(piece.lines);
            }
        }
    }

    #[test]
    fn lines_that_say_nothing_fill_no_pieces() {
        let (text, pieces, arrived) = taken(&[b"\n \n".repeat(30_000)], 1_000);
        assert_eq!((text.len(), pieces.len(), arrived.lines), (90_000, 2, 60_000));
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_the_next_one_is_whole() {
        let (text, _, arrived) = taken(&[b"0123456789".to_vec(), b"0123456789\nshort".to_vec()], 12);
        assert_eq!((text, arrived.lines), (b"0123456789012\nshort\n".to_vec(), 2));
    }

    #[test]
    fn what_is_too_large_in_all_is_refused() {
        let mut intake = Intake::new(Id::generate(), 10, 1_000);
        assert!(intake.take(b"01234").is_ok());
        assert!(matches!(intake.take(b"567890"), Err(Error::TooLarge)));
    }
}
