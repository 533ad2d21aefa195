//! What decodes bytes from outside this process: requests and answers, records of the WAL, marks, manifests, the log
//! itself, and queries. Checksums are made right first: behind them the decoders have to stand by themselves.

use outside::sim::{SimClock, SimDisk, SimRng};
use outside::{Files, OpenMode};
use std::path::Path;
use std::sync::Arc;
use wire::Limits;
use xxhash_rust::xxh3::xxh3_64;

/// A body as protobuf, sealed as a request and as an answer; and the bytes as they are.
pub(crate) fn wire(bytes: &[u8]) {
    let limits = Limits { decoded_bytes_max: 1 << 20, ratio_max: 1000 };
    drop(wire::decode_request(bytes, limits));
    drop(wire::decode_answer(bytes, limits));
    let body = zstd::bulk::compress(bytes, 1).unwrap();
    if let Ok(request) = wire::decode_request(&sealed(*b"CTRQ", bytes.len(), &body), limits) {
        let again = wire::decode_request(&wire::encode_request(&request), Limits::default()).unwrap();
        assert_eq!(request, again);
    }
    if let Ok(answer) = wire::decode_answer(&sealed(*b"CTAN", bytes.len(), &body), limits) {
        let again = wire::decode_answer(&wire::encode_answer(&answer), Limits::default()).unwrap();
        assert_eq!(answer, again);
    }
    // What claims to be zstd.
    drop(wire::decode_request(&sealed(*b"CTRQ", bytes.len(), bytes), limits));
}

/// A request whose compressed body is these bytes.
pub(crate) fn sealed_request(bytes: &[u8]) -> Vec<u8> {
    sealed(*b"CTRQ", bytes.len(), &zstd::bulk::compress(bytes, 1).unwrap())
}

/// Changes of a segment's file: refused, or answering.
pub(crate) fn segment(bytes: &[u8]) {
    indexer::store::fuzz::segment(bytes);
}

/// Blocks of a copy of what a removed file still held.
pub(crate) fn spill(bytes: &[u8]) {
    shipper::fuzz::spill(bytes);
}

fn sealed(magic: [u8; 4], size: usize, body: &[u8]) -> Vec<u8> {
    let rest = [&(size as u32).to_le_bytes()[..], body].concat();
    [&magic[..], &wire::WIRE_VERSION.to_le_bytes(), &xxh3_64(&rest).to_le_bytes(), &rest].concat()
}

/// Records of the WAL, the mark table, manifests.
pub(crate) fn records(bytes: &[u8]) {
    indexer::store::fuzz::decode(bytes);
}

/// A log whose one file holds these bytes opens or is refused; when it opens, all of it can be read, and it takes
/// records.
pub(crate) fn log(bytes: &[u8]) {
    let disk = SimDisk::new(1 << 24, SimClock::new(0), SimRng::new(1));
    let files: Arc<dyn Files> = disk.process();
    let folder = Path::new("/log");
    files.create_folder_all(folder).unwrap();
    let options = seglog::Options::new(*b"CTFUZZ\0\0", 1);
    // A good log first: its file's name and header are what an attack on the rest begins with.
    let (mut log, _) = seglog::Log::open(files.clone(), folder, options).unwrap();
    let good = log.append(b"record").is_ok() && log.sync().is_ok();
    drop(log);
    assert!(good);
    let Some(name) = files.list(folder).unwrap().into_iter().next() else { return };
    let path = folder.join(name);
    let size = files.metadata(&path).unwrap().size as usize;
    let file = files.open(&path, OpenMode::Write).unwrap();
    let at = bytes.first().map_or(0, |b| usize::from(*b)).min(size);
    file.write_all_at(bytes.get(1..).unwrap_or_default(), at as u64).unwrap();
    drop(file);
    if let Ok((mut log, recovered)) = seglog::Log::open(files, folder, options) {
        drop(log.read_from(recovered.first).collect::<Vec<_>>());
        drop(log.append(b"more"));
        drop(log.sync());
    }
}

/// A query is refused with a place in it, or printed and read again it is the same.
pub(crate) fn query(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let parsed = indexer::query::take_apart(&text);
    if let Err(error) = &parsed.query {
        assert!(!error.to_string().is_empty());
    }
    if let Ok(query) = parsed.query {
        let printed = query.to_string();
        let again = indexer::query::parse(&printed).unwrap_or_else(|e| panic!("{printed}: {e}"));
        assert_eq!(again.to_string(), printed);
    }
}
