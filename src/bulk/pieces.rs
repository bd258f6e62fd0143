//! Pieces of files, packed.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use crate::error::{Error, Result};

/// Packs a piece. Speed matters more than the last byte: it is unpacked once and thrown away.
pub fn pack(lines: &[u8]) -> Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::with_capacity(lines.len() / 4), Compression::fast());
    packer.write_all(lines).map_err(Error::internal)?;
    packer.finish().map_err(Error::internal)
}

/// The lines of a piece.
pub fn unpack(packed: &[u8]) -> Result<Vec<u8>> {
    let mut lines = Vec::with_capacity(packed.len() * 4);
    GzDecoder::new(packed).read_to_end(&mut lines).map_err(Error::internal)?;
    Ok(lines)
}

/// How many bytes a piece has when it is unpacked, which gzip says in its last four (RFC 1952 §2.3.1); of one with fewer than 4 GiB.
pub fn size(packed: &[u8]) -> Result<u64> {
    let said = packed.last_chunk().ok_or_else(|| Error::internal("a piece that is not packed"))?;
    Ok(u32::from_le_bytes(*said).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked_and_says_before_how_large_it_is() {
        for lines in [&b""[..], b"{}\n", &b"{\"a\": 1}\n".repeat(10_000)] {
            let packed = pack(lines).unwrap();
            assert_eq!((unpack(&packed).unwrap(), size(&packed).unwrap()), (lines.to_vec(), lines.len() as u64));
        }
    }
}
