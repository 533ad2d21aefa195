//! What the fuzz target calls: copies of what removed files still held.

use crate::spill::Spill;
use outside::File as _;
use outside::sim::{SimClock, SimDisk, SimRng};
use outside::{Files, OpenMode};
use std::path::Path;

const BLOCK_HEADER: usize = 24;

/// A copy whose header is good and whose blocks are these bytes is refused, or read to its end; each block's
/// checksums are made right first where a block stands whole.
pub fn spill(bytes: &[u8]) {
    let mut file = b"ctspill\0\x01\0\0\0\0\0\0\0".to_vec();
    file.extend([7; 16]);
    file.extend(crc32fast::hash(&file).to_le_bytes());
    file.extend_from_slice(bytes);
    seal(&mut file[36..]);
    let disk = SimDisk::new(1 << 26, SimClock::new(0), SimRng::new(1));
    let files = disk.process();
    let path = Path::new("/7.spill");
    let written = files.open(path, OpenMode::Create).and_then(|f| f.write_all_at(&file, 0));
    written.expect("the disk has room");
    let Ok(spill) = Spill::open(&*files, path) else { return };
    let size = spill.metadata().expect("it is open").size;
    let (mut at, mut buffer) = (0, vec![0; 64 << 10]);
    while at < size {
        match spill.read_at(&mut buffer, at) {
            Ok(0) | Err(_) => break,
            Ok(n) => at += n as u64,
        }
    }
    // From anywhere, too.
    let _read = spill.read_at(&mut buffer, size / 2);
    let _read = spill.read_at(&mut buffer, u64::MAX);
}

fn seal(mut blocks: &mut [u8]) {
    while blocks.len() >= BLOCK_HEADER {
        let (header, rest) = blocks.split_at_mut(BLOCK_HEADER);
        let len = u32::from_le_bytes([header[12], header[13], header[14], header[15]]) as usize;
        if len > rest.len() {
            return;
        }
        let crc = crc32fast::hash(&rest[..len]);
        header[16..20].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32fast::hash(&header[..20]);
        header[20..24].copy_from_slice(&crc.to_le_bytes());
        blocks = &mut rest[len..];
    }
}
