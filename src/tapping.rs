//! `tap.sock` in a shipper's state folder: what is sent, for `carbontrail tap`.
//!
//! A socket of the file system and not of the network, because it shows what is in the logs: whoever may read the state
//! folder may connect, nobody else. What goes over it is a frame for each request: its length (4 bytes, little endian),
//! how many others were missed (8 bytes), and the request as [`wire::encode_draft`] has it. Nothing is read from it.

use crate::rim;
use anyhow::{Context as _, bail};
use shipper::{Heard, Listener, Taps};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

/// Its name in the state folder.
pub(crate) const SOCKET: &str = "tap.sock";
/// A request is far below this.
const FRAME_BYTES_MAX: u32 = 64 << 20;

/// The socket while it is there.
#[derive(Debug)]
pub(crate) struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        rim::remove(&self.0);
    }
}

/// Answers until the runtime ends. Where it cannot be had, that is said, and the shipper does its work without it.
pub(crate) fn start(state: &Path, taps: Arc<Taps>) -> Option<Socket> {
    let path = state.join(SOCKET);
    // The state folder is locked by this process: a socket that stands there is one that a kill left.
    rim::remove(&path);
    let bound = UnixListener::bind(&path).and_then(|listener| {
        rim::keep_to_owner(&path)?;
        Ok(listener)
    });
    match bound {
        Ok(listener) => {
            tokio::spawn(accept(listener, taps));
            Some(Socket(path))
        }
        Err(error) => {
            tracing::warn!("`carbontrail tap` will show nothing: failed to listen on `{}`: {error}", path.display());
            None
        }
    }
}

async fn accept(listener: UnixListener, taps: Arc<Taps>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // One too many is let go: it hears nothing but the end.
                if let Some(listener) = taps.listen() {
                    tokio::spawn(tell(stream, listener));
                }
            }
            // Out of descriptors, most likely: others need them more.
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}

/// Until the other side ends it.
async fn tell(mut stream: UnixStream, listener: Listener) {
    loop {
        let mut unread = [0; 16];
        let heard = tokio::select! {
            heard = listener.next() => heard,
            // Nothing is sent by the other side but its end.
            _ = stream.read(&mut unread) => return,
        };
        if stream.write_all(&frame(&heard)).await.is_err() {
            return;
        }
    }
}

fn frame(heard: &Heard) -> Vec<u8> {
    let request = wire::encode_draft(&heard.request);
    let mut frame = Vec::with_capacity(12 + request.len());
    frame.extend((request.len() as u32).to_le_bytes());
    frame.extend(heard.missed.to_le_bytes());
    frame.extend(request);
    frame
}

/// Reads the next frame: how many requests were missed, and an encoded one; `None` at the end.
///
/// # Errors
/// When it is cut off, or is none.
pub(crate) fn read_frame(from: &mut impl Read) -> anyhow::Result<Option<(u64, Vec<u8>)>> {
    let mut head = [0; 12];
    let mut got = 0;
    while got < head.len() {
        match from.read(&mut head[got..]) {
            Ok(0) if got == 0 => return Ok(None),
            Ok(0) => bail!("the shipper ended in the middle of a request"),
            Ok(len) => got += len,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("failed to read from the shipper"),
        }
    }
    let [a, b, c, d, missed @ ..] = head;
    let len = u32::from_le_bytes([a, b, c, d]);
    if len > FRAME_BYTES_MAX {
        bail!("what comes from the shipper is no request: is it of another version?");
    }
    let mut request = Vec::new();
    let read = from.take(u64::from(len)).read_to_end(&mut request).context("failed to read from the shipper")?;
    if read < len as usize {
        bail!("the shipper ended in the middle of a request");
    }
    Ok(Some((u64::from_le_bytes(missed), request)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use wire::Draft;

    #[test]
    fn frames_come_out_as_they_went_in_and_damage_is_told() {
        let request = Draft::default();
        let one = frame(&Heard { request: request.clone(), missed: 7 });
        let both = [one.clone(), frame(&Heard { request, missed: 0 })].concat();
        let mut from = &both[..];
        let (missed, bytes) = read_frame(&mut from).unwrap().unwrap();
        assert_eq!(missed, 7);
        assert!(wire::decode_request(&bytes, wire::Limits::default()).unwrap().messages.is_empty());
        assert_eq!(read_frame(&mut from).unwrap().unwrap().0, 0);
        assert!(read_frame(&mut from).unwrap().is_none());
        for cut in 1..one.len() {
            let error = read_frame(&mut &one[..cut]).unwrap_err().to_string();
            assert!(error.contains("in the middle"), "{cut}: {error}");
        }
        let error = read_frame(&mut &[0xff; 64][..]).unwrap_err().to_string();
        assert!(error.contains("another version"), "{error}");
    }
}
