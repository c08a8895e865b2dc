//! One socket with or without TLS, or one end of a pipe in memory: bytes of the peer into a
//! [`Buffer`], our bytes out at once.
//!
//! Uses rustls' unbuffered interface: one receive call into our buffer, records decrypted from
//! there; our bytes are encrypted into one buffer and leave with one send call. What the kernel does
//! not take stays in that buffer, whose size is the owner's business ([`Stream::unsent`]).

use super::buffer::Buffer;
use super::reason::{CloseReason, tls_problem};
use super::url::Target;
use crate::clock::Clock;
use crate::pipe;
use crate::types::Nanos;
use mio::net::TcpStream;
use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

/// Room beyond a read for the tail of a record, or of a handshake message in several records.
const RECORD_ROOM: usize = 18 * 1024;
/// Most that encryption adds to a record, and most plaintext in one.
const RECORD_OVERHEAD: usize = 64;
const RECORD_PLAINTEXT: usize = 16 * 1024;

/// How a read ended.
#[derive(Debug, Default)]
pub(super) struct ReadOutcome {
    /// Bytes taken from the socket.
    pub(super) bytes: usize,
    /// When the read returned.
    pub(super) recv_ns: Nanos,
    /// The peer said that it would send no more.
    pub(super) clean: bool,
    /// The kernel may hold more.
    pub(super) more: bool,
    /// Nothing will follow; what was decrypted before it counts.
    pub(super) end: Option<CloseReason>,
}

/// What carries the bytes.
pub(super) enum Socket {
    /// The kernel.
    Tcp(TcpStream),
    /// A simulation; TLS is left out.
    Memory(pipe::End),
}

impl Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(into),
            Self::Memory(end) => end.read(into),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(bytes),
            Self::Memory(end) => end.write(bytes),
        }
    }
}

/// A connected socket.
pub(super) struct Stream {
    socket: Socket,
    tls: Option<Box<Tls>>,
    /// Bytes on their way out, encrypted if need be.
    out: Buffer,
    read_max: usize,
    clock: Clock,
    handed_ns: Nanos,
    /// `TCP_QUICKACK`, to be set after every read.
    pub(super) quick_ack: Option<bool>,
    /// Calls to the kernel since they were last asked for.
    writes: u64,
}

/// The client's half of TLS.
pub(super) struct Tls {
    connection: UnbufferedClientConnection,
    /// Received, not yet decrypted.
    pub(super) incoming: Buffer,
    pub(super) established: bool,
    peer_closed: bool,
    /// An alert has said the last word; rustls must not be asked for another.
    failed: bool,
}

impl Stream {
    /// Wraps a socket that is connected.
    pub(super) fn new(socket: Socket, read_max: usize, clock: Clock) -> Self {
        let out = Buffer::with_capacity(4096);
        let (out, handed_ns) = (out, Nanos(0));
        Self { socket, tls: None, out, read_max, clock, handed_ns, quick_ack: None, writes: 0 }
    }

    /// Begins the TLS handshake.
    pub(super) fn start_tls(
        &mut self,
        config: &Arc<ClientConfig>,
        target: &Target,
    ) -> Result<(), CloseReason> {
        let fail = |error: rustls::Error| CloseReason::Tls(tls_problem(&error, target));
        let name = ServerName::try_from(target.host.clone()).map_err(|_| CloseReason::Dns {
            host: target.host.clone(),
            error: "not a valid host name".to_owned(),
        })?;
        let mut tls = Tls::new(config, name, self.read_max).map_err(fail)?;
        let hello = tls.process(&mut self.out, |_| {});
        self.tls = Some(Box::new(tls));
        hello.map_err(fail)?;
        self.flush()
    }

    /// Whether our bytes may be sent: TLS has finished its handshake, or there is none.
    pub(super) fn is_established(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| tls.established)
    }

    /// Whether the connection stands; not yet is `Ok(false)`.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        match &self.socket {
            Socket::Memory(end) => end.is_open(),
            Socket::Tcp(socket) => match socket.take_error() {
                Ok(Some(error)) | Err(error) => Err(error),
                Ok(None) => match socket.peer_addr() {
                    Ok(_) => Ok(true),
                    Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
                    Err(error) => Err(error),
                },
            },
        }
    }

    /// For a pipe in memory, which no kernel watches: whether looking at it would bring news.
    pub(super) fn has_news(&self, opening: bool) -> bool {
        match &self.socket {
            Socket::Memory(end) => end.has_news(opening),
            Socket::Tcp(_) => false,
        }
    }

    /// When bytes were last handed to the kernel.
    pub(super) fn handed_ns(&self) -> Nanos {
        self.handed_ns
    }

    /// How often bytes were handed to the kernel since this was last asked.
    pub(super) fn take_writes(&mut self) -> u64 {
        std::mem::take(&mut self.writes)
    }

    /// Bytes that the kernel has not taken yet.
    pub(super) fn unsent(&self) -> usize {
        self.out.len()
    }

    /// One receive call; what it brought, decrypted, is added to `buffer`.
    pub(super) fn read(
        &mut self,
        buffer: &mut Buffer,
        clock: &Clock,
        target: &Target,
    ) -> ReadOutcome {
        let into = match &mut self.tls {
            Some(tls) => &mut tls.incoming,
            None => &mut *buffer,
        };
        let room = &mut into.room(self.read_max)[..self.read_max];
        let mut outcome = ReadOutcome::default();
        match self.socket.read(room) {
            Ok(0) => {
                outcome.end = Some(CloseReason::Eof);
                // With TLS, only the peer's word counts: anyone can end a TCP connection.
                outcome.clean = self.tls.is_none();
            }
            Ok(count) => {
                outcome.bytes = count;
                outcome.more = count == self.read_max;
                into.advance(count);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => outcome.more = true,
            Err(error) => outcome.end = Some(CloseReason::Io(error.to_string())),
        }
        if outcome.bytes > 0 {
            outcome.recv_ns = clock.now();
            if let Err(reason) = self.decrypt(buffer, target) {
                outcome.clean = reason == CloseReason::Eof;
                outcome.end = Some(reason);
            }
        }
        outcome
    }

    /// Tells the kernel once more whether to acknowledge at once. To be called when what was read
    /// has been dealt with: it costs a system call.
    pub(super) fn renew_quick_ack(&self) {
        if let (Some(on), Socket::Tcp(socket)) = (self.quick_ack, &self.socket) {
            // Only the peer would notice the difference.
            let _ = socket2::SockRef::from(socket).set_tcp_quickack(on);
        }
    }

    fn decrypt(&mut self, buffer: &mut Buffer, target: &Target) -> Result<(), CloseReason> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        let result = tls.process(&mut self.out, |plaintext| buffer.extend(plaintext));
        let peer_closed = tls.peer_closed;
        if result.is_err() {
            tls.fail(&mut self.out);
        }
        let flushed = self.flush();
        result.map_err(|error| CloseReason::Tls(tls_problem(&error, target)))?;
        flushed?;
        if peer_closed { Err(CloseReason::Eof) } else { Ok(()) }
    }

    /// Sends `plaintext`; what the kernel does not take is kept.
    pub(super) fn send(&mut self, plaintext: &[u8]) -> Result<(), CloseReason> {
        match &mut self.tls {
            Some(tls) => tls.encrypt(plaintext, &mut self.out)?,
            None => self.out.extend(plaintext),
        }
        self.flush()
    }

    /// Tries to send what is left.
    pub(super) fn flush(&mut self) -> Result<(), CloseReason> {
        while !self.out.is_empty() {
            self.handed_ns = self.clock.now();
            self.writes += 1;
            match self.socket.write(self.out.data()) {
                Ok(0) => return Err(CloseReason::Eof),
                Ok(count) => drop(self.out.consume(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(CloseReason::Io(error.to_string())),
            }
        }
        Ok(())
    }

    /// Tells the peer that nothing follows, as far as that goes without waiting.
    pub(super) fn shut_down(&mut self) {
        if let Some(tls) = &mut self.tls
            && !tls.failed
        {
            tls.close_notify(&mut self.out);
        }
        let _ = self.flush();
    }
}

impl Tls {
    /// Before the handshake; `read_max` bytes are received at once, at most.
    pub(super) fn new(
        config: &Arc<ClientConfig>,
        name: ServerName<'static>,
        read_max: usize,
    ) -> Result<Self, rustls::Error> {
        let connection = UnbufferedClientConnection::new(config.clone(), name)?;
        let incoming = Buffer::with_capacity(read_max + RECORD_ROOM);
        Ok(Self { connection, incoming, established: false, peer_closed: false, failed: false })
    }

    /// Takes every whole record out of `incoming`; what the handshake wants sent goes to `out`.
    pub(super) fn process(
        &mut self,
        out: &mut Buffer,
        mut plaintext: impl FnMut(&[u8]),
    ) -> Result<(), rustls::Error> {
        loop {
            let UnbufferedStatus { mut discard, state, .. } =
                self.connection.process_tls_records(self.incoming.data_mut());
            let mut blocked = false;
            let result = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
                    match traffic.next_record() {
                        Some(Ok(record)) => {
                            plaintext(record.payload);
                            discard += record.discard;
                        }
                        Some(Err(error)) => break Err(error),
                        None => break Ok(()),
                    }
                },
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(out, |room| data.encode(room));
                    Ok(())
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    Ok(())
                }
                Ok(ConnectionState::WriteTraffic(_)) => {
                    (self.established, blocked) = (true, true);
                    Ok(())
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.peer_closed = true;
                    Ok(())
                }
                Ok(_) => {
                    blocked = true;
                    Ok(())
                }
                Err(error) => Err(error),
            };
            self.incoming.consume(discard);
            result?;
            if blocked {
                return Ok(());
            }
        }
    }

    /// Fetches the alert that tells the peer why. Only while there is one: with nothing to send,
    /// rustls would look at the bytes that broke it once more.
    fn fail(&mut self, out: &mut Buffer) {
        self.failed = true;
        while self.connection.wants_write() {
            let status = self.connection.process_tls_records(self.incoming.data_mut());
            let discard = status.discard;
            let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state else { return };
            append(out, |room| data.encode(room));
            self.incoming.consume(discard);
        }
    }

    /// Encrypts behind what `out` holds.
    pub(super) fn encrypt(
        &mut self,
        plaintext: &[u8],
        out: &mut Buffer,
    ) -> Result<(), CloseReason> {
        let records = plaintext.len() / RECORD_PLAINTEXT + 1;
        let wanted = plaintext.len() + records * RECORD_OVERHEAD;
        self.with_writer(out, |writer, out| {
            out.room(wanted);
            append(out, |room| writer.encrypt(plaintext, room))
        })
    }

    fn close_notify(&mut self, out: &mut Buffer) {
        let _ = self
            .with_writer(out, |writer, out| append(out, |room| writer.queue_close_notify(room)));
    }

    /// Reaches the state in which rustls encrypts. All whole records were processed when they came
    /// in, so nothing but pending key updates can come before it.
    fn with_writer(
        &mut self,
        out: &mut Buffer,
        mut write: impl FnMut(
            &mut rustls::unbuffered::WriteTraffic<'_, rustls::client::ClientConnectionData>,
            &mut Buffer,
        ) -> bool,
    ) -> Result<(), CloseReason> {
        loop {
            let status = self.connection.process_tls_records(self.incoming.data_mut());
            let discard = status.discard;
            let done = match status.state {
                Ok(ConnectionState::WriteTraffic(mut writer)) => Some(write(&mut writer, out)),
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(out, |room| data.encode(room));
                    None
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    None
                }
                _ => Some(false),
            };
            self.incoming.consume(discard);
            match done {
                Some(true) => return Ok(()),
                Some(false) => return Err(CloseReason::Io("TLS cannot send any more".to_owned())),
                None => {}
            }
        }
    }
}

/// Errors of rustls that mean "give me more room".
trait NeedsRoom {
    fn required(&self) -> Option<usize>;
}

impl NeedsRoom for EncodeError {
    fn required(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(size) => Some(size.required_size),
            Self::AlreadyEncoded => None,
        }
    }
}

impl NeedsRoom for EncryptError {
    fn required(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(size) => Some(size.required_size),
            Self::EncryptExhausted => None,
        }
    }
}

/// Lets `write` write behind the data of `out`, with more room if it asks for it.
fn append<E: NeedsRoom>(
    out: &mut Buffer,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> bool {
    let mut wanted = RECORD_OVERHEAD;
    loop {
        match write(out.room(wanted)) {
            Ok(count) => {
                out.advance(count);
                return true;
            }
            Err(error) => match error.required() {
                Some(required) if required > wanted => wanted = required,
                _ => return false,
            },
        }
    }
}
