//! The one socket option that no crate sets.

#![allow(unsafe_code, reason = "a system call that nobody wraps")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// `SO_BUSY_POLL`: how long a read looks at the network card itself before it gives up,
/// microseconds. Needs a driver that can be polled; loopback cannot.
pub(super) fn set_busy_poll(socket: &impl AsFd, microseconds: u32) -> io::Result<()> {
    let value = i32::try_from(microseconds).unwrap_or(i32::MAX);
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open as long as `socket` is borrowed; the kernel reads the four
    // bytes of `value`, which live until it returns, and writes nothing.
    let result = unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_BUSY_POLL,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn the_kernel_takes_it_or_says_why() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Err(error) = set_busy_poll(&socket, 50) {
            // More than the system's own value is for the privileged.
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
        }
    }
}
