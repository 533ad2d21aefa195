//! What all events of a stream share, once per stream and segment.

use super::varint::{Reader, put, put_bytes, put_signed};
use crate::event::StreamInfo;
use std::sync::Arc;
use wire::{AgentId, Factors, StreamId};

/// Appends the table.
pub(super) fn put_all(infos: &[Arc<StreamInfo>], out: &mut Vec<u8>) {
    put(out, infos.len() as u64);
    infos.iter().for_each(|info| put_one(info, out));
}

fn put_one(info: &StreamInfo, out: &mut Vec<u8>) {
    let StreamInfo { stream, agent, host_id, host_name, factors } = info;
    let Factors { path, name, device, number, born_ns, head_len, head_hash, predecessor, product, service, labels } =
        factors;
    out.extend_from_slice(&stream.0.to_le_bytes());
    out.extend_from_slice(&agent.0);
    for text in [host_id, host_name, path, name] {
        put_bytes(out, text.as_bytes());
    }
    put(out, *device);
    out.extend_from_slice(&number.to_le_bytes());
    put(out, u64::from(*head_len));
    out.extend_from_slice(&head_hash.to_le_bytes());
    let present = [born_ns.is_some(), predecessor.is_some(), product.is_some(), service.is_some()];
    out.push(present.iter().rev().fold(0, |bits, &bit| bits << 1 | u8::from(bit)));
    if let Some(born) = born_ns {
        put_signed(out, *born);
    }
    if let Some(stream) = predecessor {
        out.extend_from_slice(&stream.0.to_le_bytes());
    }
    for text in [product, service].into_iter().flatten() {
        put_bytes(out, text.as_bytes());
    }
    put(out, labels.len() as u64);
    for (name, value) in labels {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value.as_bytes());
    }
}

/// Reads the table.
pub(super) fn read_all(bytes: &[u8]) -> Option<Vec<Arc<StreamInfo>>> {
    let mut reader = Reader(bytes);
    let count = reader.count()?;
    (0..count).map(|_| read_one(&mut reader).map(Arc::new)).collect()
}

fn read_one(reader: &mut Reader<'_>) -> Option<StreamInfo> {
    let stream = StreamId(u64::from_le_bytes(reader.array()?));
    let agent = AgentId(reader.array()?);
    let mut text = || reader.text().map(str::to_owned);
    let (host_id, host_name, path, name) = (text()?, text()?, text()?, text()?);
    let device = reader.number()?;
    let number = u128::from_le_bytes(reader.array()?);
    let head_len = u32::try_from(reader.number()?).ok()?;
    let head_hash = u64::from_le_bytes(reader.array()?);
    let [bits] = reader.array()?;
    let born_ns = if bits & 1 != 0 { Some(reader.signed()?) } else { None };
    let predecessor = if bits & 2 != 0 { Some(StreamId(u64::from_le_bytes(reader.array()?))) } else { None };
    let product = if bits & 4 != 0 { Some(reader.text()?.to_owned()) } else { None };
    let service = if bits & 8 != 0 { Some(reader.text()?.to_owned()) } else { None };
    let count = reader.count()?;
    let labels = (0..count).map(|_| Some((reader.text()?.to_owned(), reader.text()?.to_owned())));
    let labels = labels.collect::<Option<Vec<_>>>()?;
    let factors =
        Factors { path, name, device, number, born_ns, head_len, head_hash, predecessor, product, service, labels };
    Some(StreamInfo { stream, agent, host_id, host_name, factors })
}
