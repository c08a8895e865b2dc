//! How the engine's sockets in the instance's folder are made.

#![forbid(unsafe_code)]

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Listens at `path`, for the owner alone, without blocking. Its folder is the instance's, whose lock
/// the caller holds: what lies there was left by one that has ended.
pub(super) fn listen_for_owner(path: &Path) -> Result<UnixListener, String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_was_left_is_replaced_and_others_are_kept_out() {
        let path = std::env::temp_dir().join(format!("stoop-listen-{}", std::process::id()));
        std::fs::write(&path, "left").unwrap();
        let listener = listen_for_owner(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let _client = UnixStream::connect(&path).unwrap();
        assert!(listener.accept().is_ok());
        let error = listen_for_owner(&path.join("below")).unwrap_err();
        assert!(error.contains("below"), "{error}");
        std::fs::remove_file(path).unwrap();
    }
}
