//! `error.group`: one number for all stacks that are the same but for what changes without meaning.
//!
//! Left out are line numbers, files, jar names and versions, module names, reflection (its frames change
//! while a JVM runs), and the numbers in generated names. So the two forms in which one stack is printed, and the same
//! stack of two builds, give the same group.

use xxhash_rust::xxh3::xxh3_64;

/// Collects a stack, line by line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Group {
    state: u64,
    frames: u32,
}

impl Group {
    /// A class: that of the exception itself, or of a cause.
    pub(crate) fn class(&mut self, name: &[u8]) {
        self.mix(normalised(name));
    }

    /// A frame's method, with its class, without what stands in parentheses.
    pub(crate) fn frame(&mut self, method: &[u8]) {
        let method = without_module(method);
        if !is_reflection(method) {
            self.frames += 1;
            self.mix(normalised(method));
        }
    }

    /// The group as 16 hexadecimal digits.
    pub(crate) fn hex(self, out: &mut [u8; 16]) -> &str {
        super::hex(self.state, out)
    }

    fn mix(&mut self, hash: u64) {
        self.state = (self.state.rotate_left(23) ^ hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// `java.base/java.util.X.y`, `java.base@11.0.9/…`, `app//x.Y.z`: what stands after the last slash before
/// generated parts.
pub(crate) fn without_module(method: &[u8]) -> &[u8] {
    // Most names have no slash at all, and are looked at once.
    if memchr::memchr(b'/', method).is_none() {
        return method;
    }
    let plain = memchr::memmem::find(method, b"$$").unwrap_or(method.len());
    match memchr::memrchr(b'/', &method[..plain]) {
        Some(slash) => &method[slash + 1..],
        None => method,
    }
}

fn is_reflection(method: &[u8]) -> bool {
    match method.first() {
        Some(b's') => method.starts_with(b"sun.reflect."),
        Some(b'j') => {
            method.starts_with(b"java.lang.reflect.")
                || method.starts_with(b"java.lang.invoke.")
                || method.starts_with(b"jdk.internal.reflect.")
        }
        _ => false,
    }
}

/// The hash of a name without the numbers of generated classes and methods.
fn normalised(name: &[u8]) -> u64 {
    let Some(dollar) = memchr::memchr(b'$', name) else { return xxh3_64(name) };
    let mut out = [0u8; 256];
    let mut n = 0;
    let mut put = |part: &mut dyn Iterator<Item = u8>| {
        for byte in part {
            if let Some(slot) = out.get_mut(n) {
                *slot = byte;
                n += 1;
            }
        }
    };
    put(&mut name[..dollar].iter().copied());
    let mut tail = &name[dollar..];
    if let Some(generated) = memchr::memmem::find(tail, b"$$") {
        put(&mut tail[..generated].iter().copied().filter(|b| !b.is_ascii_digit()));
        let method = memchr::memrchr(b'.', tail).unwrap_or(tail.len());
        tail = &tail[method.max(generated)..];
    }
    put(&mut tail.iter().copied().filter(|b| !b.is_ascii_digit()));
    xxh3_64(&out[..n])
}
