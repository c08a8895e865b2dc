//! Small texts that several venues write.

#![forbid(unsafe_code)]

/// Address of a socket: an endpoint may name the host alone or the whole path.
pub(super) fn with_path(endpoint: &str, path: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    if base.ends_with(path) { base.to_owned() } else { format!("{base}{path}") }
}

/// Appends the decimal digits of a number.
pub(super) fn write_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
